"""The judging itself, on files, with a detector whose answers are known: no servers needed."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from evaluator_kit import CLASSES, colour_detector, picture, quiet
from pydantic import TypeAdapter

from libs.common.errors import Permanent
from services.evaluator.domain.assignment import Champion
from services.evaluator.domain.detection_assignment import DetectionAssignment, ShippedDetector
from services.evaluator.domain.gate import Rules
from services.evaluator.domain.words import Words
from services.evaluator.report.detection.content import SCHEMA, DetectionReport
from services.evaluator.runner.judging import judge


def champion_of(assignment: DetectionAssignment, **changes: object) -> Champion[ShippedDetector]:
    path = colour_detector(assignment.folder / "champion.onnx", CLASSES, **changes)  # pyright: ignore[reportArgumentType]
    return Champion("colours", 2, ShippedDetector("champion", path, "b" * 64, CLASSES, {"red": 0.45, "blue": 0.45}))


def test_known_detections_give_the_metrics_worked_out_by_hand(assignment: DetectionAssignment) -> None:
    found = judge(assignment, quiet)

    # red: 3 said, all right, 4 marked. AP = 76 of 101 recall points (0 ... 0.75) at precision 1.
    # blue: 3 said (all 0.9, so one threshold), 2 right in the order right, right, wrong, 2 marked: AP 1.
    assert found.per_class["red"]["map50"] == pytest.approx(76 / 101)
    assert found.per_class["blue"]["map50"] == pytest.approx(1.0)
    assert found.metrics["map50"] == pytest.approx((76 / 101 + 1) / 2)
    assert found.metrics["map50_95"] == pytest.approx((76 / 101 + 1) / 2), "boxes are exact to the pixel"
    assert (found.metrics["precision"], found.metrics["recall"]) == pytest.approx((5 / 6, 5 / 6))
    assert (found.metrics["images"], found.metrics["annotations"]) == (4, 6)
    assert found.per_camera["line-1"]["f1"] == 1
    assert found.per_camera["line-2"]["f1"] == pytest.approx(2 * 2 / (3 + 3))
    assert (found.split, found.passed) == ("test", True)
    assert found.operating_confidence == pytest.approx({"red": 0.45, "blue": 0.45})
    assert found.reasons == ("not compared with a champion: this workflow has none yet",)


def test_val_chooses_the_working_confidence_not_test(assignment: DetectionAssignment, tmp_path: Path) -> None:
    # Every detection has confidence 0.6. In test blue is found, so test would choose 0.3; in val blue is never where
    # it is marked, so nothing speaks for any confidence and the default stays.
    red, blue, elsewhere = (10, 10, 40, 50), (50, 20, 90, 60), (60, 70, 90, 95)
    drawn = {"red": red, "blue": elsewhere}
    val = tuple(picture(tmp_path, 40 + at, drawn, {"red": red, "blue": blue}) for at in range(2))
    colour_detector(tmp_path / "best.onnx", CLASSES, confidence=0.6)
    found = judge(replace(assignment, pictures={"test": assignment.pictures["test"], "val": val}), quiet)

    assert found.operating_confidence == pytest.approx({"red": 0.3, "blue": 0.5})


def test_a_class_that_val_does_not_show_gets_its_working_confidence_from_test_and_the_report_says_so(
    assignment: DetectionAssignment, tmp_path: Path
) -> None:
    red = (10, 10, 40, 50)
    only_red = (picture(tmp_path, 30, {"red": red}, {"red": red}),)
    found = judge(replace(assignment, pictures={"test": assignment.pictures["test"], "val": only_red}), quiet)

    assert any("blue was chosen on the test split" in reason for reason in found.reasons)
    report = json.loads((tmp_path / "report.json").read_bytes())
    assert report["protocol"]["operating_confidence_from"] == "val"


def test_val_stands_in_for_an_empty_test_split_and_says_so(assignment: DetectionAssignment) -> None:
    found = judge(replace(assignment, pictures={"test": (), "val": assignment.pictures["val"]}), quiet)

    assert found.split == "val"
    assert "measured on the validation split: the test split is empty" in found.reasons


def test_a_dataset_version_without_evaluation_pictures_is_refused_with_what_to_do(
    assignment: DetectionAssignment,
) -> None:
    with pytest.raises(Permanent, match=r"splits test and val.*build again"):
        judge(replace(assignment, pictures={"test": (), "val": ()}), quiet)


def test_a_worse_champion_is_beaten_by_the_measured_difference(assignment: DetectionAssignment) -> None:
    champion = champion_of(assignment, blind_to=("red",))
    found = judge(replace(assignment, champion=champion, rules=Rules(maximum_drop={"map50": 0.0})), quiet)

    assert found.champion_metrics is not None
    assert found.comparison is not None
    assert found.champion_metrics["map50"] == pytest.approx(0.5)
    assert found.comparison["map50"] == pytest.approx((76 / 101 + 1) / 2 - 0.5)
    assert found.passed


def test_a_better_champion_holds_the_model_back_overall_and_by_camera(
    assignment: DetectionAssignment, tmp_path: Path
) -> None:
    blind = colour_detector(tmp_path / "blind.onnx", CLASSES, blind_to=("red",))
    rules = Rules(minimum={"map50": 0.6}, maximum_drop={"map50": 0.05}, maximum_camera_drop=0.1)
    judged = replace(
        assignment, model=replace(assignment.model, path=blind), champion=champion_of(assignment), rules=rules
    )
    found = judge(judged, quiet)

    assert not found.passed
    assert found.reasons[0] == "map50 0.50 is below the minimum 0.60"
    assert found.reasons[1] == "map50 0.500 is 0.38 below the champion colours@2 (0.876); 0.05 is allowed"
    assert [reason.split(" is ")[0] for reason in found.reasons[2:]] == [
        "map50 on camera line-1 0.500",
        "map50 on camera line-2 0.500",
    ]


def test_a_champion_with_other_classes_is_not_compared(assignment: DetectionAssignment, tmp_path: Path) -> None:
    path = colour_detector(tmp_path / "champion.onnx", ("red", "blue", "green"))
    champion = Champion("colours", 2, ShippedDetector("champion", path, "b" * 64, ("red", "blue", "green")))
    found = judge(replace(assignment, champion=champion, rules=Rules(maximum_drop={"map50": 0.0})), quiet)

    assert found.passed
    assert found.champion_metrics is None
    assert "it knows the classes red, blue, green, this model red, blue" in found.reasons[0]


def test_a_champion_whose_file_is_broken_blocks_rules_about_drops_only(
    assignment: DetectionAssignment, tmp_path: Path
) -> None:
    (tmp_path / "champion.onnx").write_bytes(b"no model")
    champion = Champion("colours", 2, ShippedDetector("champion", tmp_path / "champion.onnx", "b" * 64, CLASSES))
    strict = judge(replace(assignment, champion=champion, rules=Rules(maximum_drop={"map50": 0.1})), quiet)
    lax = judge(replace(assignment, champion=champion), quiet)

    assert (strict.passed, lax.passed) == (False, True)
    assert "champion colours@2 could not be measured" in strict.reasons[0]


def test_an_artifact_that_cameras_could_not_run_is_refused(assignment: DetectionAssignment, tmp_path: Path) -> None:
    (tmp_path / "best.onnx").write_bytes(b"no model")
    with pytest.raises(Permanent, match=r"can't be run"):
        judge(assignment, quiet)


def test_an_artifact_that_answers_with_unknown_classes_is_refused(
    assignment: DetectionAssignment, tmp_path: Path
) -> None:
    colour_detector(tmp_path / "best.onnx", CLASSES, last_index=7)
    with pytest.raises(Permanent, match="class 7"):
        judge(assignment, quiet)


def test_a_sample_that_cannot_be_decoded_is_named(assignment: DetectionAssignment) -> None:
    broken = assignment.pictures["test"][2]
    broken.path.write_bytes(b"\xff\xd8\xff not a picture")
    with pytest.raises(Permanent, match=str(broken.sample_id)):
        judge(assignment, quiet)


def test_report_json_follows_its_schema_and_names_the_worst_errors(
    assignment: DetectionAssignment, tmp_path: Path
) -> None:
    judge(replace(assignment, champion=champion_of(assignment, shift=30.0)), quiet)

    report = TypeAdapter(DetectionReport).validate_json((tmp_path / "report.json").read_bytes())
    assert report.schema == SCHEMA
    kinds = {(each.mistake.kind, each.mistake.camera_id, each.uri) for each in report.mistakes}
    assert kinds == {
        ("missed", "line-2", "s3://camloop/snapshots/2.png"),
        ("false", "line-2", "s3://camloop/snapshots/3.png"),
    }
    assert report.metrics.confusion.counts == ((3, 0, 1), (0, 2, 0), (0, 1, 0))
    assert report.champion is not None
    assert report.champion.differences["map50"].value == report.metrics.map50


def test_the_page_stands_alone_in_both_languages(assignment: DetectionAssignment, tmp_path: Path) -> None:
    judge(replace(assignment, title=Words("<b>Colours</b>", "颜色"), champion=champion_of(assignment)), quiet)

    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg;base64,") == 2, "the two pictures with errors"
    assert "<script" not in page
    assert "http://" not in page
    assert "https://" not in page
    assert "&lt;b&gt;Colours&lt;/b&gt;" in page
    assert "Passed: this model may go to the cameras" in page
    assert "通过：该模型可以上线" in page
    assert "漏检：红色" in page
    assert "AGPL-3.0" in page


def test_progress_is_told_picture_by_picture(assignment: DetectionAssignment) -> None:
    told: list[tuple[str, int, int]] = []
    judge(assignment, lambda *step: told.append(step))

    assert ("looking at the pictures", 4, 4) in told
    assert ("choosing the working confidence", 1, 4) in told
