"""Works through training runs: fetch the dataset version, start the child, pass on what it says, store what it made."""

import asyncio
import time
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import structlog

from libs.common import outbox, telemetry
from libs.common.children import Limits
from libs.common.configuration import Configuration
from libs.common.derived import DerivedObjects
from libs.common.envelope import Envelope, stable_id
from libs.common.errors import CamloopError, NotFound, Permanent, Transient
from libs.common.events import (
    Artifact,
    DatasetBuilt,
    Event,
    ModelTrained,
    TrainingFailed,
    TrainingProgressed,
    TrainingQueued,
    TrainingStarted,
)
from libs.common.jobs import Jobs, Lease
from libs.common.objects import Objects
from libs.common.postgres import DATABASE_TROUBLE, Connection
from libs.common.runner import Pulse
from libs.common.warm_child import CLIPS_PER_CHILD, WarmChild
from libs.common.workflows import Workflow
from services.trainer.child import HINTS, TrainingChild, missing_modules
from services.trainer.domain import (
    CheckpointWritten,
    ChildLine,
    Failed,
    Finished,
    LogBuffer,
    Logged,
    Progressed,
    Started,
    Throttle,
    TrainingRun,
    waits_for,
)
from services.trainer.settings import Settings
from services.trainer.store import QueuedRun, TrainerStore
from services.trainer.vision import ClipFeatures
from services.trainer.workspace import (
    Workspace,
    fetch_dataset,
    keep,
    lay_out_clips,
    read_lines,
    workspace_for,
    write_spec,
)

log = structlog.get_logger()
WATCH_SECONDS = 2.0


@dataclass
class Attempt:
    """One attempt of a run while it lasts."""

    lease: Lease
    pulse: Pulse
    run: TrainingRun
    workflow: Workflow
    built: DatasetBuilt
    workspace: Workspace
    logs: LogBuffer
    uploads: Throttle
    throttle: Throttle = field(default_factory=lambda: Throttle(1.0))
    started: Started | None = None
    resumed_from_epoch: int | None = None
    newest: CheckpointWritten | None = None
    latest: Progressed | None = None

    @property
    def cause(self) -> Envelope:
        """The event that made this run, for everything the run announces."""
        return cause_of(self.run)


def cause_of(run: TrainingRun) -> Envelope:
    """What a run's announcements name as their cause."""
    return Envelope(run.cause_id, "training.requested", "", None, "", run.correlation_id, None, None, None)


