"""A clip model without training whose answers are known: its features already say what it will answer."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import numpy as np
import onnx
from evaluator_kit import NOON, lineage
from onnx import TensorProto, helper, numpy_helper

from libs.vision.features import Features, to_bytes
from libs.vision.procedures import Procedure, ProcedureStep
from libs.vision.segments import segments_of, timed
from services.evaluator.domain.gate import Rules
from services.evaluator.domain.temporal_assignment import Clip, Decoding, ShippedClipModel, TemporalAssignment
from services.evaluator.domain.words import Words

LABELS = ("other", "palms", "thumb_left", "thumb_right", "tips")
LETTERS = dict(zip(".plrt", LABELS, strict=True))
RATE = 2.0
READS = "hands-1"
TITLES = {
    "other": Words("Other", "其他"),
    "palms": Words("Palm to palm", "掌心相对"),
    "thumb_left": Words("Thumb (left)", "拇指（左）"),
    "thumb_right": Words("Thumb (right)", "拇指（右）"),
    "tips": Words("Fingertips", "指尖"),
}
# Palms for 2 s, either thumb for 1 s, then the tips for 1 s, 5 s in all, in this order.
PROCEDURE = Procedure(
    steps=(
        ProcedureStep("palms", {"en": "Palm to palm", "zh": "掌心相对"}, minimum_seconds=2.0, order=1),
        ProcedureStep(
            "thumb", {"en": "Thumbs", "zh": "拇指"}, order=2, labels=("thumb_left", "thumb_right"), each_side=True
        ),
        ProcedureStep("tips", {"en": "Fingertips", "zh": "指尖"}, order=3),
    ),
    minimum_seconds=5.0,
    ordered=True,
    minimum_visible=0.5,
)
GOOD = ".pppplllrrrtttt."  # 7 s of steps, in order
DECODING = Decoding(smooth_seconds=0.0, shortest_seconds=0.0)


def clip_model(path: Path, labels: Sequence[str] = LABELS, *, blind_to: str | None = None) -> Path:
    """Write an ONNX file with the signature temporal/1 that answers its features; `blind_to` becomes the background."""
    weights = np.eye(len(labels), dtype=np.float32)
    if blind_to is not None:
        at = list(labels).index(blind_to)
        weights[at] = weights[0]
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["features", "weights"], ["posteriors"])],
        "answers",
        [
            helper.make_tensor_value_info("features", TensorProto.FLOAT, [1, "T", len(labels)]),
            helper.make_tensor_value_info("visible", TensorProto.FLOAT, [1, "T"]),
        ],
        [helper.make_tensor_value_info("posteriors", TensorProto.FLOAT, [1, "T", len(labels)])],
        [numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def clip(
    folder: Path,
    number: int,
    truth: str,
    said: str,
    *,
    camera: str = "sink-1",
    visible: float = 1.0,
    letters: dict[str, str] = LETTERS,
    rate: float = RATE,
) -> Clip:
    """A clip of which people say `truth` and the model `said`: a letter a row (see `LETTERS`)."""
    labels = list(letters.values())
    rows = [labels.index(letters[letter]) for letter in said]
    features = Features(
        values=np.eye(len(labels), dtype=np.float32)[rows].reshape(len(rows), len(labels)),
        visible=np.full(len(rows), visible, np.float32),
        frames_per_second=rate,
        extractor="hands",
        extractor_version="1",
        names=tuple(labels),
    )
    path = folder / f"{number}.npz"
    path.write_bytes(to_bytes(features))
    marked = timed(segments_of([letters[each] for each in truth]), frames_per_second=rate, background=labels[0])
    return Clip(
        sample_id=UUID(int=number),
        camera_id=camera,
        captured_at=NOON,
        recording=f"recording-{number // 2}",
        features={READS: path},
        uri=f"s3://camloop/clips/{number}.mp4",
        seconds=len(said) / rate,
        truth=marked,
    )


def six_clips(folder: Path) -> tuple[Clip, ...]:
    """Truly 2 compliant and 4 not. Of the latter 2 are caught, 1 is missed, 1 can't be judged; 1 of the former is accused."""
    no_tips, no_thumbs = ".pppplllrrr.....", ".pppppppppptttt."
    return (
        clip(folder, 0, GOOD, GOOD),
        clip(folder, 1, GOOD, no_tips),
        clip(folder, 2, no_tips, no_tips),
        clip(folder, 3, no_tips, GOOD, camera="sink-2"),
        clip(folder, 4, no_thumbs, no_thumbs, camera="sink-2"),
        clip(folder, 5, no_thumbs, GOOD, camera="sink-2", visible=0.25),
    )


def temporal_assignment(folder: Path) -> TemporalAssignment:
    """The six clips as test, one good one as val, no champion, no rules."""
    return TemporalAssignment(
        workflow="handwash",
        title=Words("Hand washing", "洗手"),
        class_titles=TITLES,
        classes=LABELS,
        rules=Rules(),
        model=ShippedClipModel("run", clip_model(folder / "best.onnx"), "a" * 64, LABELS, DECODING, READS),
        champion=None,
        lineage=replace(lineage(), backend="temporal", licence="Apache-2.0", split_counts={"test": 6, "val": 1}),
        folder=folder,
        threads=1,
        language="en",
        gallery=12,
        evaluated_at=NOON,
        procedure=PROCEDURE,
        clips={"test": six_clips(folder), "val": (clip(folder, 100, GOOD, GOOD),)},
    )
