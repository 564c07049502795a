"""The compliance report: shifts by the plant's clock, figures that name their clips, tables and pages that stand alone."""

import csv
import io
from datetime import UTC, date, datetime, time
from html.parser import HTMLParser
from zoneinfo import ZoneInfo

import pytest

from libs.common.workflows import Title
from services.console.domain.compliance import ComplianceReport, MeasuredModel, Outcome, Wash, compliance_report
from services.console.domain.shifts import Shift, ShiftPlan
from services.console.report.page import page
from services.console.report.tables import LONGEST_CELL, shifts_csv, washes_csv

SHANGHAI = ShiftPlan(ZoneInfo("Asia/Shanghai"))
THIRD = MeasuredModel("handwash", 3, 0.9, 0.8)
FOURTH = MeasuredModel("handwash", 4, None, None)
TITLES = {"thumb": Title(en="Thumbs", zh="拇指")}
NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)  # 12:00 in Shanghai


def wash(
    clip: str,
    verdict: Outcome = "compliant",
    *missing: str,
    at: datetime = NOON,
    camera: str = "sink-1",
    seconds: float = 40.0,
    model: MeasuredModel = THIRD,
) -> Wash:
    return Wash(clip, camera, at, verdict, missing, seconds, model)


@pytest.mark.parametrize(
    ("moment", "day", "shift"),
    [
        (datetime(2026, 3, 1, 21, 59, tzinfo=UTC), date(2026, 3, 1), 2),  # 05:59 on the 2nd: still the night of the 1st
        (datetime(2026, 3, 1, 22, 0, tzinfo=UTC), date(2026, 3, 2), 0),  # 06:00
        (datetime(2026, 3, 2, 5, 59, 59, tzinfo=UTC), date(2026, 3, 2), 0),
        (datetime(2026, 3, 2, 6, 0, tzinfo=UTC), date(2026, 3, 2), 1),  # 14:00
        (datetime(2026, 3, 2, 14, 0, tzinfo=UTC), date(2026, 3, 2), 2),  # 22:00
        (datetime(2026, 3, 2, 17, 0, tzinfo=UTC), date(2026, 3, 2), 2),  # 01:00 on the 3rd
    ],
)
def test_a_moment_belongs_to_the_shift_of_the_plants_clock(moment: datetime, day: date, shift: int) -> None:
    assert SHANGHAI.place(moment) == (day, shift)


def test_shifts_follow_the_clock_when_it_changes() -> None:
    berlin = ShiftPlan(ZoneInfo("Europe/Berlin"))
    assert berlin.place(datetime(2026, 3, 28, 5, 30, tzinfo=UTC)) == (date(2026, 3, 28), 0)  # 06:30 in winter
    assert berlin.place(datetime(2026, 3, 29, 4, 30, tzinfo=UTC)) == (date(2026, 3, 29), 0)  # 06:30 in summer
    assert berlin.place(datetime(2026, 3, 28, 4, 30, tzinfo=UTC)) == (date(2026, 3, 27), 2)


def test_a_plan_has_shifts_in_their_order() -> None:
    early, late = (Shift(Title(en=name, zh=name), time(hour)) for name, hour in [("early", 6), ("late", 14)])
    with pytest.raises(ValueError, match="shift early must begin after late"):
        ShiftPlan(ZoneInfo("UTC"), (late, early))
    with pytest.raises(ValueError, match="needs a shift"):
        ShiftPlan(ZoneInfo("UTC"), ())
    assert ShiftPlan(ZoneInfo("UTC"), (early,)).place(datetime(2026, 3, 2, 1, tzinfo=UTC)) == (date(2026, 3, 1), 0)


def test_every_figure_names_its_clips() -> None:
    report = compliance_report(
        [
            wash("c", "undetermined", "thumb", seconds=3.0),
            wash("a", seconds=44.0),
            wash("b", "non_compliant", "thumb", "tips", seconds=20.0),
            wash("d", "non_compliant", "thumb", seconds=30.0),
        ],
        SHANGHAI,
    )
    (row,) = report.rows
    assert (row.day, row.shift, row.camera_id, row.figures.washes) == (date(2026, 3, 2), 0, "sink-1", 4)
    figures = row.figures
    assert (figures.compliant, figures.non_compliant, figures.undetermined) == (("a",), ("b", "d"), ("c",))
    assert figures.missing == {"thumb": ("b", "d"), "tips": ("b",)}, "what was not in sight is not missing"
    assert figures.rate == pytest.approx(1 / 3)
    assert figures.median_seconds == 30.0
    assert figures.model.reference == "handwash@3"
    assert report.steps == ("thumb", "tips")


def test_rows_are_by_day_shift_camera_and_model() -> None:
    at = [datetime(2026, 3, day, hour, tzinfo=UTC) for day, hour in [(3, 4), (2, 8), (2, 4)]]
    report = compliance_report(
        [
            wash("a", at=at[0]),
            wash("b", at=at[1]),
            wash("c", at=at[2], camera="sink-2"),
            wash("d", at=at[2], model=FOURTH),
            wash("e", "undetermined", at=at[2]),
        ],
        SHANGHAI,
    )
    found = [(row.day.day, row.shift, row.camera_id, row.figures.model.version) for row in report.rows]
    assert found == [
        (2, 0, "sink-1", 3),
        (2, 0, "sink-1", 4),
        (2, 0, "sink-2", 3),
        (2, 1, "sink-1", 3),
        (3, 0, "sink-1", 3),
    ]
    assert report.rows[0].figures.rate is None, "nothing that could be judged"
    cameras = [(row.camera_id, row.figures.model.version, row.figures.washes) for row in report.cameras]
    assert cameras == [("sink-1", 3, 3), ("sink-1", 4, 1), ("sink-2", 3, 1)]


