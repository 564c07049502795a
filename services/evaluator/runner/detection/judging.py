"""Judges a detector. Runs in the child."""

from dataclasses import replace

from libs.vision.detection_metrics import DetectionMetrics
from libs.vision.inference import Detector
from libs.vision.matching import MATCHING_IOU
from services.evaluator.domain import gate
from services.evaluator.domain.assignment import Judgement, check_classes, evaluated_split
from services.evaluator.domain.assignments import Tell
from services.evaluator.domain.bootstrap import REPLICATES, SEED
from services.evaluator.domain.detection_assignment import DetectionAssignment, ShippedDetector
from services.evaluator.report.content import VerdictPart, values_of
from services.evaluator.report.detection import page
from services.evaluator.report.detection.content import (
    SCHEMA,
    DetectionChampion,
    DetectionProtocol,
    DetectionReport,
    ReportedMistake,
)
from services.evaluator.report.detection.pictures import gallery
from services.evaluator.runner.bench import latency_ms, rival_of, runtime, write_report
from services.evaluator.runner.detection.measuring import Bench
from services.evaluator.runner.detection.scores import Measured, camera_scores, class_scores, differences
from services.evaluator.vision.pictures import read_picture


def judge(assignment: DetectionAssignment, tell: Tell) -> Judgement:
    """Everything about one detector. Raises `Permanent` where it can't be judged."""
    check_classes(assignment.model, assignment.classes)
    split = evaluated_split(assignment.pictures, dataset=str(assignment.lineage.dataset_version), kind="picture")
    bench = Bench(assignment, split, tell)
    detector = bench.load(assignment.model)
    model = bench.measure(detector)
    rival, part = _compare(bench, model)
    verdict = gate.judge(assignment.rules, model.numbers, rival, bench.notes, camera_metric="map50")
    with bench.watch.stage("report"):
        report = _report(bench, detector, model, verdict, part)
        write_report(assignment.folder, report, _page(bench, report, model))
    return _judgement(report, verdict, bench.watch.seconds)


def _compare(bench: Bench, model: Measured) -> tuple[gate.Rival | None, DetectionChampion | None]:
    champion = bench.assignment.champion
    if champion is None:
        return None, None
    measured = bench.measure_champion(champion)
    rival = rival_of(champion.reference, measured)
    if isinstance(measured, gate.Obstacle) or not isinstance(champion.model, ShippedDetector):
        return rival, None
    with bench.watch.stage("metrics"):
        part = DetectionChampion(
            name=champion.name,
            version=champion.version,
            sha256=champion.model.sha256,
            metrics=measured.metrics.headline(),
            differences=differences(model, measured, bench.assignment.model.classes),
            per_class=measured.metrics.per_class,
            per_camera=measured.metrics.per_camera,
        )
    return rival, part


def _report(
    bench: Bench, detector: Detector, model: Measured, verdict: gate.Verdict, champion: DetectionChampion | None
) -> DetectionReport:
    asked = bench.assignment
    pictures = {str(each.sample_id): each for each in asked.pictures[bench.split]}
    mistakes = tuple(
        ReportedMistake(each, pictures[each.image_id].uri, pictures[each.image_id].captured_at)
        for each in model.metrics.worst
    )
    return DetectionReport(
        schema=SCHEMA,
        evaluated_at=asked.evaluated_at,
        workflow=asked.workflow,
        title=asked.title,
        class_titles=asked.class_titles,
        model_sha256=asked.model.sha256,
        lineage=asked.lineage,
        verdict=VerdictPart(verdict.passed, verdict.failures, verdict.notes),
        latency_ms=latency_ms(model.seen.seconds),
        protocol=_protocol(bench, model.metrics, detector),
        metrics=replace(model.metrics, worst=()),
        champion=champion,
        mistakes=mistakes,
    )


def _protocol(bench: Bench, metrics: DetectionMetrics, detector: Detector) -> DetectionProtocol:
    return DetectionProtocol(
        split=bench.split,
        bootstrap_replicates=REPLICATES,
        seed=SEED,
        runtime=runtime(),
        threads=bench.assignment.threads,
        images=metrics.n_images,
        cameras=len(metrics.per_camera),
        boxes=metrics.n_truth,
        operating_confidence_from=bench.operating_from,
        matching_iou=MATCHING_IOU,
        input_width=detector.width,
        input_height=detector.height,
    )


def _page(bench: Bench, report: DetectionReport, model: Measured) -> str:
    asked = bench.assignment
    by_id = {str(each.sample_id): each for each in asked.pictures[bench.split]}
    pictures = gallery(
        report.mistakes,
        {each.image_id: each for each in model.seen.images},
        report.metrics.operating_confidence,
        lambda name: read_picture(by_id[name]),
        asked.gallery,
    )
    return page.render(report, pictures, first=asked.language)


def _judgement(report: DetectionReport, verdict: gate.Verdict, seconds: dict[str, float]) -> Judgement:
    extra: dict[str, float | None] = {
        "images": report.metrics.n_images,
        "annotations": report.metrics.n_truth,
        "latency_p50_ms": report.latency_ms["p50"],
        "latency_p95_ms": report.latency_ms["p95"],
    }
    champion = report.champion
    return Judgement(
        split=report.protocol.split,
        passed=verdict.passed,
        reasons=verdict.reasons,
        metrics=report.metrics.headline() | extra,
        per_class=class_scores(report.metrics),
        per_camera=camera_scores(report.metrics),
        operating_confidence=report.metrics.operating_confidence,
        champion_metrics=None if champion is None else champion.metrics,
        comparison=None if champion is None else values_of(champion.differences),
        seconds=seconds,
    )
