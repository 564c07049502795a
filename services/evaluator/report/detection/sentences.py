"""What a detector's numbers come to, in plain words of both languages."""

from libs.vision.confusion import Mistake
from services.evaluator.domain.words import Words
from services.evaluator.report.detection.content import DetectionReport
from services.evaluator.report.sentences import against, measured_on, signed_number

PICTURES = Words("pictures", "图片")


def conclusions(report: DetectionReport) -> tuple[Words, ...]:
    """How good, measured on what, and against the champion."""
    asked = report.protocol
    pictures = Words(f"{asked.images} picture{'' if asked.images == 1 else 's'}", f"{asked.images} 张图片")
    lines = [_how_good(report), measured_on(asked.split, pictures, asked.cameras)]
    if report.champion is not None:
        lines.append(against(report.champion, "map50", "mAP50", show=signed_number, samples=PICTURES))
    return tuple(lines)


def _how_good(report: DetectionReport) -> Words:
    recall, precision = report.metrics.recall, report.metrics.precision
    if recall is None or precision is None:
        return Words(
            en="Nothing was marked by a person in these pictures, so nobody can say how much the model finds.",
            zh="这些图片中没有人工标注，因此无法判断模型能找到多少。",
        )
    finds, right = round(100 * recall), round(100 * precision)
    return Words(
        en=f"Of 100 objects that people marked, it finds about {finds}. Of 100 objects it reports, about {right} are right.",
        zh=f"人工标注的每 100 个目标中，它大约能找到 {finds} 个；它报告的每 100 个目标中，大约 {right} 个是正确的。",
    )


def mistake_words(titles: dict[str, Words], mistake: Mistake) -> Words:
    """One error in a line."""
    said = _title(mistake.said, titles)
    truth = _title(mistake.label, titles)
    sure = "" if mistake.confidence is None else f"{mistake.confidence:.2f}"
    if mistake.kind == "missed":
        return Words(en=f"missed: {truth.en}", zh=f"漏检：{truth.zh}")
    if mistake.kind == "false":
        return Words(en=f"false alarm: {said.en} ({sure})", zh=f"误报：{said.zh}（{sure}）")
    return Words(en=f"took {truth.en} for {said.en} ({sure})", zh=f"把{truth.zh}当成了{said.zh}（{sure}）")


def _title(label: str | None, titles: dict[str, Words]) -> Words:
    return titles.get(label or "", Words(en=label or "", zh=label or ""))
