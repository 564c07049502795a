"""The projection: what an event changes in the read tables.

A row is made anew from all events of its subject, so order, repetition and retries do not matter.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from libs.common.configuration import put_token, put_workflow
from libs.common.events import (
    ClipCaptured,
    DatasetBuilt,
    Event,
    LogLine,
    ModelPromoted,
    ModelRegistered,
    ModelRolledBack,
    PredictionReported,
    PromotionRejected,
    SampleApproved,
    SampleQueuedForReview,
    SampleRejected,
    SnapshotCaptured,
    TokenChanged,
    TrainingFailed,
    TrainingProgressed,
    WashJudged,
    WorkflowChanged,
    as_values,
)
from libs.common.postgres import Connection
from services.console.domain.facts import Fact, read_event
from services.console.domain.runs import RUN_EVENTS, TrainingRun, run_of
from services.console.domain.samples import Sample, sample_of
from services.console.domain.versions import (
    AliasChange,
    DatasetVersion,
    ModelVersion,
    alias_change_of,
    dataset_version_of,
    model_version_of,
)
from services.console.domain.washes import JudgedWash, judged_wash
from services.console.store.log import Arrival, append, fact, facts_of, lock_projection
from services.console.store.rows import upsert, values_of

PUT_SAMPLE = upsert("sample", Sample, "sample_id")
PUT_DATASET_VERSION = upsert("dataset_version", DatasetVersion, "dataset_version_id")
PUT_RUN = upsert("training_run", TrainingRun, "training_run_id")
PUT_MODEL_VERSION = upsert("model_version", ModelVersion, "model", "version")
PUT_ALIAS_CHANGE = upsert("alias_change", AliasChange, "event_id")
# The first to speak for a snapshot id is believed, by time and not by arrival.
PUT_SNAPSHOT = """
    insert into snapshot (snapshot_id, camera_id, workflow, captured_at, image, at, event_id)
    values ($1, $2, $3, $4, $5, $6, $7)
    on conflict (snapshot_id) do update set camera_id = excluded.camera_id, workflow = excluded.workflow,
        captured_at = excluded.captured_at, image = excluded.image, at = excluded.at, event_id = excluded.event_id
    where (excluded.at, excluded.event_id) < (snapshot.at, snapshot.event_id)
"""
PUT_CLIP = """
    insert into clip (clip_id, camera_id, workflow, captured_at, video, subject_id, at, event_id)
    values ($1, $2, $3, $4, $5, $6, $7, $8)
    on conflict (clip_id) do update set camera_id = excluded.camera_id, workflow = excluded.workflow,
        captured_at = excluded.captured_at, video = excluded.video, subject_id = excluded.subject_id, at = excluded.at,
        event_id = excluded.event_id
    where (excluded.at, excluded.event_id) < (clip.at, clip.event_id)
"""
# What a version said last of a clip is believed.
PUT_WASH = f"""
    {upsert("wash", JudgedWash, "clip_id", "model", "version")}
    where (excluded.judged_at, excluded.event_id) > (wash.judged_at, wash.event_id)
"""
PUT_EPOCH = """
    insert into training_epoch (training_run_id, attempt, epoch, epochs, metrics, eta_seconds, at, event_id)
    values ($1, $2, $3, $4, $5, $6, $7, $8)
    on conflict (training_run_id, attempt, epoch) do update set epochs = excluded.epochs, metrics = excluded.metrics,
        eta_seconds = excluded.eta_seconds, at = excluded.at, event_id = excluded.event_id
    where (excluded.at, excluded.event_id) > (training_epoch.at, training_epoch.event_id)
"""
NEWEST_EPOCH = """
    select event_id from training_epoch where training_run_id = $1 order by attempt desc, epoch desc limit 1
"""
PUT_LOG_LINE = """
    insert into training_log (training_run_id, attempt, seq, at, level, text, position)
    values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing
"""
PUT_PREDICTION = """
    insert into prediction (event_id, camera_id, model, version, images, at) values ($1, $2, $3, $4, $5, $6)
    on conflict do nothing
"""
PUT_REVISION = """
    insert into workflow_revision (workflow, revision, definition, changed_by, at, event_id)
    values ($1, $2, $3, $4, $5, $6)
    on conflict (workflow, revision) do update set definition = excluded.definition, changed_by = excluded.changed_by,
        at = excluded.at, event_id = excluded.event_id
    where (excluded.at, excluded.event_id) < (workflow_revision.at, workflow_revision.event_id)
"""
LINES_PER_EVENT = 100_000
Step = Callable[[Connection, Fact, Any], Awaitable[None]]


@dataclass(frozen=True)
class Rule:
    """Which events a step follows from."""

    kinds: tuple[type[Event], ...]
    step: Step


async def keep_and_apply(connection: Connection, arrival: Arrival) -> None:
    """Put an event into the log and bring the read tables up to date with it."""
    await lock_projection(connection)
    seq = await append(connection, arrival)
    event, _ = read_event(arrival.topic, arrival.body)
    if event is not None:
        await apply(connection, Fact(event, arrival.at, arrival.event_id, arrival.source, seq))


async def apply(connection: Connection, said: Fact) -> None:
    """Bring the read tables of the connection's search path up to date with one event of the log."""
    for rule in RULES:
        if isinstance(said.event, rule.kinds):
            await rule.step(connection, said, said.event)


