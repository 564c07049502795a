"""Walks a cause chain back through the log: from a model to its run, dataset version, samples and snapshots."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from libs.common.errors import CamloopError, NotFound
from libs.common.events import (
    DatasetBuildFailed,
    DatasetBuildRequested,
    DatasetBuilt,
    EvaluationFailed,
    EvaluationRequested,
    Event,
    Media,
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
    TrainingCancelRequested,
    TrainingFailed,
    TrainingProgressed,
    TrainingQueued,
    TrainingRequested,
    TrainingStarted,
)
from libs.common.manifests import ManifestLine, read_manifest
from libs.common.objects import Objects
from services.console.domain.chain import (
    Node,
    Why,
    node_of,
    sample_nodes,
    used_from_manifest,
    used_from_samples,
    waits_for_dataset,
    waits_for_training,
)
from services.console.domain.facts import LoggedEvent
from services.console.domain.runs import TrainingRun
from services.console.domain.versions import DatasetVersion, ModelVersion
from services.console.store.dead_letters import DeadLetterStore
from services.console.store.log import EventLog
from services.console.store.views import Views
from services.console.store.washes import WashViews

MOVES = (ModelPromoted, ModelRolledBack, PromotionRejected)
JUDGED = (ModelEvaluated, EvaluationFailed, EvaluationRequested)
RAN = (ModelTrained, TrainingFailed, TrainingCancelRequested, TrainingStarted, TrainingQueued, TrainingRequested)
JUDGED_SAMPLE = (SampleApproved, SampleRejected, SampleQueuedForReview, ReviewSubmitted)
CAUSES = 30
Test = Callable[[LoggedEvent], bool]


@dataclass(frozen=True)
class Causes:
    """Answers `why` for whatever has a name: event, training run, model, dataset version, sample, snapshot, clip, workflow."""

    log: EventLog
    views: Views
    washes: WashViews
    dead_letters: DeadLetterStore
    objects: Objects

    async def why(self, subject: str) -> Why:
        """The chain behind a subject. Raises `NotFound` with what may be asked for."""
        found = await self._of_name(subject)
        identity = _uuid(subject)
        if found is None and identity is not None:
            found = await self._of_id(identity)
        if found is None:
            raise NotFound(
                f"Nothing here is called {subject!r}: give the id of an event, training run, dataset version, sample"
                ", snapshot or clip, a model like hairnet@2 or hairnet, or a workflow"
            )
        return found

    async def _of_name(self, subject: str) -> Why | None:
        name, _, number = subject.partition("@")
        if number.isdecimal():
            version = await self.views.model_version(name, int(number))
            return None if version is None else await self._model(version)
        versions = await self.views.model_versions(subject)
        if versions:
            champion = (await self.views.aliases(subject)).get("champion")
            return await self._model(next((v for v in versions if v.version == champion), versions[0]))
        if await self.views.snapshot(subject) is not None:
            return await self._snapshot(subject)
        clip = await self.views.clip(subject)
        if clip is not None:
            return await self._clip(subject, clip["event_id"])
        return await self._workflow(subject)

    async def _of_id(self, identity: UUID) -> Why | None:
        logged = await self.log.find(identity)
        if logged is not None:
            return await self._event(logged)
        run = await self.views.run(identity)
        if run is not None:
            return await self._run(run)
        version = await self.views.dataset_version(identity)
        if version is not None:
            summary = f"dataset version {version.version} of {version.workflow}"
            return Why("dataset_version", str(identity), summary, await self._dataset_nodes(version))
        return await self._sample(identity)

    async def _model(self, version: ModelVersion) -> Why:
        chain = await self._nodes(version.model, MOVES, only=lambda e: _version(e) == version.version, newest=5)
        chain += await self._nodes(version.model, (ModelRegistered,), only=lambda e: _version(e) == version.version)
        chain += await self._run_nodes(version.training_run_id)
        chain += await self._dataset_nodes(await self.views.dataset_version(version.dataset_version_id))
        gate = "passed" if version.gate.get("passed") else "did not pass"
        summary = f"{version.model} version {version.version}: its gate {gate}"
        return Why("model_version", f"{version.model}@{version.version}", summary, chain)

    async def _run(self, run: TrainingRun) -> Why:
        chain = await self._run_nodes(run.training_run_id)
        version = None if run.dataset_version_id is None else await self.views.dataset_version(run.dataset_version_id)
        chain += await self._dataset_nodes(version)
        waits_for = run.waits_for if run.state == "queued" else None
        summary = f"training run of {run.workflow}: {run.state}" + (f", {run.reason}" if run.reason else "")
        return Why("training_run", str(run.training_run_id), summary, chain, waits_for)

    async def _workflow(self, name: str) -> Why | None:
        runs = (await self.views.runs(name, None, limit=1, offset=0)).items
        if runs:
            return await self._run(runs[0])
        workflow = await self.views.workflow(name)
        if workflow is None:
            return None
        asked = await self._nodes(name, (DatasetBuildFailed, DatasetBuildRequested), newest=3)
        versions = (await self.views.dataset_versions(name, limit=1, offset=0)).items
        if versions:
            summary = f"{name}: dataset version {versions[0].version} is the newest, and there was no training run yet"
            chain = [*asked, *await self._dataset_nodes(versions[0])]
            return Why("workflow", name, summary, chain, waits_for_training(workflow))
        approved = await self.views.approved_until(name, datetime.now(UTC))
        chain = [*asked, *sample_nodes(used_from_samples(approved), source="the verdicts so far")]
        summary = f"{name}: {len(approved)} samples are approved, and there is no dataset version yet"
        return Why("workflow", name, summary, chain, waits_for_dataset(workflow, len(approved)))

    async def _sample(self, sample_id: UUID) -> Why | None:
        sample = await self.views.sample(sample_id)
        if sample is None:
            return None
        chain = await self._nodes(str(sample_id), JUDGED_SAMPLE)
        if sample.snapshot_id is not None:
            chain += await self._snapshot_nodes(sample.snapshot_id)
        if sample.clip_id is not None:
            clip = await self.views.clip(sample.clip_id)
            chain += [] if clip is None else await self._found([clip["event_id"]])
        why = sample.reason or (sample.decided_by and f"by {sample.decided_by}") or ""
        waits_for = "a reviewer" if sample.verdict == "queued" else None
        return Why("sample", str(sample_id), f"{sample.verdict}: {why}", chain, waits_for)

    async def _snapshot(self, snapshot_id: str) -> Why:
        samples = await self.views.samples_of_snapshot(snapshot_id)
        chain = [node for sample in samples for node in await self._nodes(str(sample.sample_id), JUDGED_SAMPLE)]
        chain += await self._snapshot_nodes(snapshot_id)
        verdicts = ", ".join(f"{sample.workflow}: {sample.verdict}" for sample in samples) or "no verdict yet"
        dead = await self._dead_letters(node.event_id for node in chain)
        return Why("snapshot", snapshot_id, verdicts, chain, dead_letters=dead)

    async def _clip(self, clip_id: str, captured: UUID) -> Why:
        """What became of a clip as a sample, and what models made of it, the last first."""
        samples, washes = await self.views.samples_of_clip(clip_id), await self.washes.of_clip(clip_id)
        later = [node for sample in samples for node in await self._nodes(str(sample.sample_id), JUDGED_SAMPLE)]
        later += await self._found(wash.event_id for wash in washes)
        chain = [*_newest_first(later), *await self._found([captured])]
        said = [f"{sample.workflow}: {sample.verdict}" for sample in samples]
        said += [f"{wash.verdict} by {wash.model}@{wash.version}" for wash in washes]
        waits_for = "a reviewer" if any(sample.verdict == "queued" for sample in samples) else None
        dead = await self._dead_letters(node.event_id for node in chain)
        return Why("clip", clip_id, ", ".join(said) or "no verdict yet", chain, waits_for, dead_letters=dead)

    async def _event(self, logged: LoggedEvent) -> Why:
        chain = [node_of(logged)]
        cause, seen = logged.causation_id, {str(logged.event_id)}
        while cause is not None and cause not in seen and len(chain) < CAUSES:
            seen.add(cause)
            identity = _uuid(cause)
            earlier = None if identity is None else await self.log.find(identity)
            if earlier is None:
                break
            chain.append(node_of(earlier))
            cause = earlier.causation_id
        led_to = [node_of(later) for later in await self.log.caused_by(logged.event_id)]
        dead = await self._dead_letters([logged.event_id])
        summary = f"{logged.topic} of {logged.key}, said by {logged.source}"
        return Why("event", str(logged.event_id), summary, chain, led_to=led_to, dead_letters=dead)

    async def _run_nodes(self, run_id: UUID) -> list[Node]:
        key = str(run_id)
        progress = await self._nodes(key, (TrainingProgressed,), newest=1)
        return [*await self._nodes(key, JUDGED), *_after_start(await self._nodes(key, RAN), progress)]

    async def _dataset_nodes(self, version: DatasetVersion | None) -> list[Node]:
        if version is None:
            return []
        built = [
            event
            for event in await self.log.about(str(version.dataset_version_id), (DatasetBuilt,))
            if event.event_id == version.event_id
        ]
        chain = [node_of(event) for event in built]
        # A policy's build follows from the sample that tipped it over; that one is among the samples below.
        cause = _uuid(built[0].causation_id) if built and version.requested_by is not None else None
        asked = None if cause is None else await self.log.find(cause)
        if asked is not None:
            chain.append(node_of(asked))
        return [*chain, *await self._used_nodes(version)]

    async def _used_nodes(self, version: DatasetVersion) -> list[Node]:
        manifest = Media.model_validate(version.manifest)
        try:
            data = await self.objects.get(manifest.uri, expected_sha256=manifest.sha256)
            lines: list[ManifestLine] = await asyncio.to_thread(lambda: list(read_manifest(data)))
        except CamloopError as error:
            samples = await self.views.approved_until(version.workflow, version.built_at)
            source = f"the verdicts until it was built, because its manifest cannot be read: {error}"
            return sample_nodes(used_from_samples(samples), source=source)
        known = await self.views.samples_by_id([line.sample_id for line in lines])
        used = used_from_manifest(lines, {sample.sample_id: sample for sample in known})
        return sample_nodes(used, source="the manifest")

    async def _found(self, event_ids: Iterable[UUID]) -> list[Node]:
        events = [await self.log.find(event_id) for event_id in event_ids]
        return [node_of(event) for event in events if event is not None]

    async def _snapshot_nodes(self, snapshot_id: str) -> list[Node]:
        snapshot = await self.views.snapshot(snapshot_id)
        return [] if snapshot is None else await self._found([snapshot["event_id"]])

    async def _nodes(
        self, key: str, kinds: tuple[type[Event], ...], *, only: Test | None = None, newest: int | None = None
    ) -> list[Node]:
        """Events about a subject as links, newest first."""
        events = [event for event in await self.log.about(key, kinds) if only is None or only(event)]
        nodes = [node_of(event) for event in reversed(events)]
        return nodes if newest is None else nodes[:newest]

    async def _dead_letters(self, event_ids: Iterable[UUID | None]) -> list[dict[str, object]]:
        letters = [
            letter
            for event_id in event_ids
            if event_id is not None
            for letter in await self.dead_letters.of_event(event_id)
        ]
        return [
            {"id": letter.id, "consumer": letter.consumer, "state": letter.state, "error": letter.error}
            for letter in letters
        ]


def _after_start(ran: list[Node], progress: list[Node]) -> list[Node]:
    """The newest progress stands where it belongs in time."""
    return _newest_first([*ran, *progress])


def _newest_first(nodes: list[Node]) -> list[Node]:
    return sorted(nodes, key=lambda node: (node.at is not None, node.at), reverse=True)


def _version(event: LoggedEvent) -> object:
    return event.body.get("version", event.body.get("to_version"))


def _uuid(text: str | None) -> UUID | None:
    try:
        return None if text is None else UUID(text)
    except ValueError:
        return None