@dataclass
class TrainingRunner:
    """`work` is what the job runner calls for a lease on a run."""

    store: TrainerStore
    jobs: Jobs
    objects: Objects
    configuration: Configuration
    settings: Settings
    last_logs: dict[UUID, LogBuffer] = field(default_factory=dict[UUID, LogBuffer])

    async def work(self, lease: Lease, pulse: Pulse) -> None:
        """Train one run to its end, or give it back with a checkpoint when asked to stop."""
        workspace = workspace_for(self.settings, lease.job_id, lease.prefix)
        try:
            attempt = await self._prepare(lease, pulse, workspace)
            self.last_logs[lease.job_id] = attempt.logs
            try:
                await self._train(attempt)
            finally:
                telemetry.training_last_progress.remove(attempt.run.workflow)
            self.last_logs.pop(lease.job_id, None)
        finally:
            workspace.remove()

    async def _train(self, attempt: Attempt) -> None:
        silence = attempt.workflow.training.minutes_without_progress * 60
        async with TrainingChild(attempt.workspace.spec_file, silence_seconds=silence) as child:
            try:
                await self._follow(attempt, child)
            except asyncio.CancelledError:
                if not attempt.pulse.lost:  # else there is nothing to save, and somebody may train already
                    await asyncio.shield(self._wind_down(attempt, child))
                raise

    async def _prepare(self, lease: Lease, pulse: Pulse, workspace: Workspace) -> Attempt:
        run = await self.store.run(UUID(lease.spec["run_id"]))
        built = (
            None
            if run is None or run.dataset_version_id is None
            else await self.store.dataset_version(run.dataset_version_id)
        )
        if run is None or built is None:
            raise Permanent(f"Training run {lease.job_id} names a dataset version that is not here")
        workflow = await self.configuration.workflow(run.workflow)
        pulse.progress = {"stage": "fetching the dataset version"}
        notes = await self._lay_out(run, built, workspace, pulse)
        checkpoint = await self._fetch_checkpoint(lease, workspace)
        write_spec(workspace, self.settings, run, workflow, built, checkpoint, notes)
        return Attempt(
            lease, pulse, run, workflow, built, workspace, LogBuffer(lease.attempt),
            uploads=Throttle(self.settings.checkpoint_seconds),
            resumed_from_epoch=epoch_of(lease.checkpoint_uri) if checkpoint and lease.checkpoint_uri else None,
        )  # fmt: skip

    async def _lay_out(
        self, run: TrainingRun, built: DatasetBuilt, workspace: Workspace, pulse: Pulse
    ) -> tuple[str, ...]:
        """The dataset folder of the child; what its log should begin with."""
        if built.task == "detection":
            await fetch_dataset(self.objects, self.settings, built, workspace)
            return ()
        lines = await read_lines(self.objects, built, "clip")
        asked = str(run.hyperparameters.get("extractor", "auto"))

        def tell(done: int, total: int) -> None:
            pulse.progress = {"stage": "features", "done": done, "clips": total}

        features = self._features()
        with closing(features.child):  # its memory is needed for training
            extractor, why = await features.choose(lines, asked)
            files = await features.fetch_all(lines, extractor, tell)
        await asyncio.to_thread(lay_out_clips, workspace, lines, files)
        await asyncio.to_thread(features.derived.trim, int(self.settings.cache_gigabytes * 1e9))
        return (why,)

    def _features(self) -> ClipFeatures:
        settings = self.settings
        folder = settings.work_folder.resolve() / "features"
        derived = DerivedObjects(self.objects, settings.s3_bucket, folder)
        limits = Limits(settings.features_memory_bytes, settings.features_seconds)
        weights = settings.weights_folder.resolve() / settings.pose_weights if settings.weights_folder else None
        return ClipFeatures(derived, WarmChild(limits, most_calls=CLIPS_PER_CHILD), weights)

    async def _fetch_checkpoint(self, lease: Lease, workspace: Workspace) -> Path | None:
        if lease.checkpoint_uri is None:
            return None
        path = workspace.folder / "resume.pt"
        try:
            await self.objects.get_file(lease.checkpoint_uri, path)
        except NotFound:
            log.warning("checkpoint_gone", uri=lease.checkpoint_uri, what="starting from the first epoch")
            return None
        return path

    async def _follow(self, attempt: Attempt, child: TrainingChild) -> None:
        async for line in child.lines():
            if await self._hear(attempt, line):
                return
        raise Transient(f"The training process ended without a result: {await child.last_words()}")

    async def _hear(self, attempt: Attempt, line: ChildLine) -> bool:
        match line:
            case Started():
                attempt.started = line
                telemetry.training_last_progress.labels(attempt.run.workflow).set_to_current_time()
                await self._announce(attempt, self._started(attempt, line))
            case Logged():
                attempt.logs.add(line)
            case Progressed():
                await self._progress(attempt, line)
            case CheckpointWritten():
                attempt.newest = line
                if attempt.uploads.allows(time.monotonic()):
                    await self._store_newest_checkpoint(attempt)
            case Failed():
                problem = f"{line.reason}. {line.hint}"
                raise Permanent(problem) if line.permanent else Transient(problem)
            case Finished():
                await self._finish(attempt, line)
                return True
        return False

    def _started(self, attempt: Attempt, line: Started) -> TrainingStarted:
        return TrainingStarted(
            training_run_id=attempt.run.run_id,
            workflow=attempt.run.workflow,
            dataset_version_id=attempt.built.dataset_version_id,
            backend=attempt.run.backend,
            attempt=attempt.lease.attempt,
            device=line.device,
            device_name=line.device_name,
            owner=self.jobs.owner,
            resumed_from_epoch=attempt.resumed_from_epoch,
            hyperparameters=attempt.run.hyperparameters,
        )

    async def _announce(self, attempt: Attempt, event: Event) -> None:
        async with self.store.pool.acquire() as connection, connection.transaction():
            await outbox.add(connection, event, cause=attempt.cause)

    async def _progress(self, attempt: Attempt, line: Progressed) -> None:
        attempt.latest = line
        attempt.pulse.progress = {"epoch": line.epoch, "epochs": line.epochs, "eta_seconds": line.eta_seconds}
        telemetry.training_epoch.labels(attempt.run.workflow).set(line.epoch)
        telemetry.training_last_progress.labels(attempt.run.workflow).set_to_current_time()
        for name, value in line.metrics.items():
            if value is not None:
                telemetry.training_metric.labels(attempt.run.workflow, name).set(value)
        if attempt.throttle.allows(time.monotonic()) or line.epoch == line.epochs:
            await self._announce(attempt, self._progressed(attempt, line))

    def _progressed(self, attempt: Attempt, line: Progressed) -> TrainingProgressed:
        return TrainingProgressed(
            training_run_id=attempt.run.run_id,
            workflow=attempt.run.workflow,
            attempt=attempt.lease.attempt,
            epoch=line.epoch,
            epochs=line.epochs,
            metrics=line.metrics,
            eta_seconds=line.eta_seconds,
            device=attempt.started.device if attempt.started else "unknown",
            log_lines=attempt.logs.take(),
        )

    async def _store_newest_checkpoint(self, attempt: Attempt) -> None:
        line, kept = attempt.newest, attempt.workspace.folder / "checkpoint.pt"
        if line is None or not keep(Path(line.path), kept):
            return
        # Put, then record: only the address in the job's row is real, a zombie's prefix is never read.
        media = await self.objects.put_file(f"{run_prefix(attempt)}/checkpoint-{line.epoch:05d}.pt", kept)
        attempt.newest = None
        attempt.pulse.checkpoint_uri = media.uri
        await self.jobs.heartbeat(attempt.lease, progress=attempt.pulse.progress, checkpoint_uri=media.uri)

    async def _finish(self, attempt: Attempt, line: Finished) -> None:
        artifacts = [await self._upload(attempt, Path(artifact.path), artifact.name) for artifact in line.artifacts]
        trained = self._trained(attempt, line, tuple(artifacts))
        async with self.store.pool.acquire() as connection, connection.transaction():
            await self.jobs.finish(connection, attempt.lease, {"artifacts": [a.uri for a in artifacts]})
            if attempt.latest and attempt.logs.fresh:  # what was logged since the last epoch: the export, the end
                await outbox.add(connection, self._progressed(attempt, attempt.latest), cause=attempt.cause)
            await outbox.add(
                connection, trained, cause=attempt.cause, event_id=stable_id(attempt.lease.job_id, ModelTrained.topic)
            )

    async def _upload(self, attempt: Attempt, path: Path, name: str) -> Artifact:
        media = await self.objects.put_file(f"{run_prefix(attempt)}/{name}", path)
        return Artifact(name=name, uri=media.uri, sha256=media.sha256, bytes=media.bytes)

    def _trained(self, attempt: Attempt, line: Finished, artifacts: tuple[Artifact, ...]) -> ModelTrained:
        run, started = attempt.run, attempt.started
        return ModelTrained(
            training_run_id=run.run_id,
            workflow=run.workflow,
            dataset_version_id=attempt.built.dataset_version_id,
            backend=run.backend,
            licence=str(line.metadata.get("licence", "unknown")),
            hyperparameters=run.hyperparameters,
            seed=run.seed,
            artifacts=artifacts,
            metrics=line.metrics,
            duration_seconds=line.duration_seconds,
            device=started.device if started else "unknown",
            environment=started.environment if started else {},
            dataset=attempt.built,
            base_weights=line.metadata.get("base_weights"),
        )

    async def _wind_down(self, attempt: Attempt, child: TrainingChild) -> None:
        await child.ask_to_stop()
        try:
            with suppress(TimeoutError, Transient):
                async with asyncio.timeout(self.settings.stop_seconds):
                    async for line in child.lines():
                        if isinstance(line, CheckpointWritten):
                            attempt.newest = line
            await self._store_newest_checkpoint(attempt)
        except (*DATABASE_TROUBLE, CamloopError) as error:
            log.warning("training_wind_down_cut_short", error=str(error) or type(error).__name__)

    async def announce_failure(self, connection: Connection, spec: dict[str, str], attempt: int, reason: str) -> None:
        """`training.failed`, in the transaction that ends the job."""
        run_id = UUID(spec["run_id"])
        logs = self.last_logs.pop(run_id, LogBuffer(attempt))
        run = await self.store.run(run_id)
        failed = TrainingFailed(
            training_run_id=run_id,
            workflow=spec["workflow"],
            reason=reason,
            attempt=attempt,
            last_log_lines=tuple(logs.last),
        )
        cause = cause_of(run) if run else None
        await outbox.add(connection, failed, cause=cause, event_id=stable_id(run_id, TrainingFailed.topic))


