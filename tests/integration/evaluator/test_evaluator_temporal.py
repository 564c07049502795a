"""Judging clip models, on files, with answers that are known: no servers needed."""

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from evaluator_kit import quiet
from pydantic import TypeAdapter
from temporal_kit import DECODING, GOOD, LABELS, READS, clip, clip_model, six_clips, temporal_assignment

from libs.common.children import Limits
from libs.common.errors import Permanent
from libs.vision.procedures import Procedure, ProcedureStep
from libs.vision.segments import TimedSegment
from services.evaluator.domain.assignment import Champion
from services.evaluator.domain.gate import Rules
from services.evaluator.domain.temporal_assignment import ShippedClipModel, TemporalAssignment
from services.evaluator.domain.words import Words
from services.evaluator.report.temporal.content import SCHEMA, TemporalReport
from services.evaluator.runner.child import judging_child
from services.evaluator.runner.judging import judge

JPEG = b"\xff\xd8\xff\xe0 a strip"


@pytest.fixture
def asked(tmp_path: Path) -> TemporalAssignment:
    return temporal_assignment(tmp_path)


def champion_of(asked: TemporalAssignment, **changes: object) -> Champion[ShippedClipModel]:
    path = clip_model(asked.folder / "champion.onnx", **changes)  # pyright: ignore[reportArgumentType]
    return Champion("handwash", 2, ShippedClipModel("champion", path, "b" * 64, LABELS, DECODING, READS))


def with_clips(asked: TemporalAssignment, *clips: object) -> TemporalAssignment:
    return replace(asked, clips={"test": clips, "val": ()})


def page_of(folder: Path) -> str:
    return (folder / "report.html").read_text(encoding="utf-8")


def test_the_published_example_gives_the_published_numbers(tmp_path: Path) -> None:
    letters = {"0": "none", "1": "a", "2": "b", "3": "c"}
    labels = tuple(letters.values())
    truth, said = "0000111112222233330000", "0001111002222222330000"
    asked = temporal_assignment(tmp_path)
    model = replace(asked.model, path=clip_model(tmp_path / "abc.onnx", labels), classes=labels)
    steps = tuple(ProcedureStep(name, minimum_seconds=0.1) for name in "abc")
    shown = clip(tmp_path, 50, truth, said, letters=letters, rate=10.0)
    found = judge(replace(with_clips(asked, shown), classes=labels, model=model, procedure=Procedure(steps)), quiet)

    assert found.metrics["frame_accuracy"] == pytest.approx(77.27, abs=0.005)
    assert [found.metrics[name] for name in ("edit", "f1_10", "f1_25", "f1_50")] == [100, 100, 100, 100]
    assert found.metrics["over_segmentation"] == 1
    # a: 5 rows, 4 of which are said; said at 3..7 (and 1 too early).
    assert found.per_class["a"]["step_recall"] == pytest.approx(3 / 5)
    assert found.per_class["a"]["step_precision"] == pytest.approx(3 / 4)
    assert found.per_class["a"]["onset_error"] == pytest.approx(0.1)
    assert found.per_class["c"]["seconds_error"] == pytest.approx(0.2)
    assert "none" not in found.per_class


def test_verdicts_are_counted_as_by_hand(asked: TemporalAssignment) -> None:
    found = judge(asked, quiet)

    # Judged: 5 of 6. Truly not compliant among them: clips 2, 3, 4, of which 2 and 4 are caught. Compliant: 0 and 1.
    assert found.metrics["sensitivity"] == pytest.approx(2 / 3)
    assert found.metrics["specificity"] == pytest.approx(1 / 2)
    assert found.metrics["compliance_rate"] == pytest.approx(2 / 5), "clips 0 and 3"
    assert found.metrics["compliance_rate_true"] == pytest.approx(2 / 5)
    assert found.metrics["undetermined"] == 1
    assert found.metrics["order_errors"] == 0
    # The tips: truly missing in 2 and 3, said to be in 1 and 2.
    tips = found.per_class["tips"]
    assert (tips["missing_steps"], tips["missing_steps_true"]) == (2, 2)
    assert (tips["missing_precision"], tips["missing_recall"]) == (0.5, 0.5)
    assert found.per_class["thumb_left"]["missing_steps_true"] == 1, "the clip nobody could judge does not count"
    assert (found.split, found.passed) == ("test", True)
    assert found.operating_confidence == {}
    assert found.reasons == ("not compared with a champion: this workflow has none yet",)


