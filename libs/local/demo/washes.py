"""The demo's drawn hand washes: planned, sent as cameras send clips, and held against what the champion says of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import httpx
from pydantic import JsonValue

from libs.common.events import WashJudged
from libs.common.workflows import Workflow
from libs.local.client import Client, Refused
from libs.local.drawing.wash_plans import WashPlan, plan_washes
from libs.local.drawing.washing import draw_wash
from libs.local.sending import Outgoing, Sent, send_all
from libs.vision.procedures import procedure_of

CAMERAS = ("sink-1", "sink-2", "sink-3")
PERSONS = ("ann", "bo", "cleo", "dan", "eve", "finn")
RIGHT_SHARE = 0.9
_EVERY = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Washes:
    """Planned clips by their ids. `annotated`: with the segments that are truly in them."""

    workflow: str
    plans: Mapping[str, WashPlan]
    annotated: bool

    def of_camera(self, camera: str, folder: Path) -> Iterator[Outgoing]:
        """What this camera sends, each drawn into `folder` when its turn comes."""
        for clip_id, plan in self.plans.items():
            if plan.camera == camera:
                yield Outgoing(
                    f"{clip_id}.mp4", _Drawn(plan, folder / f"{clip_id}.mp4"), self._facts(clip_id, plan), "clip"
                )

    def draw(self, folder: Path) -> None:
        """All of them, before any is sent."""
        for clip_id, plan in self.plans.items():
            draw_wash(plan, folder / f"{clip_id}.mp4")

    def _facts(self, clip_id: str, plan: WashPlan) -> dict[str, JsonValue]:
        facts: dict[str, JsonValue] = {
            "workflow": self.workflow, "clip_id": clip_id, "captured_at": plan.captured_at.isoformat(),
            "source_group": plan.recording,
        }  # fmt: skip
        if self.annotated:
            facts["segments"] = [
                {"step": each.step, "start_seconds": each.start, "end_seconds": each.end} for each in plan.segments
            ]
        return facts


@dataclass(frozen=True, slots=True)
class _Drawn:
    plan: WashPlan
    path: Path

    def __call__(self) -> bytes:
        if not self.path.exists():
            draw_wash(self.plan, self.path)
        return self.path.read_bytes()


def planned(workflow: Workflow, count: int, seed: int, *, annotated: bool) -> Washes:
    """Washes of the last days, each recording an hour after the one before."""
    assert workflow.procedure is not None
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    start = now - _EVERY * (count // (2 * len(CAMERAS)) + 2)
    plans = plan_washes(count, seed, procedure_of(workflow.procedure), CAMERAS, PERSONS, start=start, every=_EVERY)
    return Washes(
        workflow.name, {str(uuid5(NAMESPACE_URL, f"{seed} {plan.number}")): plan for plan in plans}, annotated
    )


def send(washes: Washes, folder: Path, *, ingest: str, tokens: Mapping[str, str]) -> None:
    """Each camera sends its clips with its own token. Raises `Refused` for the first that is not taken, `NotRunning`."""
    for camera, token in tokens.items():
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=ingest, headers=headers, timeout=60) as http:
            _check(send_all(Client(http), washes.of_camera(camera, folder)))


def _check(sent: Sent) -> None:
    for name, why in sent.refused.items():
        raise Refused(f"{name} was not taken: {why}")


@dataclass(frozen=True, slots=True)
class Judged:
    """One clip: the truth beside the champion's word. `right`: the same verdict."""

    plan: WashPlan
    said: WashJudged

    @property
    def right(self) -> bool:
        return self.said.verdict == self.plan.verdict.outcome

    @property
    def truly_missing(self) -> tuple[str, ...]:
        """The steps that are missing; what was not in sight is not."""
        return () if self.plan.verdict.outcome == "undetermined" else self.plan.verdict.missing

    @property
    def named(self) -> tuple[str, ...]:
        """Those of them that were said."""
        return tuple(step for step in self.truly_missing if step in self.said.missing_steps)

    def line(self) -> str:
        """What was said of the clip, and the truth where it differs."""
        lacks = f", missing {', '.join(self.said.missing_steps)}" if self.said.missing_steps else ""
        truth = f", missing {', '.join(self.truly_missing)}" if self.truly_missing else ""
        own = "" if (self.right and lacks == truth) else f"; in truth {self.plan.verdict.outcome}{truth}"
        return f"{'right' if self.right else 'WRONG'}  {self.plan.camera}  {self.said.verdict}{lacks}{own}"


def compared(washes: Washes, said: Mapping[str, WashJudged]) -> list[Judged]:
    """Every clip that was judged, in the order of time."""
    return [Judged(plan, said[clip_id]) for clip_id, plan in washes.plans.items() if clip_id in said]


def right_share(judged: Sequence[Judged]) -> float:
    """The share of 0..1 of verdicts that are right; 0 without any."""
    return sum(each.right for each in judged) / len(judged) if judged else 0.0
