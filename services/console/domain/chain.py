"""Cause chains: what happened, when, who said so and why, from a result back to the snapshots behind it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.common.events import (
    ClipCaptured,
    DatasetBuilt,
    EvaluationRequested,
    Event,
    Gate,
    ModelEvaluated,
    ModelPromoted,
    ModelRegistered,
    ModelRolledBack,
    ModelTrained,
    PromotionRejected,
    ReviewSubmitted,
    SampleApproved,
    SampleQueuedForReview,
    SampleRejected,
    TrainingFailed,
    TrainingQueued,
    TrainingStarted,
    WashJudged,
    as_values,
)
from libs.common.manifests import ManifestLine
from libs.common.workflows import Workflow
from services.console.domain.facts import LoggedEvent, read_event
from services.console.domain.samples import Sample

FIRST = 10
_WHO = ("approved_by", "requested_by", "by", "reviewer", "changed_by", "owner")
_DETAILS = ("workflow", "version", "model", "alias", "attempt", "device", "epoch", "verdict", "camera_id", "counts",
            "boxes_per_class", "added", "removed", "changed", "left_out", "metrics", "operating_confidence",
            "hyperparameters", "seed", "measures", "duplicate_of", "annotation_revision", "decision", "comment",
            "licence", "waits_for", "hint", "images", "missing_steps", "total_seconds", "visible_share", "measured_error", "subject_id",
            "source_group")  # fmt: skip


@dataclass(frozen=True)
class Node:
    """A link of a chain. `who`: the person, rule or machine behind it; `source`: the service that said it."""

    what: str
    subject: str
    at: datetime | None
    who: str | None
    source: str | None
    reason: str | None
    event_id: UUID | None = None
    details: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Why:
    """A chain of causes, the result first. `waits_for`: what the subject waits for, if it does."""

    kind: str
    subject: str
    summary: str
    chain: list[Node]
    waits_for: str | None = None
    led_to: list[Node] = field(default_factory=list[Node])
    dead_letters: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


def node_of(logged: LoggedEvent) -> Node:
    """An event as a link."""
    event, problem = read_event(logged.topic, logged.body)
    body = {} if event is None else as_values(event)
    return Node(
        what=logged.topic,
        subject=logged.key,
        at=logged.at,
        who=_who(logged.topic, body),
        source=logged.source,
        reason=problem if event is None else reason_of(event),
        event_id=logged.event_id,
        details={name: body[name] for name in _DETAILS if body.get(name) not in (None, {}, [])},
    )


def _who(topic: str, body: Mapping[str, Any]) -> str | None:
    names = ("camera_id",) if topic.endswith(".captured") else _WHO
    return next((str(body[name]) for name in names if body.get(name)), None)


def reason_of(event: Event) -> str | None:
    """Why it happened, in a line."""
    match event:
        case ModelRegistered() | ModelEvaluated():
            return _gate(event.gate)
        case ModelTrained():
            return f"trained with {event.backend} in {event.duration_seconds:.0f} s on {event.device}"
        case TrainingStarted():
            resumed = event.resumed_from_epoch
            return f"attempt {event.attempt} on {event.device_name}" + (
                "" if resumed is None else f", resumed from epoch {resumed}"
            )
        case TrainingQueued():
            return f"{event.reason}; waits for {event.waits_for}"
        case TrainingFailed():
            return event.reason if event.hint is None else f"{event.reason}. {event.hint}"
        case DatasetBuilt():
            return _built(event)
        case ClipCaptured():
            return _clip(event)
        case WashJudged():
            return _wash(event)
        case SampleRejected():
            return event.reason if event.detail is None else f"{event.reason}: {event.detail}"
        case SampleQueuedForReview():
            return event.why
        case SampleApproved():
            return f"approved by {event.approved_by}"
        case ReviewSubmitted():
            return f"{event.decision}" + ("" if event.comment is None else f": {event.comment}")
        case PromotionRejected():
            return "; ".join(event.reasons)
        case EvaluationRequested() | ModelPromoted() | ModelRolledBack():
            return event.reason
        case _:
            return getattr(event, "reason", None)


def _gate(gate: Gate) -> str:
    return "the gate passed" if gate.passed else f"the gate failed: {'; '.join(gate.reasons)}"


def _clip(event: ClipCaptured) -> str:
    """How long it is, and whether somebody said what is done in it."""
    seconds = event.video.duration_seconds
    length = "a video" if seconds is None else f"{seconds:.1f} s of video"
    return length if event.segments is None else f"{length}, {len(event.segments)} segments came along"


def _wash(event: WashJudged) -> str:
    """The verdict and who gave it; why it is not compliant, in words if the event has them."""
    why = [each.words.get("en") or " ".join(filter(None, (each.code, each.step))) for each in event.reasons]
    told = f"{event.verdict.replace('_', ' ')} by {event.model}"
    return f"{told}: {'; '.join(why)}" if why else told


def _built(event: DatasetBuilt) -> str:
    asked = "the workflow's policy" if event.requested_by is None else event.requested_by
    if event.reused:
        return f"nothing changed since version {event.version}; asked for by {asked}"
    return f"asked for by {asked}: {event.added} samples added, {event.changed} changed, {event.removed} removed"


def waits_for_dataset(workflow: Workflow, approved: int) -> str:
    """What a workflow without a dataset version waits for, by its own policy."""
    policy = workflow.dataset
    return (
        f"a dataset version: one is built after {policy.build_after_samples} new samples or "
        f"{policy.build_after_hours:g} h, with at least {policy.minimum_samples} samples and "
        f"{policy.minimum_per_class} of each class; {approved} are approved"
    )


def waits_for_training(workflow: Workflow) -> str:
    """What a workflow with a dataset version and without a run waits for."""
    if workflow.training.automatic:
        return "the trainer, which has not queued a run for it yet"
    return f"somebody who asks for a training run: {workflow.name} does not train by itself"


@dataclass(frozen=True)
class Used:
    """A sample as a dataset version uses it. `captured`: the snapshot or clip behind it."""

    sample_id: UUID
    camera_id: str
    captured_at: datetime
    by: str
    split: str | None = None
    captured: str | None = None
    kind: str = "image"


def used_from_manifest(lines: Iterable[ManifestLine], known: Mapping[UUID, Sample]) -> list[Used]:
    """What the manifest lists, with what the events say of it."""
    used: list[Used] = []
    for line in lines:
        sample = known.get(line.sample_id)
        by = (sample.decided_by if sample is not None and sample.verdict == "approved" else None) or line.annotated_by
        behind = None if sample is None else sample.snapshot_id or sample.clip_id
        used.append(Used(line.sample_id, line.camera_id, line.captured_at, by, line.split, behind, line.kind))
    return used


def used_from_samples(samples: Iterable[Sample]) -> list[Used]:
    """Without a manifest: what was approved by then."""
    return [
        Used(sample.sample_id, sample.camera_id or "unknown", sample.captured_at, sample.decided_by or "unknown",
             None, sample.snapshot_id or sample.clip_id, sample.kind)
        for sample in samples
        if sample.captured_at is not None
    ]  # fmt: skip


def sample_nodes(used: Sequence[Used], *, source: str) -> list[Node]:
    """The samples of a dataset version and the snapshots or clips behind them, counted, the first few by name."""
    ordered = sorted(used, key=lambda each: (each.captured_at, each.sample_id))
    by = Counter(each.by for each in ordered)
    cameras = Counter(each.camera_id for each in ordered)
    span = {"from": ordered[0].captured_at, "until": ordered[-1].captured_at} if ordered else {}
    approved = Node(
        "sample.approved", f"{len(ordered)} samples", ordered[-1].captured_at if ordered else None, None, "cleaner",
        ", ".join(f"{number} by {who}" for who, number in by.most_common()) or "none",
        details={
            "count": len(ordered), "by": dict(by), "known_from": source,
            "splits": dict(Counter(each.split for each in ordered if each.split)),
            "first": [_shown(each) for each in ordered[:FIRST]],
        },
    )  # fmt: skip
    source_kind = "clip" if any(each.kind == "clip" for each in ordered) else "snapshot"
    captured = Node(
        f"{source_kind}.captured", f"{len(ordered)} {source_kind}s", ordered[0].captured_at if ordered else None, None, "cameras",
        ", ".join(f"{number} of {camera}" for camera, number in cameras.most_common()) or "none",
        details={
            "count": len(ordered), "cameras": dict(cameras), **span,
            "first": [each.captured for each in ordered[:FIRST] if each.captured],
        },
    )  # fmt: skip
    return [approved, captured]


def _shown(used: Used) -> dict[str, Any]:
    return {
        "sample_id": used.sample_id, "camera_id": used.camera_id, "captured_at": used.captured_at, "by": used.by,
        "split": used.split,
    }  # fmt: skip
