"""Messages nobody should put on `snapshot.captured`, and odd ones that are good: one row each.

`fate`: `dead` (a dead letter whose error has the words `told`), `rejected` and `queued` (a verdict whose words have
`told`), `taken` (approved as any other). A row changes a good body, the headers, or replaces the value altogether.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from tests.support.hostile.labels import LABELS
from tests.support.hostile.pictures import PICTURES, jpeg

Fate = Literal["dead", "rejected", "queued", "taken"]
Headers = dict[str, bytes | None]
KEEP = b"\x00keep"


@dataclass(frozen=True)
class EventRow:
    """A message and its fate. `changes` go into the good body (None leaves a field out), `body` is JSON put in as text."""

    name: str
    fate: Fate
    told: str = ""
    changes: dict[str, Any] = field(default_factory=dict[str, Any])
    image: dict[str, Any] = field(default_factory=dict[str, Any])
    body: dict[str, str] = field(default_factory=dict[str, str])
    headers: Headers = field(default_factory=dict[str, bytes | None])
    value: bytes | None = KEEP
    picture: bytes | None = None


def whole(name: str, value: bytes | None, told: str, **headers: bytes | None) -> EventRow:
    """A value that is no body at all."""
    return EventRow(name, "dead", told, value=value, headers=headers)


def wrong(name: str, told: str, **changes: Any) -> EventRow:
    """A body with a wrong field."""
    return EventRow(name, "dead", told, changes=changes)


def object_(name: str, told: str, **image: Any) -> EventRow:
    """A body that points at something wrong."""
    return EventRow(name, "dead", told, image=image)


CLOCK = "of a clock that is wrong"
VALUES = [
    whole("junk", b"{junk", "ValidationError|JSON"),
    whole("junk that claims to be JSON", b"{junk", "JSONDecodeError", **{"content-type": b"application/json"}),
    whole("a tombstone", None, "."),
    whole("an empty value", b"", "."),
    whole("not UTF-8", b"\xff\xfe\x00", "."),
    whole("a number", b"7", "ValidationError"),
    whole("a list", b"[]", "ValidationError"),
    whole("null", b"null", "ValidationError"),
    whole("brackets without end", b"[" * 50_000, "RecursionError"),
    whole("digits without end", b'{"snapshot_id": ' + b"9" * 5000 + b"}", "can't be read"),
    whole("half a character", b'{"snapshot_id": "\\ud800"}', "ValidationError"),
    whole("2 MiB", b"x" * (2 << 20), "ValidationError|JSON"),
    whole("2 MiB of JSON", b'{"a": "' + b"x" * (2 << 20) + b'"}', "ValidationError"),
    whole("another event's body", b'{"sample_id": "x", "workflow": "hairnet", "reason": "dark"}', "ValidationError"),
    whole("a picture", jpeg(), "."),
]
HEADERS = [
    EventRow(
        "headers that are not UTF-8", "taken", headers={"x": b"\xff\xfe", "ce_time": b"\xc3(", "ce_source": b"\xff"}
    ),
    EventRow("null headers", "taken", headers={"ce_id": None, "ce_type": None, "ce_time": None}),
    EventRow("no CloudEvents headers", "taken", headers={"ce_id": None}),
    EventRow("a header with U+0000", "taken", headers={"y\x00": b"\x00"}),
    EventRow("a time that is none", "taken", headers={"ce_time": b"yesterday"}),
    EventRow("an attempt of thousands of digits", "taken", headers={"x-attempt": b"9" * 5000}),
    EventRow("a huge header", "taken", headers={"x": b"y" * 200_000}),
    EventRow("an unknown version", "dead", "does not belong on topic", headers={"ce_type": b"snapshot.captured.v9"}),
    EventRow("another type", "dead", "does not belong on topic", headers={"ce_type": b"sample.approved"}),
    EventRow("a type that is not UTF-8", "dead", "does not belong on topic", headers={"ce_type": b"\xff\xfe"}),
    EventRow("not UTF-8 and junk", "dead", ".", value=b"{junk", headers={"ce_id": b"\xff", "ce_type": None}),
]
BODIES = [
    wrong("no id", "snapshot_id", snapshot_id=None),
    wrong("no camera", "camera_id", camera_id=None),
    wrong("no time", "captured_at", captured_at=None),
    wrong("no image", "image", image=None),
    wrong("an id that is a number", "snapshot_id", snapshot_id=7),
    wrong("an id that is a path", "snapshot_id", snapshot_id="../../etc/passwd"),
    wrong("an endless id", "snapshot_id", snapshot_id="a" * 129),
    wrong("a camera that is a list", "camera_id", camera_id=["a"]),
    wrong("an image that is a word", "image", image="s3://camloop/a.jpg"),
    wrong("a workflow that is none", "workflow", workflow="Hairnet!"),
    wrong("an unknown workflow", "is not known", workflow="nobody-knows-it"),
    wrong("no time zone", "timezone", captured_at="2026-03-02T12:00:00"),
    wrong("a clock of 1970", CLOCK, captured_at="1970-01-01T00:00:01Z"),
    wrong("a clock of year one", CLOCK, captured_at="0001-01-01T00:00:00+14:00"),
    wrong("a clock years ahead", CLOCK, captured_at="2099-01-19T03:14:08Z"),
    wrong("the last year there is", CLOCK, captured_at="9999-12-31T23:59:59-14:00"),
    wrong("a model of version zero", "detected_by.version", detected_by={"name": "x", "version": 0}),
    wrong("zones that are a word", "zone_events", zone_events="door"),
    wrong("U+0000 in its group", "u0000|invalid byte sequence|null character", source_group="a\x00b"),
    EventRow("half a character in its group", "dead", "surrogate", body={"source_group": '"\\ud800"'}),
    EventRow("fields nobody knows", "taken", changes={"nobody": {"knows": [1]}, "image2": 7}),
]
OBJECTS = [
    object_("an object that is not there", "is not there", uri="s3://camloop/snapshots/nowhere.jpg"),
    object_("a bucket that is not there", "is not there", uri="s3://nobody-made-it/a.jpg"),
    object_("a bucket no store takes", "no address an object store takes", uri="s3://A/a.jpg"),
    object_("an address of another world", "uri", uri="file:///etc/passwd"),
    object_("an address that goes up", "is no object address", uri="s3://camloop/../secret.jpg"),
    object_("an address with a line break", "uri|is no object address", uri="s3://camloop/a\n.jpg"),
    object_("an address in brackets", "is no object address", uri="s3://[x/a.jpg"),
    object_("an endless address", "is no object address", uri="s3://camloop/" + "x" * 5000),
    object_("a wrong digest", "was announced", sha256="0" * 64),
    object_("a digest that is none", "sha256", sha256="short"),
    object_("fewer bytes than there are", "more than the 10 bytes that were announced", bytes=10),
    object_("negative bytes", "bytes", bytes=-1),
    object_("bytes as a word", "bytes", bytes="many"),
    object_("no digest", "sha256", sha256=None),
    EventRow("terabytes", "rejected", "more than the", image={"bytes": 10**13}),
    EventRow("sizes nobody believes", "taken", image={"width": -5, "height": 10**30, "content_type": "text/html"}),
]
LABELLED = [
    EventRow(
        f"labels: {row.name}",
        "dead" if row.refused and not row.asked else "queued" if row.asked else "taken",
        row.asked or row.refused or "",
        body={"annotations": row.annotations},
    )
    for row in LABELS
]
SEEN = [
    EventRow(f"picture: {row.name}", "rejected" if row.cleaner else "taken", row.cleaner or "", picture=row.make())
    for row in PICTURES
]
EVENTS = [*VALUES, *HEADERS, *BODIES, *OBJECTS, *LABELLED, *SEEN]
