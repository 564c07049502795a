"""Requests to ingest that are wrong around the picture: metadata, forms, paths. One row each."""

from collections.abc import Callable
from dataclasses import dataclass, field

FORM = "multipart/form-data; boundary=b"


@dataclass(frozen=True)
class UploadRow:
    """Metadata that comes with a good picture, and the answer."""

    name: str
    metadata: bytes
    status: int
    told: str


@dataclass(frozen=True)
class RawRow:
    """A request as it is, with the admin's token, and the answer."""

    name: str
    method: str
    path: str
    content: bytes
    status: int
    told: str
    headers: dict[str, str] = field(default_factory=dict[str, str])


def part(head: bytes, body: bytes = b"x") -> bytes:
    """A form of one part."""
    return b"--b\r\n" + head + b"\r\n\r\n" + body + b"\r\n--b--\r\n"


def raw(name: str, content: bytes, status: int, told: str, *, kind: str = FORM) -> RawRow:
    """A body for POST /v1/snapshots."""
    return RawRow(name, "POST", "/v1/snapshots", content, status, told, {"content-type": kind})


def camera(name: str, content: bytes, status: int, told: str) -> RawRow:
    """A body for POST /v1/cameras."""
    return RawRow(name, "POST", "/v1/cameras", content, status, told, {"content-type": "application/json"})


def metadata(name: str, text: bytes | str, told: str, *, status: int = 422) -> UploadRow:
    """Metadata that is refused."""
    return UploadRow(name, text.encode() if isinstance(text, str) else text, status, told)