async def _snapshot(connection: Connection, said: Fact, event: SnapshotCaptured) -> None:
    await connection.execute(
        PUT_SNAPSHOT, event.snapshot_id, event.camera_id, event.workflow, event.captured_at, as_values(event.image),
        said.at, said.event_id,
    )  # fmt: skip


async def _clip(connection: Connection, said: Fact, event: ClipCaptured) -> None:
    await connection.execute(
        PUT_CLIP, event.clip_id, event.camera_id, event.workflow, event.captured_at, as_values(event.video),
        event.subject_id, said.at, said.event_id,
    )  # fmt: skip


async def _wash(connection: Connection, said: Fact, event: WashJudged) -> None:
    await connection.execute(PUT_WASH, *values_of(judged_wash(said, event)))


async def _sample(connection: Connection, said: Fact, event: Event) -> None:
    sample = sample_of(await facts_of(connection, event.key, SAMPLE_EVENTS))
    if sample is not None:
        await connection.execute(PUT_SAMPLE, *values_of(sample))


async def _dataset_version(connection: Connection, said: Fact, event: DatasetBuilt) -> None:
    version = dataset_version_of(await facts_of(connection, event.key, (DatasetBuilt,)))
    if version is not None:
        await connection.execute(PUT_DATASET_VERSION, *values_of(version))


async def _progress(connection: Connection, said: Fact, event: TrainingProgressed) -> None:
    await connection.execute(
        PUT_EPOCH, event.training_run_id, event.attempt, event.epoch, event.epochs, event.metrics, event.eta_seconds,
        said.at, said.event_id,
    )  # fmt: skip
    await _log_lines(connection, said, event.training_run_id, event.log_lines)


async def _last_words(connection: Connection, said: Fact, event: TrainingFailed) -> None:
    await _log_lines(connection, said, event.training_run_id, event.last_log_lines)


async def _log_lines(connection: Connection, said: Fact, run_id: UUID, lines: Iterable[LogLine]) -> None:
    rows = [
        (run_id, line.attempt, line.seq, line.at, line.level, line.text.replace("\x00", ""), position)
        for position, line in enumerate(lines, start=said.seq * LINES_PER_EVENT)
    ]
    await connection.executemany(PUT_LOG_LINE, rows)


async def _run(connection: Connection, said: Fact, event: Any) -> None:
    facts = await facts_of(
        connection, str(event.training_run_id), [kind for kind in RUN_EVENTS if kind is not TrainingProgressed]
    )
    # Of hundreds of progress events the newest epoch is enough.
    newest = await fact(connection, await connection.fetchval(NEWEST_EPOCH, event.training_run_id))
    run = run_of(facts if newest is None else [*facts, newest])
    if run is not None:
        await connection.execute(PUT_RUN, *values_of(run))


async def _model_version(connection: Connection, said: Fact, event: ModelRegistered) -> None:
    version = model_version_of(await facts_of(connection, event.key, (ModelRegistered,)), event.version)
    if version is not None:
        await connection.execute(PUT_MODEL_VERSION, *values_of(version))


async def _alias_change(connection: Connection, said: Fact, event: Event) -> None:
    change = alias_change_of(said)
    if change is not None:
        await connection.execute(PUT_ALIAS_CHANGE, *values_of(change))


async def _prediction(connection: Connection, said: Fact, event: PredictionReported) -> None:
    await connection.execute(
        PUT_PREDICTION, said.event_id, event.camera_id, event.model.name, event.model.version, event.images, event.at
    )


async def _workflow(connection: Connection, said: Fact, event: WorkflowChanged) -> None:
    await put_workflow(connection, event)
    await connection.execute(
        PUT_REVISION, event.workflow, event.revision, event.definition, event.changed_by, said.at, said.event_id
    )


async def _token(connection: Connection, said: Fact, event: TokenChanged) -> None:
    await put_token(connection, event)


SAMPLE_EVENTS = (SampleApproved, SampleRejected, SampleQueuedForReview)
RULES = (
    Rule((SnapshotCaptured,), _snapshot),
    Rule((ClipCaptured,), _clip),
    Rule((WashJudged,), _wash),
    Rule(SAMPLE_EVENTS, _sample),
    Rule((DatasetBuilt,), _dataset_version),
    Rule((TrainingProgressed,), _progress),
    Rule((TrainingFailed,), _last_words),
    Rule(RUN_EVENTS, _run),
    Rule((ModelRegistered,), _model_version),
    Rule((ModelPromoted, ModelRolledBack, PromotionRejected), _alias_change),
    Rule((PredictionReported,), _prediction),
    Rule((WorkflowChanged,), _workflow),
    Rule((TokenChanged,), _token),
)