def test_a_wash_told_twice_counts_once_as_it_was_told_last() -> None:
    report = compliance_report([wash("a", "non_compliant", "thumb"), wash("a"), wash("a", model=FOURTH)], SHANGHAI)
    assert [row.figures.compliant for row in report.rows] == [("a",), ("a",)]
    assert [row.figures.washes for row in report.rows] == [1, 1]


def some() -> ComplianceReport:
    return compliance_report(
        [
            wash("clip-1"),
            wash("clip-2", "non_compliant", "thumb", camera='=HYPERLINK("http://evil")'),
            wash("clip-3", "undetermined", model=FOURTH),
        ],
        SHANGHAI,
    )


def rows_of(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def test_the_table_opens_right_in_a_spreadsheet() -> None:
    data = shifts_csv(some(), TITLES, "zh")
    assert data.startswith(b"\xef\xbb\xbf"), "else Excel shows Chinese as noise"
    assert data.count(b"\r\n") == 4
    rows = rows_of(data)
    assert list(rows[0])[:7] == ["日期", "班次", "摄像机", "洗手次数", "合规", "不合规", "无法判断"]
    evil = next(row for row in rows if "HYPERLINK" in row["摄像机"])
    assert evil["摄像机"] == '\'=HYPERLINK("http://evil")', "text, no formula"
    assert (evil["缺少: 拇指"], evil["片段：不合规"], evil["合规率"]) == ("1", "clip-2", "0.0")
    assert (evil["模型"], evil["模型灵敏度"], evil["模型特异度"]) == ("handwash@3", "0.9", "0.8")
    unknown = next(row for row in rows if row["模型"] == "handwash@4")
    assert (unknown["合规率"], unknown["模型灵敏度"], unknown["片段：无法判断"]) == ("", "", "clip-3")


@pytest.mark.parametrize("start", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1"])
def test_no_text_becomes_a_formula(start: str) -> None:
    report = compliance_report([wash(start, "non_compliant", start, camera=start)], SHANGHAI)
    for data in (shifts_csv(report, {}, "en"), washes_csv(report, {}, "en")):
        (row,) = rows_of(data)
        assert row["Camera"] == f"'{start}"
        assert not any(str(value).startswith(("=", "+", "-", "@", "\t", "\r", "＝")) for value in row.values())


def test_a_cell_holds_no_more_clips_than_a_spreadsheet_can_and_says_how_many_are_left() -> None:
    report = compliance_report([wash(f"{number:036}") for number in range(1000)], SHANGHAI)
    (row,) = rows_of(shifts_csv(report, TITLES, "en"))
    listed = row["Clips: compliant"]
    assert len(listed) < LONGEST_CELL + 20
    assert len(listed.split(" ... +")[0].split()) + int(listed.split("+")[1]) == 1000
    assert len(rows_of(washes_csv(report, TITLES, "en"))) == 1000


def test_the_table_of_washes_has_each_with_its_local_time() -> None:
    rows = rows_of(washes_csv(some(), TITLES, "en"))
    assert [row["Clip"] for row in rows] == ["clip-1", "clip-2", "clip-3"]
    assert rows[1] | {"Camera": ""} == {
        "Clip": "clip-2", "Camera": "", "Time": "2026-03-02 12:00:00+08:00", "Day": "2026-03-02", "Shift": "early",
        "Verdict": "Not compliant", "Seconds": "40.0", "Missing": "Thumbs", "Model": "handwash@3",
    }  # fmt: skip


class Reader(HTMLParser):
    """Gathers what a browser would fetch and what each language reads; checks that elements close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.tags: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href", "data", "action")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def shown(report: ComplianceReport) -> str:
    return page(report, TITLES, title=Title(en="Washing <b>", zh="洗手"), made_at=NOON)


def test_the_page_stands_alone_in_both_languages() -> None:
    text = shown(some())
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    assert reader.fetched == ["#en", "#zh"]
    assert not {"script", "img", "link", "iframe"} & set(reader.tags)
    assert "url(" not in text
    assert text.count('<span class="en"') == text.count('<span class="zh"') > 40
    assert "Washing &lt;b&gt;" in text
    assert "=HYPERLINK(&quot;http://evil&quot;)" in text
    assert '<summary>1</summary><div class="ids">clip-2</div>' in text
    assert '<span class="zh" lang="zh">拇指</span>' in text
    assert "<th>handwash@3</th><td>90 %</td><td>80 %</td>" in text
    assert '<span class="en" lang="en">not measured</span>' in text
    assert "Asia/Shanghai · 2026-03-02 12:00" in text
    assert '<div class="value">50 %<small>handwash@3, handwash@4</small></div>' in text, (
        "one of two that could be judged"
    )
    assert "catches 90 %, spares 80 %" in text


def test_a_page_without_any_wash_says_so() -> None:
    text = shown(compliance_report([], SHANGHAI))
    assert "No wash was judged in this time." in text
    assert "<table>" not in text
    assert len(rows_of(shifts_csv(compliance_report([], SHANGHAI), TITLES, "en"))) == 0
