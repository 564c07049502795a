"""What all formats do alike: a round trip loses nothing, and one bad entry costs one sentence."""

import os
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from libs.vision.boxes import Annotation, Box
from libs.vision.formats.coco import read_coco, write_coco
from libs.vision.formats.csv_file import read_csv, write_csv
from libs.vision.formats.files import decode_text
from libs.vision.formats.items import Exported, ExportItem, FormatError, LabelledImage
from libs.vision.formats.yolo import read_yolo, write_yolo

CLASSES = ["hairnet", "no_hairnet", "发网", "two words"]

Write = Callable[[Iterable[ExportItem], Path], Exported]
Read = Callable[[Path], Iterator[LabelledImage]]


def to_yolo(items: Iterable[ExportItem], folder: Path) -> Exported:
    return write_yolo(items, folder, CLASSES)


def to_coco(items: Iterable[ExportItem], folder: Path) -> Exported:
    return write_coco(items, folder, CLASSES)


FORMATS = pytest.mark.parametrize(
    ("write", "read"), [(to_yolo, read_yolo), (to_coco, read_coco), (write_csv, read_csv)], ids=["yolo", "coco", "csv"]
)


@lru_cache
def picture(width: int, height: int, suffix: str = ".png") -> bytes:
    done, data = cv2.imencode(suffix, np.full((height, width, 3), 90, np.uint8))
    assert done
    return data.tobytes()


def items() -> list[ExportItem]:
    rng = np.random.default_rng(5)
    found: list[ExportItem] = []
    for at, (width, height) in enumerate([(640, 480), (33, 47), (999, 501), (64, 64), (416, 416)]):
        corners = np.sort(rng.random((at * 3, 2, 2)), axis=1) * (width, height)
        boxes: list[Box] = [(x1, y1, x2, y2) for (x1, y1), (x2, y2) in corners.tolist()]
        annotations = tuple(Annotation(CLASSES[each % 4], box) for each, box in enumerate(boxes))
        name = ["empty.png", "发网 二号线.jpg", "with space.png", "a.b.png", "z.webp"][at]
        source = picture(width, height, Path(name).suffix)
        found.append(ExportItem(name, source, width, height, annotations, ["train", "val", "test"][at % 3]))
    whole: Box = (0.0, 0.0, 64.0, 64.0)
    found.append(ExportItem("whole.bmp", picture(64, 64, ".bmp"), 64, 64, (Annotation("hairnet", whole),), "train"))
    return found


@FORMATS
def test_a_round_trip_loses_nothing(tmp_path: Path, write: Write, read: Read):
    given = items()
    exported = write(given, tmp_path / "out")
    assert exported == Exported(images=len(given), boxes=sum(len(each.annotations) for each in given))
    found = {each.path.name: each for each in read(tmp_path / "out")}
    assert sorted(found) == sorted(each.file_name for each in given)
    for item in given:
        back = found[item.file_name]
        assert (back.width, back.height, back.split) == (item.width, item.height, item.split)
        assert (back.problems, back.labelled, back.usable) == ((), True, True)
        assert back.path.read_bytes() == item.source
        assert [each.label for each in back.annotations] == [each.label for each in item.annotations]
        for one, other in zip(back.annotations, item.annotations, strict=True):
            assert one.box == pytest.approx(other.box, abs=1e-9 if read is read_yolo else 1e-12)
            assert read is not read_csv or one.box == other.box


@FORMATS
def test_images_given_as_files_arrive_whole(tmp_path: Path, write: Write, read: Read):
    source = tmp_path / "cache" / "0001"
    source.parent.mkdir()
    source.write_bytes(picture(20, 10))
    write([ExportItem("one.png", source, 20, 10, (), "train")], tmp_path / "out")
    (back,) = read(tmp_path / "out")
    assert back.path.read_bytes() == picture(20, 10)
    assert not back.path.is_symlink()


@FORMATS
@pytest.mark.parametrize("name", ["../evil.png", "/etc/evil.png", "sub/one.png", "..", "", "a\\..\\b.png"])
def test_writers_refuse_names_that_leave_the_folder(tmp_path: Path, write: Write, read: Read, name: str):
    with pytest.raises(FormatError, match="bare file name"):
        write([ExportItem(name, picture(8, 8), 8, 8, (), "train")], tmp_path / "out")
    assert not list(tmp_path.rglob("*.png"))


@FORMATS
def test_writers_refuse_to_overwrite(tmp_path: Path, write: Write, read: Read):
    twice = [ExportItem("one.png", picture(8, 8), 8, 8, (), "train")] * 2
    with pytest.raises(FormatError, match=r"one.*a name of its own"):
        write(twice, tmp_path / "out")
    with pytest.raises(FormatError, match="not empty"):
        write(twice[:1], tmp_path / "out")


@pytest.mark.parametrize("write", [to_yolo, to_coco])
def test_writers_refuse_unknown_labels(tmp_path: Path, write: Write):
    item = ExportItem("one.png", picture(8, 8), 8, 8, (Annotation("glove", (0, 0, 4, 4)),), "train")
    with pytest.raises(FormatError, match="glove"):
        write([item], tmp_path / "out")


def test_yolo_refuses_names_that_would_share_a_label_file(tmp_path: Path):
    pair = [ExportItem(name, picture(8, 8), 8, 8, (), "train") for name in ("one.png", "one.jpg")]
    with pytest.raises(FormatError, match="one"):
        to_yolo(pair, tmp_path / "out")


@FORMATS
def test_a_missing_folder_is_said_at_once(tmp_path: Path, write: Write, read: Read):
    with pytest.raises(FormatError, match=r"no file or folder|no folder"):
        read(tmp_path / "absent")


@FORMATS
def test_one_broken_image_costs_only_itself(tmp_path: Path, write: Write, read: Read):
    write(items(), tmp_path / "out")
    broken = next((tmp_path / "out").rglob("a.b.png"))
    broken.write_bytes(b"\x89PNG\r\n\x1a\n")
    found = list(read(tmp_path / "out"))
    assert [each.usable for each in found].count(False) == 1
    (bad,) = (each for each in found if not each.usable)
    assert "header" in bad.problems[0]
    assert "a.b.png" in bad.problems[0]
    assert len(found) == len(items())


@FORMATS
def test_a_link_that_leads_out_is_refused(tmp_path: Path, write: Write, read: Read):
    (tmp_path / "secret.png").write_bytes(picture(64, 64))
    write(items(), tmp_path / "out")
    victim = next((tmp_path / "out").rglob("a.b.png"))
    victim.unlink()
    os.symlink(tmp_path / "secret.png", victim)
    (bad,) = (each for each in read(tmp_path / "out") if not each.usable)
    assert "outside" in bad.problems[0]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gbk"])
def test_chinese_text_in_its_usual_encodings(encoding: str):
    assert decode_text("发网,安全帽 2号\n".encode(encoding)) == "发网,安全帽 2号\n"


def test_western_text_in_latin_1():
    assert decode_text("Preparação, tête\n".encode("latin-1")) == "Preparação, tête\n"
