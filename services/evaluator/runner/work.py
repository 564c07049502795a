"""Works through evaluations: fetch the files, let the child judge, store the report, announce."""

import asyncio
import os
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog

from libs.common import outbox
from libs.common.configuration import Configuration
from libs.common.envelope import stable_id
from libs.common.errors import Permanent, Transient
from libs.common.events import Artifact, Baseline, EvaluationFailed, Gate, Media, ModelEvaluated, ModelRef, ModelTrained
from libs.common.jobs import Jobs, Lease
from libs.common.manifests import ManifestLine
from libs.common.objects import Objects
from libs.common.postgres import Connection
from libs.common.runner import Pulse
from libs.common.workflows import Workflow
from libs.vision.procedures import procedure_of
from services.evaluator.domain.assignment import Champion, Judgement, Lineage
from services.evaluator.domain.assignments import Tell
from services.evaluator.domain.detection_assignment import DetectionAssignment
from services.evaluator.domain.gate import Rules
from services.evaluator.domain.temporal_assignment import ShippedClipModel, TemporalAssignment
from services.evaluator.domain.words import Words
from services.evaluator.runner.cache import Cache
from services.evaluator.runner.child import judging_child
from services.evaluator.runner.fetching import Fetcher, evaluated_pictures
from services.evaluator.runner.temporal.fetching import ClipFetcher
from services.evaluator.settings import Settings
from services.evaluator.store import Evaluation, EvaluatorStore

log = structlog.get_logger()
REPORT_FILES = {"report.json": "application/json", "report.html": "text/html; charset=utf-8"}


@dataclass(frozen=True)
class Case:
    """What is judged, and by whose rules."""

    evaluation: Evaluation
    trained: ModelTrained
    workflow: Workflow

    @property
    def run_name(self) -> str:
        """What the model is called until it has a version."""
        return f"Training run {self.trained.training_run_id}"


@dataclass(frozen=True)
class EvaluationRunner:
    """`work` is what the job runner calls for a lease on an evaluation."""

    store: EvaluatorStore
    jobs: Jobs
    objects: Objects
    configuration: Configuration
    cache: Cache
    settings: Settings
    clips: ClipFetcher

    async def work(self, lease: Lease, pulse: Pulse) -> None:
        """Judge one artifact and announce the result."""
        started = time.perf_counter()
        case = await self._case(lease)
        async with self.cache.desk(f"{lease.job_id}-{lease.prefix}") as desk:
            champion, judgement, seconds = await self._judge(case, desk, _progress_of(pulse))
            report, files = await self._store_report(case.evaluation, lease, desk)
        await asyncio.to_thread(self.clips.derived.trim, int(self.settings.cache_gigabytes * 1e9))
        seconds["total"] = round(time.perf_counter() - started, 3)
        evaluated = _evaluated(case, champion, judgement, report, files, seconds)
        await self._announce(lease, case, evaluated)

    async def _case(self, lease: Lease) -> Case:
        evaluation = await self.store.evaluation(UUID(lease.spec["evaluation_id"]))
        if evaluation is None:
            raise Permanent(f"Evaluation {lease.job_id} has a job but no row: ask for it again under a new id")
        trained = await self.store.training_run(evaluation.training_run_id)
        if trained is None:
            raise Transient(
                f"Training run {evaluation.training_run_id} has produced no model (yet): ask for one that ended with"
                " model.trained (uv run camloop runs)"
            )
        return Case(evaluation, trained, await self.configuration.workflow(trained.workflow))

    async def _judge(
        self, case: Case, desk: Path, tell: Tell
    ) -> tuple[Champion[Any] | None, Judgement, dict[str, float]]:
        fetcher = Fetcher(self.objects, self.cache, desk)
        async with judging_child(tell, self.settings.child_limits) as judge:
            started = time.perf_counter()
            assignment = await self._assignment(case, fetcher, tell)
            fetched = time.perf_counter() - started
            judgement = await judge(assignment)
        return assignment.champion, judgement, {"download": round(fetched, 4), **judgement.seconds}

    async def _assignment(self, case: Case, fetcher: Fetcher, tell: Tell) -> DetectionAssignment | TemporalAssignment:
        lines = await fetcher.lines(case.trained.dataset)
        if case.trained.dataset.task == "temporal":
            return await self._of_clips(case, fetcher, lines, tell)
        return await self._of_pictures(case, fetcher, lines, tell)

    async def _of_pictures(
        self, case: Case, fetcher: Fetcher, lines: list[ManifestLine], tell: Tell
    ) -> DetectionAssignment:
        trained = case.trained
        model = await fetcher.detector(case.run_name, trained.artifacts, trained.dataset.classes)
        running = await self.store.champion(trained.workflow)
        champion = await fetcher.champion(running, model.sha256, fetcher.detector)
        pictures, dropped = evaluated_pictures(lines, await fetcher.pictures(lines, tell))
        return DetectionAssignment(
            **self._common(case, fetcher),
            model=model,
            champion=champion,
            pictures=pictures,
            dropped_annotations=dropped,
        )

    async def _of_clips(
        self, case: Case, fetcher: Fetcher, lines: list[ManifestLine], tell: Tell
    ) -> TemporalAssignment:
        trained, procedure = case.trained, case.workflow.procedure
        if procedure is None:
            raise Permanent(
                f"Workflow {case.workflow.name} has no procedure any more: a clip model can't be judged by it"
            )
        model = await fetcher.clip_model(case.run_name, trained.artifacts, trained.dataset.classes)
        running = await self.store.champion(trained.workflow)
        champion = await fetcher.champion(running, model.sha256, fetcher.clip_model)
        reads = [model.reads]
        if champion is not None and isinstance(champion.model, ShippedClipModel):
            reads.append(champion.model.reads)
        with closing(self.clips.child):  # its memory is needed for judging
            clips = await self.clips.clips(lines, reads, tell)
        return TemporalAssignment(
            **self._common(case, fetcher),
            model=model,
            champion=champion,
            procedure=procedure_of(procedure),
            clips=clips,
        )

    def _common(self, case: Case, fetcher: Fetcher) -> dict[str, Any]:
        workflow = case.workflow
        return {
            "workflow": workflow.name,
            "title": Words(workflow.title.en, workflow.title.zh),
            "class_titles": {each.name: Words(each.title.en, each.title.zh) for each in workflow.all_classes},
            "classes": case.trained.dataset.classes,
            "rules": Rules(**workflow.gate.model_dump()),
            "lineage": _lineage(case),
            "folder": fetcher.desk,
            "threads": self.settings.threads or available_cores(),
            "language": self.settings.report_language,
            "gallery": self.settings.report_pictures,
            "evaluated_at": datetime.now(UTC),
        }

    async def _store_report(
        self, evaluation: Evaluation, lease: Lease, desk: Path
    ) -> tuple[Media, tuple[Artifact, ...]]:
        """Under a prefix no other attempt writes to: a report that was announced never changes."""
        prefix = f"reports/{evaluation.evaluation_id}/{lease.prefix}"
        stored = {
            name: await self.objects.put(f"{prefix}/{name}", (desk / name).read_bytes(), content_type)
            for name, content_type in REPORT_FILES.items()
        }
        files = tuple(Artifact(name=n, uri=m.uri, sha256=m.sha256, bytes=m.bytes) for n, m in stored.items())
        return stored["report.json"], files

    async def _announce(self, lease: Lease, case: Case, evaluated: ModelEvaluated) -> None:
        async with self.jobs.pool.acquire() as connection, connection.transaction():
            await self.jobs.finish(connection, lease, {"report": evaluated.report.uri, "passed": evaluated.gate.passed})
            await self.store.close_evaluation(connection, evaluated)
            identity = stable_id(lease.job_id, ModelEvaluated.topic)
            await outbox.add(connection, evaluated, cause=case.evaluation.cause, event_id=identity)
        log.info("model_evaluated", metrics=evaluated.metrics, passed=evaluated.gate.passed, seconds=evaluated.seconds)

    async def announce_failure(self, connection: Connection, spec: dict[str, Any], attempt: int, reason: str) -> None:
        """An evaluation that failed for good, with what to do; in the transaction that ends its job."""
        evaluation = await self.store.evaluation(UUID(spec["evaluation_id"]))
        if evaluation is None:
            return
        told = reason if attempt == 1 else f"{reason} (after {attempt} attempts)"
        failed = EvaluationFailed(
            evaluation_id=evaluation.evaluation_id,
            training_run_id=evaluation.training_run_id,
            workflow=evaluation.workflow,
            reason=told,
        )
        await self.store.fail_evaluation(connection, evaluation.evaluation_id, told)
        identity = stable_id(evaluation.evaluation_id, EvaluationFailed.topic)
        await outbox.add(connection, failed, cause=evaluation.cause, event_id=identity)


