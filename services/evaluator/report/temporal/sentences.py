"""What a clip model's numbers come to, in plain words of both languages."""

from services.evaluator.domain.ratios import Rate
from services.evaluator.domain.words import Words
from services.evaluator.report.sentences import against, measured_on
from services.evaluator.report.temporal.content import TemporalReport

CLIPS = Words("clips", "视频片段")


def conclusions(report: TemporalReport) -> tuple[Words, ...]:
    """How good at steps, how good at verdicts, measured on what, and against the champion."""
    asked = report.protocol
    clips = Words(f"{asked.clips} clip{'' if asked.clips == 1 else 's'}", f"{asked.clips} 个视频片段")
    lines = [_steps(report), *_verdicts(report), measured_on(asked.split, clips, asked.cameras)]
    if report.champion is not None:
        lines.append(against(report.champion, "f1_50", "F1@50", show=signed_points, samples=CLIPS))
    return tuple(lines)


def _steps(report: TemporalReport) -> Words:
    if report.strict.frames == 0:
        return Words(en="The clips are empty: there is nothing to judge.", zh="视频片段为空：没有可评判的内容。")
    right, calm = round(report.strict.frame_accuracy), round(report.collar.frame_accuracy)
    return Words(
        en=f"Of 100 seconds of video it names the right step in about {right}; away from the changes between steps in {calm}.",
        zh=f"每 100 秒视频中，它约有 {right} 秒判断出正确的步骤；不计步骤切换前后时为 {calm} 秒。",
    )


def _verdicts(report: TemporalReport) -> list[Words]:
    found, spared = report.compliance.sensitivity, report.compliance.specificity
    lines = [_caught(found), _spared(spared)]
    if report.compliance.undetermined:
        count, clips = report.compliance.undetermined, report.compliance.clips
        lines.append(
            Words(
                en=f"Of {clips} clips it could not judge {count}: too little of the hands was visible.",
                zh=f"{clips} 个片段中有 {count} 个无法判断：双手可见时间不足。",
            )
        )
    return lines


def _caught(rate: Rate) -> Words:
    if rate.value is None:
        return Words(
            en="No judged clip shows a wash that is not compliant, so nobody can say whether it would catch one.",
            zh="可判断的片段中没有不合规的洗手，因此无法判断它能否发现。",
        )
    return Words(
        en=f"Of {_washes(rate.among)} not compliant it catches {rate.hits}{_range(rate).en}.",
        zh=f"{rate.among} 次不合规的洗手中，它发现了 {rate.hits} 次{_range(rate).zh}。",
    )


def _spared(rate: Rate) -> Words:
    if rate.value is None:
        return Words(
            en="No judged clip shows a compliant wash, so nobody can say how many it would wrongly accuse.",
            zh="可判断的片段中没有合规的洗手，因此无法判断它会误判多少。",
        )
    wrong = rate.among - rate.hits
    return Words(
        en=f"Of {_washes(rate.among)} compliant it wrongly accuses {wrong}{_range(rate, turned=True).en}.",
        zh=f"{rate.among} 次合规的洗手中，它误判了 {wrong} 次{_range(rate, turned=True).zh}。",
    )


def _washes(count: int) -> str:
    return f"{count} wash that is" if count == 1 else f"{count} washes that are"


def _range(rate: Rate, *, turned: bool = False) -> Words:
    """Where the share likely lies; of the misses instead of the hits if `turned`."""
    if rate.low is None or rate.high is None:
        return Words(en="", zh="")
    low, high = (1 - rate.high, 1 - rate.low) if turned else (rate.low, rate.high)
    likely = f"{100 * low:.0f} … {100 * high:.0f} %"
    return Words(en=f" (likely {likely})", zh=f"（可能范围 {likely}）")


def signed_points(value: float) -> str:
    """+3.1 or −3.1: a difference of percentages."""
    return f"{value:+.1f}".replace("-", "−")
