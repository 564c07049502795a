"""The compliance report as one page without scripts or links to other servers, in both languages."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from importlib.resources import files
from itertools import groupby
from typing import Literal

from libs.common.workflows import Title
from services.console.domain.compliance import CameraRow, ComplianceReport, Figures, MeasuredModel, ShiftRow
from services.console.report.words import COLUMNS

ABSENT = "–"
LANGUAGES: tuple[Literal["en", "zh"], ...] = ("en", "zh")
REPORT = Title(en="Hand washing: compliance", zh="洗手合规报告")
BY_CAMERA = Title(en="By camera", zh="各摄像机")
BY_SHIFT = Title(en="By day and shift", zh="按日期与班次")
MODELS = Title(en="How right the verdicts are", zh="判定的可信度")
HINT = Title(
    en="The rate is of the washes that could be judged. Click a number to see its clips. Where the model changed, there is a"
    " row for each version.",
    zh="合规率只计可判断的洗手。点击数字可查看对应的视频片段。模型更换时，每个版本各占一行。",
)
MODEL_HINT = Title(
    en="Measured when the version was evaluated: of washes that are truly not compliant, the share it calls so; of compliant"
    " ones, the share it spares. A rate is only as good as these.",
    zh="在评估该版本时测得：实际不合规的洗手中被判为不合规的比例；合规的洗手中未被误判的比例。合规率的可信度取决于这两项。",
)
NO_WASHES = Title(en="No wash was judged in this time.", zh="这段时间内没有已判定的洗手。")
NOT_MEASURED = Title(en="not measured", zh="未测量")


def page(
    report: ComplianceReport,
    titles: Mapping[str, Title],
    *,
    title: Title,
    made_at: datetime,
    first: Literal["en", "zh"] = "en",
) -> str:
    """The page; `titles` are those of steps, `title` is the workflow's, `first` the language shown at first."""
    parts = [_summary(report), *_sections(report, titles)] if report.washes else [f"<section>{_t(NO_WASHES)}</section>"]
    style = (files("services.console.report") / "page.css").read_text(encoding="utf-8")
    local = made_at.astimezone(report.plan.zone)
    return f"""<!doctype html>
<html lang="{first}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{escape(title.en)} · {escape(title.zh)} · {local:%Y-%m-%d}</title>
<style>
{style}
</style>
</head>
<body>
<i id="en"></i><i id="zh"></i>
<div class="page first-{first}">
<div class="bar"><span>camloop · {_t(REPORT)}</span><nav><a href="#en" lang="en">English</a><a href="#zh" lang="zh">中文</a></nav></div>
<h1>{_t(title)}</h1>
<p class="under">{_period(report)} · {_shifts(report)} · {escape(str(report.plan.zone))} · {local:%Y-%m-%d %H:%M}</p>
{"".join(parts)}
</div>
</body>
</html>
"""


def _period(report: ComplianceReport) -> str:
    if not report.rows:
        return ABSENT
    first, last = report.rows[0].day, report.rows[-1].day
    return first.isoformat() if first == last else f"{first.isoformat()} – {last.isoformat()}"


def _shifts(report: ComplianceReport) -> str:
    return ", ".join(f"{_t(shift.title)} {shift.begins:%H:%M}" for shift in report.plan.shifts)


def _summary(report: ComplianceReport) -> str:
    good, bad, hidden = (
        sum(len(clips) for clips in each)
        for each in zip(
            *((r.figures.compliant, r.figures.non_compliant, r.figures.undetermined) for r in report.cameras),
            strict=True,
        )
    )
    rate = good / (good + bad) if good + bad else None
    models = ", ".join(model.reference for model in _models_of(report.cameras))
    tiles = [
        _tile(COLUMNS["washes"], str(good + bad + hidden)),
        _tile(COLUMNS["rate"], f"{_percent(rate)}<small>{escape(models)}</small>"),
        _tile(COLUMNS["compliant"], str(good)),
        _tile(COLUMNS["non_compliant"], str(bad)),
        _tile(COLUMNS["undetermined"], str(hidden)),
    ]
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _tile(name: Title, value: str) -> str:
    return f'<div class="tile"><div class="name">{_t(name)}</div><div class="value">{value}</div></div>'


def _sections(report: ComplianceReport, titles: Mapping[str, Title]) -> list[str]:
    steps = report.steps
    head = _figure_heads(steps, titles)
    cameras = _rows(
        (f"<th>{escape(row.camera_id)}</th>{_cells(row.figures, steps)}" for row in report.cameras),
    )
    return [
        _section(BY_CAMERA, HINT, _table(f"<th>{_t(COLUMNS['camera'])}</th>{head}", cameras)),
        _section(BY_SHIFT, None, _by_shift(report, head)),
        _section(MODELS, MODEL_HINT, _models(report.cameras)),
    ]


