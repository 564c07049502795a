"""Tokens that should not open anything: one row each."""

from dataclasses import dataclass, field

CAMERA = "line-1"


@dataclass(frozen=True)
class TokenRow:
    """A request and its refusal. `{name}` in a header stands for the secret of that token; see `test_hostile_http.py`."""

    name: str
    authorization: str | None
    status: int
    told: str
    method: str = "POST"
    path: str = "/v1/snapshots"
    body: dict[str, str] = field(default_factory=dict[str, str])


ASK = "Send your token"
UNKNOWN = "Unknown or revoked token"
TOKENS = [
    TokenRow("none", None, 401, ASK),
    TokenRow("empty", "", 401, ASK),
    TokenRow("no word for it", "Bearer", 401, ASK),
    TokenRow("an empty one", "Bearer ", 401, ASK),
    TokenRow("another scheme", "Basic YWRtaW46YWRtaW4=", 401, ASK),
    TokenRow("a digest of a token", "Digest {camera}", 401, ASK),
    TokenRow("without the scheme", "{camera}", 401, ASK),
    TokenRow("wrong", "Bearer camloop_nobody", 401, UNKNOWN),
    TokenRow("a character short", "Bearer {camera:.-1}", 401, UNKNOWN),
    TokenRow("two at once", "Bearer {camera} {reader}", 401, UNKNOWN),
    TokenRow("in capitals", "Bearer {camera:upper}", 401, UNKNOWN),
    TokenRow("in quotes", 'Bearer "{camera}"', 401, UNKNOWN),
    TokenRow("its own hash", "Bearer {camera:sha256}", 401, UNKNOWN),
    TokenRow("thousands of letters", "Bearer " + "x" * 20_000, 401, UNKNOWN),
    TokenRow("not ASCII", "Bearer t\xf6ken", 401, UNKNOWN),
    TokenRow("SQL", "Bearer ' or 1=1 --", 401, UNKNOWN),
    TokenRow("revoked", "Bearer {revoked}", 401, UNKNOWN),
    TokenRow("of another camera", "Bearer {other}", 403, "belongs to camera 'line-2' and cannot speak for 'line-1'"),
    TokenRow("wrong scope", "Bearer {reader}", 403, "lacks the scope 'ingest'"),
    TokenRow("wrong scope for a link", "Bearer {reader}", 403, "lacks the scope 'ingest'", path="/v1/uploads"),
    TokenRow("a camera lists tokens", "Bearer {camera}", 403, "'admin'", "GET", "/v1/cameras/line-1/tokens"),
    TokenRow("a camera gives itself a token", "Bearer {camera}", 403, "'admin'", path="/v1/cameras/line-1/tokens"),
    TokenRow(
        "a camera registers another", "Bearer {camera}", 403, "'admin'", path="/v1/cameras", body={"camera_id": "x"}
    ),
    TokenRow("a reader of cameras with nothing", None, 401, ASK, "GET", "/v1/cameras"),
    TokenRow("a sender reads cameras", "Bearer {sender}", 403, "lacks the scope 'read'", "GET", "/v1/cameras"),
]
