"""Judges a clip model. Runs in the child."""

from dataclasses import replace

from services.evaluator.domain import gate
from services.evaluator.domain.assignment import Judgement, check_classes, evaluated_split
from services.evaluator.domain.assignments import Tell
from services.evaluator.domain.bootstrap import REPLICATES, SEED
from services.evaluator.domain.temporal_assignment import ShippedClipModel, TemporalAssignment
from services.evaluator.domain.temporal_rules import odd_rules
from services.evaluator.domain.unseen import UNSEEN_BELOW, unseen_steps
from services.evaluator.report.content import VerdictPart, values_of
from services.evaluator.report.temporal import page
from services.evaluator.report.temporal.content import SCHEMA, TemporalChampion, TemporalProtocol, TemporalReport
from services.evaluator.report.temporal.gallery import filmed
from services.evaluator.runner.bench import latency_ms, rival_of, runtime, write_report
from services.evaluator.runner.temporal.clips import reported_clips
from services.evaluator.runner.temporal.measuring import Bench
from services.evaluator.runner.temporal.scores import COLLAR_SECONDS, Measured, differences
from services.evaluator.vision.clips import check_steps

CAMERA_METRIC = "f1_50"


def judge(assignment: TemporalAssignment, tell: Tell) -> Judgement:
    """Everything about one clip model. Raises `Permanent` where it can't be judged."""
    check_classes(assignment.model, assignment.classes)
    split = evaluated_split(assignment.clips, dataset=str(assignment.lineage.dataset_version), kind="clip")
    bench = Bench(assignment, split, tell)
    check_steps(bench.clips, assignment.classes)
    model = bench.measure(assignment.model)
    rival, part = _compare(bench, model)
    verdict = _verdict(bench, model, rival)
    with bench.watch.stage("report"):
        report = _report(bench, model, verdict, part)
        strips = {str(clip.sample_id): clip.strip for clip in bench.clips}
        pictures = filmed(report.clips, lambda name: strips[name], assignment.gallery)
        write_report(assignment.folder, report, page.render(report, pictures, first=assignment.language))
    return _judgement(report, verdict, bench.watch.seconds)


def _verdict(bench: Bench, model: Measured, rival: gate.Rival | None) -> gate.Verdict:
    rules = bench.assignment.rules
    verdict = gate.judge(rules, model.numbers, rival, bench.notes, camera_metric=CAMERA_METRIC)
    return replace(verdict, failures=(*odd_rules(rules), *verdict.failures))


def _compare(bench: Bench, model: Measured) -> tuple[gate.Rival | None, TemporalChampion | None]:
    champion, asked = bench.assignment.champion, bench.assignment
    if champion is None:
        return None, None
    measured = bench.measure_champion(champion)
    rival = rival_of(champion.reference, measured)
    if isinstance(measured, gate.Obstacle) or not isinstance(champion.model, ShippedClipModel):
        return rival, None
    with bench.watch.stage("metrics"):
        part = TemporalChampion(
            name=champion.name,
            version=champion.version,
            sha256=champion.model.sha256,
            metrics=measured.overall,
            differences=differences(model, measured, asked.model.classes, asked.background),
            per_class=measured.per_class,
            per_camera=measured.per_camera,
        )
    return rival, part


def _report(bench: Bench, model: Measured, verdict: gate.Verdict, champion: TemporalChampion | None) -> TemporalReport:
    asked = bench.assignment
    took = [each.seconds for each in model.seen]
    return TemporalReport(
        schema=SCHEMA,
        evaluated_at=asked.evaluated_at,
        workflow=asked.workflow,
        title=asked.title,
        class_titles=asked.class_titles,
        model_sha256=asked.model.sha256,
        lineage=asked.lineage,
        verdict=VerdictPart(verdict.passed, verdict.failures, verdict.notes),
        latency_ms=latency_ms(took),
        protocol=_protocol(bench, model),
        times_real_time=sum(clip.seconds for clip in bench.clips) / max(sum(took), 1e-9),
        metrics=model.overall,
        per_class=model.per_class,
        per_camera=model.per_camera,
        strict=model.strict,
        collar=model.collar,
        compliance=model.compliance,
        procedure=asked.procedure,
        unseen=unseen_steps(model.strict),
        champion=champion,
        clips=reported_clips(model.seen, asked),
    )


def _protocol(bench: Bench, model: Measured) -> TemporalProtocol:
    asked = bench.assignment
    decoding = asked.model.decoding
    return TemporalProtocol(
        split=bench.split,
        bootstrap_replicates=REPLICATES,
        seed=SEED,
        runtime=runtime(),
        threads=asked.threads,
        clips=len(bench.clips),
        recordings=len({clip.recording for clip in bench.clips}),
        cameras=len({clip.camera_id for clip in bench.clips}),
        seconds=round(sum(clip.seconds for clip in bench.clips), 3),
        frames=model.strict.frames,
        frames_per_second=tuple(sorted({each.labelled.frames_per_second for each in model.seen})),
        labels=asked.model.classes,
        background=asked.background,
        collar_seconds=COLLAR_SECONDS,
        smooth_seconds=decoding.smooth_seconds,
        shortest_seconds=decoding.shortest_seconds,
        features=asked.model.reads,
        unseen_below=UNSEEN_BELOW,
    )


def _judgement(report: TemporalReport, verdict: gate.Verdict, seconds: dict[str, float]) -> Judgement:
    champion = report.champion
    extra: dict[str, float | None] = {
        "latency_p50_ms": report.latency_ms["p50"],
        "latency_p95_ms": report.latency_ms["p95"],
        "times_real_time": round(report.times_real_time, 1),
    }
    return Judgement(
        split=report.protocol.split,
        passed=verdict.passed,
        reasons=verdict.reasons,
        metrics=report.metrics | extra,
        per_class=report.per_class,
        per_camera=report.per_camera,
        operating_confidence={},
        champion_metrics=None if champion is None else champion.metrics,
        comparison=None if champion is None else values_of(champion.differences),
        seconds=seconds,
    )
