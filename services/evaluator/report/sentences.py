"""The report's conclusions in plain words, both languages."""

from libs.vision.confusion import Mistake
from services.evaluator.domain.words import Words
from services.evaluator.report.content import ChampionPart, Difference, Report


def headline(report: Report) -> Words:
    """The verdict in one line."""
    if report.verdict.passed:
        return Words(en="Passed: this model may go to the cameras", zh="通过：该模型可以上线")
    return Words(en="Not passed: keep what the cameras run now", zh="未通过：请继续使用现有模型")


def conclusions(report: Report) -> tuple[Words, ...]:
    """What the numbers come to: how good, measured on what, and against the champion."""
    lines = [_how_good(report), _measured_on(report)]
    if report.champion is not None:
        lines.append(_against(report.champion, report.champion.differences["map50"]))
    return tuple(lines)


def _how_good(report: Report) -> Words:
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


def _measured_on(report: Report) -> Words:
    asked = report.protocol
    pictures = "picture" if asked.images == 1 else "pictures"
    cameras = "camera" if asked.cameras == 1 else "cameras"
    if asked.split == "test":
        return Words(
            en=f"Measured on {asked.images} {pictures} of {asked.cameras} {cameras} that were kept away from training.",
            zh=f"在 {asked.cameras} 台摄像机的 {asked.images} 张未参与训练的图片上测得。",
        )
    return Words(
        en=f"Measured on {asked.images} {pictures} of {asked.cameras} {cameras} from the validation split, because the test"
        " split is empty. Training chose its best epoch by these pictures: expect a little less in reality.",
        zh=f"测试集为空，因此在 {asked.cameras} 台摄像机的 {asked.images} 张验证集图片上测得。训练时曾用这些图片挑选最佳轮次，"
        "实际效果可能略低。",
    )


def _against(champion: ChampionPart, difference: Difference) -> Words:
    name = champion.reference
    if difference.value is None:
        return Words(en=f"It can't be compared with {name} in mAP50.", zh=f"无法与 {name} 比较 mAP50。")
    change = f"mAP50 {signed_number(difference.value)}"
    if difference.low is None or difference.high is None:
        return Words(
            en=f"Against the model that runs now ({name}): {change}; too few pictures to say whether that is chance.",
            zh=f"与现役模型 {name} 相比：{change}；图片太少，无法判断是否为偶然。",
        )
    likely = f"{signed_number(difference.low)} … {signed_number(difference.high)}"
    if difference.low > 0:
        return Words(
            en=f"It is better than the model that runs now ({name}): {change}, likely {likely}.",
            zh=f"它优于现役模型 {name}：{change}，置信区间 {likely}。",
        )
    if difference.high < 0:
        return Words(
            en=f"It is worse than the model that runs now ({name}): {change}, likely {likely}.",
            zh=f"它不如现役模型 {name}：{change}，置信区间 {likely}。",
        )
    return Words(
        en=f"It is about as good as the model that runs now ({name}): {change}, likely {likely}, so it may be chance.",
        zh=f"它与现役模型 {name} 相当：{change}，置信区间 {likely}，差异可能是偶然。",
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


def signed_number(value: float) -> str:
    """+0.031 or −0.031, with a minus sign as in print."""
    return f"{value:+.3f}".replace("-", "−")


def _title(label: str | None, titles: dict[str, Words]) -> Words:
    return titles.get(label or "", Words(en=label or "", zh=label or ""))