def available_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _progress_of(pulse: Pulse) -> Tell:
    def tell(stage: str, done: int, total: int) -> None:
        pulse.progress = {"stage": stage, "done": done, "of": total}

    return tell


def _lineage(case: Case) -> Lineage:
    trained, evaluation = case.trained, case.evaluation
    base = trained.base_weights
    return Lineage(
        evaluation_id=evaluation.evaluation_id,
        training_run_id=trained.training_run_id,
        dataset_version_id=trained.dataset_version_id,
        dataset_version=trained.dataset.version,
        split_counts={str(split): count for split, count in trained.dataset.counts.items()},
        backend=trained.backend,
        licence=trained.licence,
        base_weights=None if not base else f"{base.get('name')} ({base.get('licence') or 'licence unknown'})",
        device=trained.device,
        training_seconds=trained.duration_seconds,
        seed=trained.seed,
        hyperparameters=trained.hyperparameters,
        requested_by=evaluation.requested_by,
        reason=evaluation.reason,
    )


def _evaluated(
    case: Case,
    champion: Champion[Any] | None,
    judgement: Judgement,
    report: Media,
    files: tuple[Artifact, ...],
    seconds: dict[str, float],
) -> ModelEvaluated:
    return ModelEvaluated(
        evaluation_id=case.evaluation.evaluation_id,
        training_run_id=case.trained.training_run_id,
        workflow=case.trained.workflow,
        dataset_version_id=case.trained.dataset_version_id,
        split=judgement.split,
        report=report,
        metrics=judgement.metrics,
        per_class=judgement.per_class,
        per_camera=judgement.per_camera,
        baseline=_baseline(champion, judgement),
        gate=Gate(passed=judgement.passed, reasons=judgement.reasons),
        trained=case.trained,
        operating_confidence=judgement.operating_confidence,
        report_files=files,
        seconds=seconds,
    )


def _baseline(champion: Champion[Any] | None, judgement: Judgement) -> Baseline | None:
    if champion is None or judgement.champion_metrics is None or judgement.comparison is None:
        return None
    return Baseline(
        model=ModelRef(name=champion.name, version=champion.version),
        metrics=judgement.champion_metrics,
        comparison=judgement.comparison,
    )