def _section(name: Title, hint: Title | None, content: str) -> str:
    told = f'<p class="hint">{_t(hint)}</p>' if hint else ""
    return f"<section><h2>{_t(name)}</h2>{told}{content}</section>"


def _by_shift(report: ComplianceReport, head: str) -> str:
    names = "".join(f'<th class="left">{_t(COLUMNS[name])}</th>' for name in ("day", "shift", "camera"))
    rows: list[str] = []
    for day, of_day in groupby(report.rows, key=lambda row: row.day):
        for number, row in enumerate(of_day):
            shown = day.isoformat() if number == 0 else ""
            rows.append(f"<th>{shown}</th>{_shift_cells(row, report)}")
    return _table(names + head, _rows(rows))


def _shift_cells(row: ShiftRow, report: ComplianceReport) -> str:
    shift = report.plan.shifts[row.shift]
    figures = _cells(row.figures, report.steps)
    return f'<td class="left">{_t(shift.title)}</td><td class="left">{escape(row.camera_id)}</td>{figures}'


def _figure_heads(steps: Sequence[str], titles: Mapping[str, Title]) -> str:
    counted = ("washes", "rate", "compliant", "non_compliant", "undetermined", "median_seconds")
    heads = [f"<th>{_t(COLUMNS[name])}</th>" for name in counted]
    heads += [f"<th>{_t(COLUMNS['missing'])}<br>{_t(titles.get(step, Title(en=step, zh=step)))}</th>" for step in steps]
    return "".join([*heads, f"<th>{_t(COLUMNS['model'])}</th>"])


def _cells(figures: Figures, steps: Sequence[str]) -> str:
    seconds = ABSENT if figures.median_seconds is None else f"{figures.median_seconds:.1f}"
    cells = [
        str(figures.washes),
        f"{_meter(figures.rate)}{_percent(figures.rate)}",
        *(_clips(clips) for clips in (figures.compliant, figures.non_compliant, figures.undetermined)),
        seconds,
        *(_clips(figures.missing.get(step, ())) for step in steps),
        _judged_by(figures.model),
    ]
    return "".join(f"<td>{cell}</td>" for cell in cells)


def _judged_by(model: MeasuredModel) -> str:
    """The version, and below it how right it is."""
    if model.sensitivity is None and model.specificity is None:
        error = _t(NOT_MEASURED)
    else:
        shares = _percent(model.sensitivity), _percent(model.specificity)
        error = _t(Title(en="catches {}, spares {}".format(*shares), zh="灵敏度 {}，特异度 {}".format(*shares)))
    return f"{escape(model.reference)}<small>{error}</small>"


def _clips(clips: Sequence[str]) -> str:
    """The number, and behind it the ids."""
    if not clips:
        return "0"
    listed = "<br>".join(escape(clip) for clip in clips)
    return f'<details><summary>{len(clips)}</summary><div class="ids">{listed}</div></details>'


def _models(rows: Iterable[CameraRow]) -> str:
    head = "".join(f"<th>{_t(COLUMNS[name])}</th>" for name in ("model", "sensitivity", "specificity"))
    return _table(head, _rows(_model_cells(model) for model in _models_of(rows)))


def _models_of(rows: Iterable[CameraRow]) -> list[MeasuredModel]:
    return sorted({row.figures.model for row in rows}, key=lambda model: model.order)


def _model_cells(model: MeasuredModel) -> str:
    shares = (model.sensitivity, model.specificity)
    cells = "".join(f"<td>{_t(NOT_MEASURED) if share is None else _percent(share)}</td>" for share in shares)
    return f"<th>{escape(model.reference)}</th>{cells}"


def _table(head: str, rows: str) -> str:
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _rows(rows: Iterable[str]) -> str:
    return "\n".join(f"<tr>{row}</tr>" for row in rows)


def _meter(share: float | None) -> str:
    return f'<span class="meter" aria-hidden="true"><i style="width:{100 * (share or 0):.0f}%"></i></span>'


def _percent(share: float | None) -> str:
    return ABSENT if share is None else f"{100 * share:.0f} %"


def _t(title: Title) -> str:
    """The words in both languages; the style shows one."""
    words = {"en": title.en, "zh": title.zh}
    return "".join(f'<span class="{each}" lang="{each}">{escape(words[each])}</span>' for each in LANGUAGES)