def test_each_camera_is_judged_by_its_own_clips(asked: TemporalAssignment) -> None:
    found = judge(asked, quiet)

    one, two = found.per_camera["sink-1"], found.per_camera["sink-2"]
    assert (one["clips"], two["clips"]) == (3, 3)
    assert one["frame_accuracy"] == pytest.approx(100 * (48 - 4) / 48), "of clip 1 the tips are missed for 4 rows"
    assert (one["sensitivity"], one["specificity"]) == (1.0, 0.5)
    assert (two["sensitivity"], two["specificity"]) == (0.5, None)
    assert (one["undetermined"], two["undetermined"]) == (0, 1)


def test_report_json_follows_its_schema_and_tells_every_clip_worst_first(
    asked: TemporalAssignment, tmp_path: Path
) -> None:
    judge(replace(asked, champion=champion_of(asked, blind_to="tips")), quiet)

    report = TypeAdapter(TemporalReport).validate_json((tmp_path / "report.json").read_bytes())
    assert report.schema == SCHEMA
    assert [int(each.sample_id[-2:]) for each in report.clips[:2]] == [1, 3], "the wrong verdicts"
    assert [each.verdict_right for each in report.clips] == [False, False, None, True, True, True]
    wrong = report.clips[0]
    assert (wrong.truth.verdict, wrong.said.verdict) == ("compliant", "non_compliant")
    assert wrong.said.reasons == (Words("Fingertips is missing", "缺少步骤：指尖"),)
    assert wrong.truth.segments[0].start_seconds == 0.5
    hidden = report.clips[2]
    assert hidden.said.reasons[0].en == "hands were visible for 25 % of the time, at least 50 % are needed to judge"
    asks = report.protocol
    assert (asks.clips, asks.recordings, asks.cameras, asks.seconds, asks.background) == (6, 3, 2, 48.0, "other")
    assert (asks.features, asks.collar_seconds, asks.frames_per_second) == ("hands-1", 0.5, (2.0,))
    rate = report.compliance.sensitivity
    assert (rate.hits, rate.among, rate.low) == (2, 3, None), "three clips are too few for an interval"
    assert report.compliance.rate.low is not None


def test_a_worse_champion_is_beaten_on_the_same_clips(asked: TemporalAssignment, tmp_path: Path) -> None:
    judged = replace(asked, champion=champion_of(asked, blind_to="palms"), rules=Rules(maximum_drop={"f1_50": 0.0}))
    found = judge(judged, quiet)

    assert found.passed
    assert found.champion_metrics is not None
    assert found.comparison is not None
    assert found.champion_metrics["specificity"] == 0
    assert found.comparison["specificity"] == 0.5
    assert found.comparison["f1_50"] == pytest.approx(
        (found.metrics["f1_50"] or 0) - (found.champion_metrics["f1_50"] or 0)
    )
    report = json.loads((tmp_path / "report.json").read_bytes())
    difference = report["champion"]["differences"]["f1_50"]
    assert 0 < difference["low"] <= difference["value"] <= difference["high"]
    assert "It is better than the model that runs now (handwash@2): F1@50 +" in page_of(tmp_path)


def test_a_better_champion_holds_the_model_back_overall_by_camera_and_by_step(
    asked: TemporalAssignment, tmp_path: Path
) -> None:
    blind = replace(asked.model, path=clip_model(tmp_path / "blind.onnx", blind_to="palms"))
    rules = Rules(
        minimum={"f1_50": 90.0},
        per_class_minimum={"palms": {"step_recall": 0.5}},
        maximum_drop={"specificity": 0.1},
        maximum_camera_drop=5.0,
    )
    found = judge(replace(asked, model=blind, champion=champion_of(asked), rules=rules), quiet)

    assert not found.passed
    assert found.reasons[0].startswith("f1_50 ")
    assert found.reasons[0].endswith("is below the minimum 90.00")
    assert found.reasons[1] == "step_recall of palms 0.00 is below the minimum 0.50"
    assert found.reasons[2].startswith("specificity 0.000 is 0.50 below the champion handwash@2 (0.500)")
    assert [reason.split()[3] for reason in found.reasons[3:]] == ["sink-1", "sink-2"]
    page = page_of(tmp_path)
    assert "Palm to palm: it finds 0 % of its time; 83 % is taken for: Other." in page
    assert "掌心相对：只识别出其 0 % 的时间；83 % 被当成“其他”。" in page


