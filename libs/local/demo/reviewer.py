"""The demo's reviewer: works through the review queue over the console's API, as a person would, but knows the truth."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import JsonValue

from libs.local.demo.pictures import Shot

NAME = "demo-reviewer"


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


def answer_about(digest: str | None, truth: Mapping[str, Shot]) -> Answer | None:
    """None for a picture this reviewer knows nothing of: it is left to a person."""
    shot = truth.get(digest or "")
    if shot is None:
        return None
    if shot.scene.expect != "usable":
        return Answer("reject", f"the picture is {shot.scene.expect}", shot)
    if shot.sent_back:
        return Answer("reject", "nothing to learn from (one in a few is sent back)", shot)
    return Answer("approve", "boxes drawn by hand (simulated)", shot)
