"""The demo's reviewer: works through the review queue over the console's API, as a person would, but knows the truth."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal

from pydantic import JsonValue

from libs.local.demo.pictures import Shot

NAME = "demo-reviewer"
# One usable picture in so many is sent back, as people do.
REJECTS_ONE_IN = 12


@dataclass(frozen=True)
class Answer:
    """What the reviewer says about a sample."""

    decision: Literal["approve", "reject"]
    comment: str
    shot: Shot

    def body(self, sample: Mapping[str, Any]) -> dict[str, JsonValue]:
        """As the console wants it, based on what its queue showed."""
        boxes = self.shot.scene.annotations if self.decision == "approve" else ()
        return {
            "sample_id": str(sample["sample_id"]),
            "decision": self.decision,
            "annotations": [{"label": each.label, "box": list(each.box)} for each in boxes],
            "based_on_revision": sample["annotation_revision"],
            "reviewer": NAME,
            "comment": self.comment,
        }


def answer_about(snapshot_id: str, truth: Mapping[str, Shot]) -> Answer | None:
    """None for a sample this reviewer knows nothing of: it is left to a person."""
    shot = truth.get(snapshot_id)
    if shot is None:
        return None
    if shot.scene.expect != "usable":
        return Answer("reject", f"the picture is {shot.scene.expect}", shot)
    if sha256(snapshot_id.encode()).digest()[0] % REJECTS_ONE_IN == 0:
        return Answer("reject", "nothing to learn from (one in a few is sent back)", shot)
    return Answer("approve", "boxes drawn by hand (simulated)", shot)
