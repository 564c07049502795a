"""Judges one model: measure, compare with the champion, hold to the gate, write the report. Runs in the child."""

from dataclasses import replace

import onnxruntime

from libs.vision.detection_metrics import DetectionMetrics
from libs.vision.inference import Detector
from libs.vision.matching import MATCHING_IOU
from services.evaluator.domain import gate
from services.evaluator.domain.assignment import Assignment, Contender, Judgement, check_classes, evaluated_split
from services.evaluator.domain.bootstrap import REPLICATES
from services.evaluator.report import html
from services.evaluator.report.content import (
    SCHEMA,
    ChampionPart,
    Protocol,
    Report,
    ReportedMistake,
    VerdictPart,
    to_json,
)
from services.evaluator.report.pictures import gallery
from services.evaluator.runner.child import Tell
from services.evaluator.runner.measuring import Bench, rival_of
from services.evaluator.runner.scores import (
    BOOTSTRAP_SEED,
    Measured,
    camera_scores,
    class_scores,
    differences,
    latency_ms,
)
from services.evaluator.vision import read_picture


def judge(assignment: Assignment, tell: Tell) -> Judgement:
    """Everything about one evaluation, on files of this machine. Raises `Permanent` where it can't be judged.

    Writes report.json and report.html into the assignment's folder.
    """
    check_classes(assignment.model, assignment.classes)
    split = evaluated_split(assignment.pictures, dataset=str(assignment.lineage.dataset_version))
    bench = Bench(assignment, split, tell)
    detector = bench.load(assignment.model)
    model = bench.measure(detector)
    rival, part = _compare(bench, model)
    verdict = gate.judge(assignment.rules, model.numbers, rival, bench.notes)
    with bench.watch.stage("report"):
        report = _report(bench, detector, model, verdict, part)
        _write(bench, report, model)
    return _judgement(report, verdict, bench.watch.seconds)


def _compare(bench: Bench, model: Measured) -> tuple[gate.Rival | None, ChampionPart | None]:
    champion = bench.assignment.champion
    if champion is None:
        return None, None
    measured = bench.measure_champion(champion)
    rival = rival_of(champion, measured)
    if isinstance(measured, gate.Obstacle) or not isinstance(champion.model, Contender):
        return rival, None
    with bench.watch.stage("metrics"):
        part = ChampionPart(
            name=champion.name,
            version=champion.version,
            sha256=champion.model.sha256,
            metrics=measured.metrics.headline(),
            per_class=measured.metrics.per_class,
            per_camera=measured.metrics.per_camera,
            differences=differences(model, measured, bench.assignment.model.classes),
        )
    return rival, part


def _report(
    bench: Bench, detector: Detector, model: Measured, verdict: gate.Verdict, champion: ChampionPart | None
) -> Report:
    asked = bench.assignment
    pictures = {str(each.sample_id): each for each in asked.pictures[bench.split]}
    mistakes = tuple(
        ReportedMistake(each, pictures[each.image_id].uri, pictures[each.image_id].captured_at)
        for each in model.metrics.worst
    )
    return Report(
        schema=SCHEMA,
        evaluated_at=asked.evaluated_at,
        workflow=asked.workflow,
        title=asked.title,
        class_titles=asked.class_titles,
        model_sha256=asked.model.sha256,
        lineage=asked.lineage,
        protocol=_protocol(bench, model.metrics, detector),
        verdict=VerdictPart(verdict.passed, verdict.failures, verdict.notes),
        latency_ms=latency_ms(model.seen),
        metrics=replace(model.metrics, worst=()),
        champion=champion,
        mistakes=mistakes,
    )


def _protocol(bench: Bench, metrics: DetectionMetrics, detector: Detector) -> Protocol:
    return Protocol(
        split=bench.split,
        images=metrics.n_images,
        cameras=len(metrics.per_camera),
        boxes=metrics.n_truth,
        operating_confidence_from=bench.operating_from,
        matching_iou=MATCHING_IOU,
        bootstrap_replicates=REPLICATES,
        seed=BOOTSTRAP_SEED,
        input_width=detector.width,
        input_height=detector.height,
        runtime=f"ONNX Runtime {onnxruntime.__version__} (CPU)",
        threads=bench.assignment.threads,
    )


def _write(bench: Bench, report: Report, model: Measured) -> None:
    asked = bench.assignment
    by_id = {str(each.sample_id): each for each in asked.pictures[bench.split]}
    pictures = gallery(
        report.mistakes,
        {each.image_id: each for each in model.seen.images},
        report.metrics.operating_confidence,
        lambda name: read_picture(by_id[name]),
        asked.gallery,
    )
    (asked.folder / "report.json").write_bytes(to_json(report))
    page = html.render(report, pictures, first=asked.language)
    (asked.folder / "report.html").write_text(page, encoding="utf-8")


def _judgement(report: Report, verdict: gate.Verdict, seconds: dict[str, float]) -> Judgement:
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
        comparison=None if champion is None else {name: each.value for name, each in champion.differences.items()},
        seconds=seconds,
    )
