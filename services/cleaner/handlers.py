"""What the cleaner does with each event it hears: fetch, decide, store, announce."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

import structlog

from libs.common import telemetry
from libs.common.clip_orders import ClipOrder
from libs.common.configuration import Configuration, follow_workflows
from libs.common.envelope import Envelope
from libs.common.errors import AlreadyHandled, NotYet, Permanent, Transient
from libs.common.events import ClipCaptured, ReviewSubmitted, SnapshotCaptured, WashJudged
from libs.common.injection import Given
from libs.common.kafka import Subscriptions
from libs.common.objects import Objects
from libs.common.postgres import Connection
from libs.common.warm_child import WarmChild
from libs.common.workflows import Workflow
from services.cleaner.domain.reviews import rule_on
from services.cleaner.domain.samples import (
    Sample,
    Seen,
    Unreadable,
    announcement,
    check_clock,
    new_sample,
    sample_id_of,
)
from services.cleaner.domain.verdicts import Rejected, judge, unusable, with_verdict
from services.cleaner.settings import Settings
from services.cleaner.store.clips import ClipStore
from services.cleaner.store.counting import count
from services.cleaner.store.samples import CleanerStore
from services.cleaner.vision import look_at

log = structlog.get_logger()
subscriptions = Subscriptions("cleaner")
follow_workflows(subscriptions)


@subscriptions.hears(SnapshotCaptured)
async def clean_snapshot(
    event: SnapshotCaptured,
    envelope: Annotated[Envelope, Given()],
    store: Annotated[CleanerStore, Given()],
    objects: Annotated[Objects, Given()],
    configuration: Annotated[Configuration, Given()],
    settings: Annotated[Settings, Given()],
    decoder: Annotated[WarmChild, Given()],
) -> None:
    """The snapshot becomes a sample, with a verdict, in every workflow it belongs to."""
    check_clock(event.captured_at, datetime.now(UTC))
    try:
        await clean_once(event, envelope, store, objects, configuration, settings, decoder)
    except AlreadyHandled:
        await store.check_known(event)
        raise


async def clean_once(
    event: SnapshotCaptured,
    envelope: Envelope,
    store: CleanerStore,
    objects: Objects,
    configuration: Configuration,
    settings: Settings,
    decoder: WarmChild,
) -> None:
    """Raises `AlreadyHandled` for an event id that was handled before."""
    # Before the inbox: without CloudEvents headers both messages would carry the id made from the snapshot's.
    await store.check_content(event)
    if await store.has_handled(envelope):
        raise AlreadyHandled(f"cleaner has handled event {envelope.event_id}")
    workflows = await workflows_of(event, configuration)
    seen = await look_at(event.image, objects, settings, decoder)
    samples: list[Sample] = []
    async with store.transaction(envelope) as unit:
        await store.remember_snapshot(unit, event)
        for workflow in workflows:
            sample = await clean_for(workflow, event, seen, store, unit)
            if sample is not None:
                await store.announce(unit, announcement(sample, sample.verdict), envelope)
                samples.append(sample)
    telemetry.saw_camera(event.camera_id)
    count(samples)


async def workflows_of(event: SnapshotCaptured, configuration: Configuration) -> list[Workflow]:
    """The workflow it names, or all that watch its camera, by name: locks are taken in one order."""
    if event.workflow is not None:
        named = await configuration.workflow(event.workflow)
        if named.procedure is not None:
            raise Permanent(f"Workflow {named.name} is about clips: say clip.captured, or name one of task detection")
        return [named]
    known = await configuration.workflows()
    if not known:
        raise Transient("No workflow is known (yet): add a file to deploy/workflows")
    watching = [workflow for workflow in known if workflow.watches(event.camera_id)]
    if not watching:
        raise Permanent(
            f"No workflow watches camera {event.camera_id!r}: name a workflow in the snapshot,"
            f" or add the camera under `cameras` of {', '.join(workflow.name for workflow in known)}"
        )
    return watching


async def clean_for(
    workflow: Workflow, event: SnapshotCaptured, seen: Seen | Unreadable, store: CleanerStore, unit: Connection
) -> Sample | None:
    """The new sample as stored, or None if this snapshot was cleaned for this workflow before."""
    sample_id = sample_id_of(workflow.name, event.snapshot_id)
    if await store.has_sample(unit, sample_id):
        return None
    sample = new_sample(workflow, event, seen, sample_id)
    rejected = unusable(seen, workflow.cleaning)
    if rejected is not None or isinstance(seen, Unreadable):
        sample = with_verdict(sample, rejected or Rejected("undecodable"))
    else:
        await store.lock_looks(unit, workflow.name)
        sample = await judge_among_others(sample, workflow, event, seen, store, unit)
    await store.add_sample(unit, sample)
    return sample


async def judge_among_others(
    sample: Sample, workflow: Workflow, event: SnapshotCaptured, seen: Seen, store: CleanerStore, unit: Connection
) -> Sample:
    """Rejected as a duplicate, or judged and linked to what it resembles."""
    # A duplicate is a near-duplicate, too: where there is none of these, as for most snapshots, one search is enough. The
    # others of this workflow wait meanwhile.
    alike = await store.near_duplicates(unit, sample, workflow.cleaning.near_duplicate_distance)
    original = await store.duplicate_of(unit, sample, workflow.cleaning.duplicate_distance) if alike else None
    if original is not None:
        return with_verdict(sample, Rejected("duplicate", f"looks like sample {original}", original))
    return with_verdict(replace(sample, near_duplicates=alike), judge(event, workflow, seen, sample.sample_id))


@subscriptions.hears(ClipCaptured)
async def order_clip(
    event: ClipCaptured,
    envelope: Annotated[Envelope, Given()],
    store: Annotated[CleanerStore, Given()],
    clips: Annotated[ClipStore, Given()],
    objects: Annotated[Objects, Given()],
    configuration: Annotated[Configuration, Given()],
    wake: Annotated[asyncio.Event, Given()],
) -> None:
    """Have the clip looked at: decoding takes longer than a handler may."""
    check_clock(event.captured_at, datetime.now(UTC))
    workflow = await configuration.workflow(event.workflow)
    if workflow.procedure is None:
        raise Permanent(f"Workflow {workflow.name} is about snapshots: send clips to one of task temporal")
    await clips.check_content(event)
    if not await objects.exists(event.video.uri):
        raise NotYet(f"{event.video.uri} is not there (yet): upload the object before its clip is announced")
    order = ClipOrder(event, envelope.event_id, envelope.correlation_id, envelope.traceparent)
    async with store.transaction(envelope) as unit:
        await clips.order(unit, order, sample_id_of(workflow.name, event.clip_id))
    telemetry.saw_camera(event.camera_id)
    wake.set()


@subscriptions.hears(WashJudged)
async def suggest_segments(
    event: WashJudged,
    envelope: Annotated[Envelope, Given()],
    store: Annotated[CleanerStore, Given()],
    clips: Annotated[ClipStore, Given()],
) -> None:
    """What the champion saw in a clip helps whoever reviews it, also if that was faster than the look at the clip."""
    async with store.transaction(envelope) as unit:
        await clips.suggest(unit, event)
        sample_id = await clips.sample_of(unit, event.workflow, event.clip_id)
        sample = None if sample_id is None else await store.lock_sample(unit, sample_id)
        if sample is not None and sample.waiting:
            await store.announce(unit, announcement(sample, "queued"), envelope)


@subscriptions.hears(ReviewSubmitted)
async def settle_review(
    event: ReviewSubmitted,
    envelope: Annotated[Envelope, Given()],
    store: Annotated[CleanerStore, Given()],
    configuration: Annotated[Configuration, Given()],
) -> None:
    """A person's word counts if it is about what stands now; it is kept in any case."""
    workflow = await configuration.workflow(await store.workflow_of(event.sample_id))
    async with store.transaction(envelope) as unit:
        await store.lock_looks(unit, workflow.name)
        before = await store.lock_sample(unit, event.sample_id)
        ruling = rule_on(event, before, workflow)
        after = ruling.sample
        if ruling.outcome == "approved" and before.kind == "image":
            alike = await store.near_duplicates(unit, after, workflow.cleaning.near_duplicate_distance)
            after = replace(after, near_duplicates=tuple(dict.fromkeys((*before.near_duplicates, *alike))))
        await store.settle(unit, before, after)
        await store.add_review(unit, event, ruling, envelope)
        if ruling.announce is not None:
            await store.announce(unit, announcement(after, ruling.announce), envelope)
    if ruling.outcome in ("approved", "rejected"):
        reason = "user" if ruling.outcome == "approved" else "reviewer"
        telemetry.samples.labels(workflow.name, ruling.outcome, reason).inc()
    log.info(
        "review_settled",
        outcome=ruling.outcome,
        sample_id=str(event.sample_id),
        reviewer=event.reviewer,
        detail=ruling.detail,
    )