def run_prefix(attempt: Attempt) -> str:
    """Objects of one attempt; the fencing token keeps a zombie out."""
    return f"runs/{attempt.run.run_id}/{attempt.lease.prefix}"


def epoch_of(checkpoint_uri: str) -> int | None:
    """The epoch a checkpoint's name tells."""
    digits = checkpoint_uri.rsplit("-", 1)[-1].removesuffix(".pt")
    return int(digits) if digits.isdecimal() else None


@dataclass
class QueueWatch:
    """Says of every queued run what it waits for, whenever that changes."""

    store: TrainerStore

    async def run(self) -> None:
        """Look every other second."""
        while True:
            try:
                await self.look()
            except DATABASE_TROUBLE as error:
                log.warning("queue_watch_interrupted", error=str(error) or type(error).__name__)
            await asyncio.sleep(WATCH_SECONDS)

    async def look(self) -> None:
        """Announce what changed since the last look."""
        queued = await self.store.queued_runs()
        if not queued:
            return
        competitors = await self.store.running()
        for entry in queued:
            text = waits_for(
                dataset=entry.has_dataset,
                failure=entry.failure,
                missing=missing_modules(entry.run.backend),
                competitors=competitors,
                hint=HINTS.get(entry.run.backend, ""),
                workflow=entry.run.workflow,
            )
            if text is not None and text != entry.waits_for:
                await self._say(entry, text)

    async def _say(self, entry: QueuedRun, text: str) -> None:
        run = entry.run
        queued = TrainingQueued(
            training_run_id=run.run_id, workflow=run.workflow, dataset_version_id=run.dataset_version_id, backend=run.backend,
            waits_for=text, requested_by=run.requested_by, reason=run.reason,
        )  # fmt: skip
        async with self.store.pool.acquire() as connection, connection.transaction():
            if await self.store.say_what_it_waits_for(connection, run.run_id, text):
                log.info(
                    "training_waits", training_run_id=str(run.run_id), waits_for=text, at=datetime.now(UTC).isoformat()
                )
                await outbox.add(connection, queued, cause=cause_of(run))