def test_a_share_where_per_cent_is_meant_does_not_let_a_model_pass(asked: TemporalAssignment) -> None:
    found = judge(replace(asked, rules=Rules(minimum={"f1_50": 0.6, "sensitivity": 0.5})), quiet)

    assert not found.passed
    assert found.reasons[0] == "the minimum 0.6 of f1_50 is no rule: f1_50 is per cent, write 60"


def test_a_champion_of_other_steps_is_not_compared(asked: TemporalAssignment, tmp_path: Path) -> None:
    labels = (*LABELS, "wrists")
    path = clip_model(tmp_path / "champion.onnx", labels)
    champion = Champion("handwash", 2, ShippedClipModel("champion", path, "b" * 64, labels, DECODING, READS))
    found = judge(replace(asked, champion=champion, rules=Rules(maximum_drop={"f1_50": 0.0})), quiet)

    assert found.passed
    assert found.champion_metrics is None
    assert "it knows the classes other, palms, thumb_left, thumb_right, tips, wrists" in found.reasons[0]


@pytest.mark.parametrize("fault", ["no model", "no features"])
def test_a_champion_that_cannot_be_measured_blocks_rules_about_drops_only(
    asked: TemporalAssignment, tmp_path: Path, fault: str
) -> None:
    champion = champion_of(asked)
    assert isinstance(champion.model, ShippedClipModel)
    if fault == "no model":
        champion.model.path.write_bytes(b"no model")
    else:
        champion = replace(champion, model=replace(champion.model, reads="hands-2"))
    strict = judge(replace(asked, champion=champion, rules=Rules(maximum_camera_drop=1.0)), quiet)
    lax = judge(replace(asked, champion=champion), quiet)

    assert (strict.passed, lax.passed) == (False, True)
    assert "champion handwash@2 could not be measured" in strict.reasons[0]
    assert "could not be measured" in page_of(tmp_path)


def test_one_clip_is_judged_without_intervals(asked: TemporalAssignment, tmp_path: Path) -> None:
    one = with_clips(asked, clip(tmp_path, 60, GOOD, GOOD))
    found = judge(replace(one, champion=champion_of(asked, blind_to="tips")), quiet)

    assert (found.metrics["f1_50"], found.metrics["specificity"], found.metrics["sensitivity"]) == (100, 1, None)
    page = page_of(tmp_path)
    assert "Measured on 1 clip of 1 camera" in page
    assert "too few clips to say whether that is chance" in page
    assert "None: the model made no error on these clips." in page


def test_clips_without_any_step_and_without_any_row_are_no_crash(asked: TemporalAssignment, tmp_path: Path) -> None:
    found = judge(with_clips(asked, clip(tmp_path, 60, "....", "...."), clip(tmp_path, 61, "", "")), quiet)

    assert (found.metrics["frame_accuracy"], found.metrics["edit"], found.metrics["f1_50"]) == (100, 100, 100)
    assert found.metrics["over_segmentation"] is None
    assert found.metrics["sensitivity"] == 1, "nothing was washed, and the model says so"
    assert found.metrics["undetermined"] == 1, "without a row nothing was in sight"
    assert "no clip of this split shows it" in page_of(tmp_path)


def test_val_stands_in_for_an_empty_test_split_and_says_so(asked: TemporalAssignment) -> None:
    found = judge(replace(asked, clips={"test": (), "val": asked.clips["test"]}), quiet)

    assert found.split == "val"
    assert "measured on the validation split: the test split is empty" in found.reasons


def test_a_step_of_the_procedure_that_nobody_taught_the_model_is_told(asked: TemporalAssignment) -> None:
    more = replace(asked.procedure, steps=(*asked.procedure.steps, ProcedureStep("wrists")))
    found = judge(replace(asked, procedure=more), quiet)

    assert found.reasons[0].startswith("the procedure asks for wrists, which this dataset version does not know")
    assert found.metrics["compliance_rate"] == 0
    assert found.per_class["wrists"]["missing_steps"] == 5