OWN_FIELDS: Callable[[str], str] = '{{"captured_at": "{}"}}'.format
UPLOADS = [
    metadata("junk", "{junk", "Invalid JSON"),
    metadata("not UTF-8", b"\xff\xfe\x00", "metadata"),
    metadata("a number", "7", "metadata"),
    metadata("a list", "[]", "metadata"),
    metadata("null", "null", "metadata"),
    metadata("brackets without end", "[" * 100_000, "recursion limit|Invalid JSON"),
    metadata("digits without end", '{"snapshot_id": ' + "9" * 10_000 + "}", "metadata.snapshot_id|Invalid JSON"),
    metadata(
        "more than fits", '{"violation_type": "' + "x" * (1 << 20) + '"}', "The metadata have more than", status=413
    ),
    metadata("more than an event carries", b'{"violation_type": "' + b"x" * 1_000_000 + b'"}', "960000 fit"),
    metadata(
        "an id that is a path", '{"snapshot_id": "../../etc/passwd"}', "metadata.snapshot_id: String should match"
    ),
    metadata("an id that is a number", '{"snapshot_id": 7}', "metadata.snapshot_id: Input should be a valid string"),
    metadata("an endless id", '{"snapshot_id": "' + "a" * 129 + '"}', "at most 128 characters"),
    metadata("an empty id", '{"snapshot_id": ""}', "at least 1 character"),
    metadata("an id with a line break", '{"snapshot_id": "a\\n"}', "metadata.snapshot_id: String should match"),
    metadata("another camera's name", '{"camera_id": "line-2"}', "cannot speak for", status=403),
    metadata("a camera that is a path", '{"camera_id": "a/../b"}', "metadata.camera_id: String should match"),
    metadata("an unknown workflow", '{"workflow": "hairnat"}', "'hairnat' does not exist; known are hairnet"),
    metadata("a workflow that is none", '{"workflow": "Hairnet!"}', "metadata.workflow: String should match"),
    metadata("U+0000 in a text", '{"violation_type": "a\\u0000b"}', "U\\+0000"),
    metadata("half a character", '{"violation_type": "\\ud800"}', "metadata|Invalid JSON"),
    metadata("a clock of 1970", OWN_FIELDS("1970-01-01T00:00:01Z"), "clock that was never set"),
    metadata("a clock of year one", OWN_FIELDS("0001-01-01T00:00:00+14:00"), "clock that was never set"),
    metadata("a clock ten minutes ahead", OWN_FIELDS("2026-03-02T12:10:00Z"), "lies in the future"),
    metadata("a clock years ahead", OWN_FIELDS("2038-01-19T03:14:08Z"), "lies in the future"),
    metadata("the last year there is", OWN_FIELDS("9999-12-31T23:59:59-14:00"), "lies in the future"),
    metadata("a year too many", OWN_FIELDS("12026-03-02T12:00:00Z"), "metadata.captured_at"),
    metadata("no time zone", OWN_FIELDS("2026-03-02T12:00:00"), "should have timezone info"),
    metadata("no time at all", OWN_FIELDS("yesterday"), "metadata.captured_at"),
    metadata("a time as NaN", '{"captured_at": NaN}', "metadata.captured_at"),
    metadata("a time as a huge number", '{"captured_at": 1e300}', "metadata.captured_at|future"),
    metadata("a model that is none", '{"detected_by": {"name": "x", "version": 0}}', "metadata.detected_by.version"),
    metadata(
        "a model version of a thousand digits",
        '{"detected_by": {"name": "x", "version": ' + "9" * 5000 + "}}",
        "metadata",
    ),
    metadata("zones that are no list", '{"zone_events": 7}', "metadata.zone_events"),
    metadata(
        "zones without end",
        '{"zone_events": [' + '{"a":' * 5000 + "1" + "}" * 5000 + "]}",
        "recursion limit|Invalid JSON",
    ),
    metadata("a group that is a number", '{"source_group": 7}', "metadata.source_group"),
]
RAW = [
    raw("no form", b"hello", 422, "multipart/form-data", kind="text/plain"),
    raw("no border", b"x", 400, "boundary", kind="multipart/form-data"),
    raw("an empty body", b"", 422, "The picture is missing|parse|picture"),
    raw("half a form", b"--b\r\nContent-Disp", 422, "The picture is missing|parse"),
    raw("a part without a name", part(b"Content-Disposition: form-data"), 400, "name"),
    raw("a part without a header", part(b"X: y"), 400, "name|parse|disposition"),
    raw(
        "an impossible border",
        b"--\r\n\r\n----\r\n",
        400,
        "bound|Content-Disposition",
        kind="multipart/form-data; boundary=",
    ),
    raw(
        "a border of no letters",
        part(b"Content-Disposition: form-data"),
        400,
        "bound|name|pars|Invalid multipart",
        kind='multipart/form-data; boundary="\xe9"',
    ),
    raw(
        "an alphabet nobody has",
        part(b'Content-Disposition: form-data; name="a"'),
        422,
        "picture",
        kind=f"{FORM}; charset=klingon",
    ),
    raw(
        "an alphabet that is none",
        part(b'Content-Disposition: form-data; name="a"', b"\xff"),
        400,
        "in the charset it names",
        kind=f"{FORM}; charset=undefined",
    ),
    raw(
        "an alphabet for names",
        part(b'Content-Disposition: form-data; name="a\xff."', b"\xff"),
        422,
        "The picture is missing",
        kind=f"{FORM}; charset=idna",
    ),
    raw(
        "an alphabet that packs",
        part(b'Content-Disposition: form-data; name="a"', b"\xff"),
        422,
        "picture|alphabet",
        kind=f"{FORM}; charset=zlib",
    ),
    raw("the picture as text", part(b'Content-Disposition: form-data; name="image"'), 422, "The picture is missing"),
    raw(
        "three pictures",
        b"".join(b'--b\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\nx\r\n' for _ in range(3))
        + b"--b--\r\n",
        400,
        "Too many files",
    ),
    raw(
        "a thousand fields",
        b"".join(b'--b\r\nContent-Disposition: form-data; name="f"\r\n\r\nx\r\n' for _ in range(1000)) + b"--b--\r\n",
        400,
        "Too many fields",
    ),
    raw("a form of other parts", b"a=1&b=2", 422, "multipart/form-data", kind="application/x-www-form-urlencoded"),
    camera("camera: junk", b"{junk", 422, "JSON"),
    camera("camera: not UTF-8", b'{"camera_id": "\xff"}', 400, "parsing the body"),
    camera("camera: brackets without end", b"[" * 200_000, 400, "parsing the body"),
    camera("camera: nothing", b"", 422, "body: Field required"),
    camera("camera: U+0000 in its title", b'{"camera_id": "c", "title": "a\\u0000b"}', 422, "can't be stored"),
    camera("camera: half a character in its title", b'{"camera_id": "c", "title": "\\ud800"}', 422, "title"),
    camera("camera: an endless title", b'{"camera_id": "c", "title": "' + b"x" * 201 + b'"}', 422, "at most 200"),
    camera("camera: a field too many", b'{"camera_id": "c", "admin": true}', 422, "not permitted"),
    camera("camera: SQL", b'{"camera_id": "c; drop table camera"}', 422, "camera_id: String should match"),
    RawRow(
        "token: U+0000 in its label",
        "POST",
        "/v1/cameras/line-1/tokens",
        b'{"label": "\\u0000"}',
        422,
        "can't be stored",
        {"content-type": "application/json"},
    ),
    RawRow(
        "token: no scope",
        "POST",
        "/v1/cameras/line-1/tokens",
        b'{"scopes": []}',
        422,
        "at least 1",
        {"content-type": "application/json"},
    ),
    RawRow(
        "token: the scope admin",
        "POST",
        "/v1/cameras/line-1/tokens",
        b'{"scopes": ["admin"]}',
        422,
        "scopes",
        {"content-type": "application/json"},
    ),
    RawRow(
        "token: of a camera nobody knows",
        "POST",
        "/v1/cameras/nobody/tokens",
        b"{}",
        404,
        "is not registered",
        {"content-type": "application/json"},
    ),
    RawRow("path: U+0000", "GET", "/v1/cameras/a%00b/tokens", b"", 422, "camera_id"),
    RawRow("path: not UTF-8", "GET", "/v1/cameras/%ff%fe/tokens", b"", 422, "camera_id"),
    RawRow("path: up", "GET", "/v1/cameras/..%2f..%2fetc/tokens", b"", 404, "Not Found"),
    RawRow("path: no token id", "DELETE", "/v1/cameras/line-1/tokens/7", b"", 422, "token_id"),
    RawRow("path: nowhere", "GET", "/v1/nothing", b"", 404, "Not Found"),
    RawRow("path: another method", "PUT", "/v1/snapshots", b"", 405, "Method Not Allowed"),
    RawRow(
        "link: bytes below none",
        "POST",
        "/v1/uploads",
        b'{"content_type": "image/jpeg", "sha256": "' + b"a" * 64 + b'", "bytes": -1}',
        422,
        "bytes",
        {"content-type": "application/json"},
    ),
    RawRow(
        "link: a number without end",
        "POST",
        "/v1/uploads",
        b'{"content_type": "image/jpeg", "sha256": "' + b"a" * 64 + b'", "bytes": ' + b"9" * 5000 + b"}",
        400,
        "parsing the body",
        {"content-type": "application/json"},
    ),
    RawRow(
        "link: more than a picture",
        "POST",
        "/v1/uploads",
        b'{"content_type": "image/jpeg", "sha256": "' + b"a" * 64 + b'", "bytes": 99999999999, "camera_id": "line-1"}',
        413,
        "larger than",
        {"content-type": "application/json"},
    ),
    RawRow(
        "link: another kind",
        "POST",
        "/v1/uploads",
        b'{"content_type": "text/html", "sha256": "' + b"a" * 64 + b'", "bytes": 1}',
        422,
        "content_type",
        {"content-type": "application/json"},
    ),
]
