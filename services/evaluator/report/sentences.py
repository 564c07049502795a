"""Conclusions every report draws, in plain words of both languages."""

from collections.abc import Callable

from services.evaluator.domain.assignment import EvaluatedSplit
from services.evaluator.domain.words import Words
from services.evaluator.report.content import ChampionPart, Report


def headline(report: Report) -> Words:
    """The verdict in one line."""
    if report.verdict.passed:
        return Words(en="Passed: this model may go to the cameras", zh="通过：该模型可以上线")
    return Words(en="Not passed: keep what the cameras run now", zh="未通过：请继续使用现有模型")


def measured_on(split: EvaluatedSplit, samples: Words, cameras: int) -> Words:
    """On what the numbers rest; `samples` names them with their number: "36 pictures", "36 张图片"."""
    place = "camera" if cameras == 1 else "cameras"
    if split == "test":
        return Words(
            en=f"Measured on {samples.en} of {cameras} {place} that were kept away from training.",
            zh=f"在 {cameras} 台摄像机的 {samples.zh}上测得，训练时未使用。",
        )
    return Words(
        en=f"Measured on {samples.en} of {cameras} {place} from the validation split, because the test split is empty."
        " Training chose its best epoch by these: expect a little less in reality.",
        zh=f"测试集为空，因此在 {cameras} 台摄像机的验证集 {samples.zh}上测得。训练时曾用它们挑选最佳轮次，实际效果可能略低。",
    )


def against(champion: ChampionPart, metric: str, name: str, *, show: Callable[[float], str], samples: Words) -> Words:
    """Better, worse or alike; `samples` is what there may be too few of: "pictures", "图片"."""
    reference, difference = champion.reference, champion.differences[metric]
    if difference.value is None:
        return Words(en=f"It can't be compared with {reference} in {name}.", zh=f"无法与 {reference} 比较 {name}。")
    change = f"{name} {show(difference.value)}"
    if difference.low is None or difference.high is None:
        return Words(
            en=f"Against the model that runs now ({reference}): {change}; too few {samples.en} to say whether that is chance.",
            zh=f"与现役模型 {reference} 相比：{change}；{samples.zh}太少，无法判断是否为偶然。",
        )
    likely = f"{show(difference.low)} … {show(difference.high)}"
    if difference.low > 0:
        return Words(
            en=f"It is better than the model that runs now ({reference}): {change}, likely {likely}.",
            zh=f"它优于现役模型 {reference}：{change}，置信区间 {likely}。",
        )
    if difference.high < 0:
        return Words(
            en=f"It is worse than the model that runs now ({reference}): {change}, likely {likely}.",
            zh=f"它不如现役模型 {reference}：{change}，置信区间 {likely}。",
        )
    return Words(
        en=f"It is about as good as the model that runs now ({reference}): {change}, likely {likely}, so it may be chance.",
        zh=f"它与现役模型 {reference} 相当：{change}，置信区间 {likely}，差异可能是偶然。",
    )


def signed_number(value: float) -> str:
    """+0.031 or −0.031, with a minus sign as in print."""
    return f"{value:+.3f}".replace("-", "−")