def test_what_cannot_be_judged_is_refused_with_what_to_do(asked: TemporalAssignment, tmp_path: Path) -> None:
    with pytest.raises(Permanent, match=r"no clip in its splits test and val.*build again"):
        judge(replace(asked, clips={"test": (), "val": ()}), quiet)
    odd = replace(asked.clips["test"][0], truth=(TimedSegment("wrists", 0, 1),))
    with pytest.raises(Permanent, match=r"marked with \['wrists'\].*correct its segments"):
        judge(with_clips(asked, odd), quiet)
    with pytest.raises(Permanent, match="has no features hands-1, only"):
        judge(with_clips(asked, replace(asked.clips["test"][0], features={})), quiet)
    swapped = replace(asked.clips["test"][0], features={"hands-2": asked.clips["test"][0].features[READS]})
    with pytest.raises(Permanent, match="the model reads hands-2"):
        judge(replace(with_clips(asked, swapped), model=replace(asked.model, reads="hands-2")), quiet)
    with pytest.raises(Permanent, match=r"also has \['tips'\]"):
        judge(replace(asked, model=replace(asked.model, classes=LABELS[:-1])), quiet)
    asked.clips["test"][2].features[READS].write_bytes(b"no features")
    with pytest.raises(Permanent, match=r"00000002.*can't be read"):
        judge(asked, quiet)
    asked.model.path.write_bytes(b"no model")
    with pytest.raises(Permanent, match=r"can't be run"):
        judge(asked, quiet)


class Links(HTMLParser):
    """Gathers whatever a browser would fetch, and checks that every element is closed in order."""

    VOID = frozenset({"meta", "img", "br", "link", "input", "rect", "line", "circle", "path"})

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.tags: set[str] = set()
        self.opened: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href", "data", "action", "srcset")]
        if tag not in self.VOID:
            self.opened.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.opened.pop() == tag


def test_the_page_stands_alone_in_both_languages(asked: TemporalAssignment, tmp_path: Path) -> None:
    strip = tmp_path / "strip.jpg"
    strip.write_bytes(JPEG)
    clips = [replace(each, strip=strip) for each in six_clips(tmp_path)]
    titled = replace(with_clips(asked, *clips), title=Words("<b>Hands</b>", "洗手"), champion=champion_of(asked))
    judge(titled, quiet)

    page = page_of(tmp_path)
    links = Links()
    links.feed(page)
    assert links.opened == []
    assert "script" not in links.tags
    assert {each.split(",")[0] for each in links.fetched} == {"#en", "#zh", "data:image/jpeg;base64"}
    assert page.count("data:image/jpeg;base64,") == 3, "clips 1, 3 and 5 have errors"
    assert "url(" not in page
    assert "&lt;b&gt;Hands&lt;/b&gt;" in page
    assert "Passed: this model may go to the cameras" in page
    assert "通过：该模型可以上线" in page
    assert "Of 3 washes that are not compliant it catches 2." in page
    assert "2 次合规的洗手中，它误判了 1 次。" in page
    assert "Of 6 clips it could not judge 1: too little of the hands was visible." in page
    assert "缺少步骤：指尖" in page
    assert page.count('<span class="en"') == page.count('<span class="zh"') > 100


def test_a_strip_that_is_gone_or_no_picture_is_left_out(asked: TemporalAssignment, tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_bytes(b"<svg onload=alert(1)>")
    one, other = asked.clips["test"][1], asked.clips["test"][3]
    judge(
        with_clips(asked, replace(one, strip=tmp_path / "gone.jpg"), replace(other, strip=tmp_path / "text.jpg")), quiet
    )

    assert "data:image" not in page_of(tmp_path)
    assert page_of(tmp_path).count("<figure>") == 2


async def test_the_child_judges_clips_as_the_function_does(asked: TemporalAssignment) -> None:
    told: list[tuple[str, int, int]] = []
    limits = Limits(memory_bytes=8_000_000_000, seconds=60)
    async with judging_child(lambda *step: told.append(step), limits) as judge_in_child:
        answer = await judge_in_child(asked)

    here = judge(asked, quiet)
    timed = {name: None for name in here.metrics if name.startswith("latency") or name == "times_real_time"}
    assert answer.metrics | timed == here.metrics | timed
    assert (answer.per_class, answer.per_camera, answer.reasons) == (here.per_class, here.per_camera, here.reasons)
    assert ("looking at the clips", 6, 6) in told
