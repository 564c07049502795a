"""Messages nobody should send to other services than the cleaner: a body that is good but for a field, and its dead letter."""

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

SAMPLE: dict[str, Any] = {
    "workflow": "hairnet", "camera_id": "line-1", "captured_at": "2026-03-02T12:00:00Z", "annotation_revision": 1,
    "approved_by": "rule:annotated", "leakage_group": "g", "annotations": [{"label": "hairnet", "box": [1, 1, 20, 20]}],
    "media": {"uri": "s3://camloop/a.jpg", "sha256": "a" * 64, "content_type": "image/jpeg", "bytes": 10, "width": 96, "height": 72},
}  # fmt: skip
PREDICTION: dict[str, Any] = {
    "camera_id": "line-1", "at": "2026-03-02T12:00:00Z", "model": {"name": "hairnet", "version": 1},
    "window_seconds": 60, "images": 10, "detections_per_class": {"hairnet": 3},
}  # fmt: skip


@dataclass(frozen=True)
class OtherRow:
    """`changes` go into a good body; `value` replaces it."""

    name: str
    service: str
    topic: str
    told: str
    changes: dict[str, Any] = field(default_factory=dict[str, Any])
    value: bytes | None = b"\x00keep"

    @property
    def good(self) -> dict[str, Any]:
        """A good body of the topic, like no other."""
        own = {"sample_id": str(uuid4())} if self.topic == "sample.approved" else {}
        return (SAMPLE if self.topic == "sample.approved" else PREDICTION) | own


def report(name: str, told: str, **changes: Any) -> OtherRow:
    """To the registry."""
    return OtherRow(name, "registry", "prediction.reported", told, changes)


def sample(name: str, told: str, **changes: Any) -> OtherRow:
    """To the dataset service."""
    return OtherRow(name, "dataset", "sample.approved", told, changes)


OTHERS = [
    OtherRow("report: junk", "registry", "prediction.reported", "ValidationError|JSON", value=b"{"),
    OtherRow("report: a tombstone", "registry", "prediction.reported", ".", value=None),
    OtherRow(
        "report: digits without end",
        "registry",
        "prediction.reported",
        "can't be read",
        value=b'{"images": ' + b"9" * 5000 + b"}",
    ),
    report("report: no images", "images", images=None),
    report("report: negative images", "images", images=-1),
    report("report: images beyond counting", "images", images=10**30),
    report(
        "report: detections beyond counting", "detections_per_class.hairnet", detections_per_class={"hairnet": 10**30}
    ),
    report("report: a window of NaN", "window_seconds", window_seconds=float("nan")),
    report("report: a clock of year one", "out of range|OverflowError|DataError", at="0001-01-01T00:00:00+14:00"),
    report("report: the last year there is", "out of range|OverflowError|DataError", at="9999-12-31T23:59:59-14:00"),
    report("report: version zero", "model.version", model={"name": "hairnet", "version": 0}),
    report("report: a version beyond counting", "out of|DataError", model={"name": "hairnet", "version": 10**12}),
    report("report: U+0000 in a class", "u0000|DataError", detections_per_class={"a\x00": 1}),
    OtherRow("sample: junk", "dataset", "sample.approved", "ValidationError|JSON", value=b"\xff"),
    OtherRow("sample: a tombstone", "dataset", "sample.approved", ".", value=None),
    sample("sample: no id", "sample_id", sample_id="seven"),
    sample("sample: a box of NaN", "finite", annotations=[{"label": "hairnet", "box": [float("nan"), 1, 2, 3]}]),
    sample("sample: a revision beyond counting", "out of|DataError", annotation_revision=10**12),
    sample(
        "sample: a clock of year one", "out of range|OverflowError|DataError", captured_at="0001-01-01T00:00:00+14:00"
    ),
    sample("sample: U+0000 in its group", "u0000|null|invalid byte", leakage_group="a\x00b"),
    sample("sample: a medium that is none", "media", media="s3://camloop/a.jpg"),
]
