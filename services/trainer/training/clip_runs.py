"""What the back-ends that learn from clips share: folders, the measure of an epoch, the table of epochs, the metadata."""

import csv
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from libs.vision.temporal_inference import ABI, frame_labels
from libs.vision.temporal_metrics import LabelledClip, temporal_measures
from services.trainer.training.artifacts import metadata_of
from services.trainer.training.checkpoint import CheckpointState, read_checkpoint, require_same_run
from services.trainer.training.clip_manifest import Clip, ClipDataset
from services.trainer.training.hyperparameters import ClipHyperparameters
from services.trainer.training.protocol import BACKENDS, Metrics, TrainingSpec
from services.trainer.training.reporter import Reporter

RESULTS, LOG = "results.csv", "train.log"
FloatArray = NDArray[np.float64]
_CHOSEN_BY = ("frame_accuracy", "macro_f1", "edit", "f1_50")


@dataclass(frozen=True)
class Folders:
    """Where a run writes. `work` is made anew by every process."""

    output: Path

    @property
    def work(self) -> Path:
        return self.output / "work"

    @property
    def checkpoints(self) -> Path:
        return self.output / "checkpoints"


def prepare_folders(spec: TrainingSpec, hyper: ClipHyperparameters, folders: Folders) -> CheckpointState | None:
    """Empty the work folder and unpack the checkpoint into it, if there is one; log and table go on where it stood.

    Raises TrainingFailed for a checkpoint that is damaged or of another run.
    """
    shutil.rmtree(folders.work, ignore_errors=True)
    folders.work.mkdir(parents=True)
    if spec.resume_from is None:
        shutil.rmtree(folders.checkpoints, ignore_errors=True)
        for name in (RESULTS, LOG):
            (folders.output / name).unlink(missing_ok=True)
        return None
    state = read_checkpoint(spec.resume_from, folders.work)
    require_same_run(state, spec, hyper.model_dump())
    for name in (RESULTS, LOG):
        (folders.work / name).replace(folders.output / name)
    return state


def add_result(folders: Folders, epoch: int, metrics: Metrics) -> None:
    """Append a row to results.csv; the first one writes the names."""
    path = folders.output / RESULTS
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(["epoch", *metrics])
        writer.writerow([epoch, *(f"{value:.6g}" for value in metrics.values())])


@dataclass(frozen=True)
class Judge:
    """Measures posteriors of clips as the evaluator will: decoded, against the labels of the people who saw the clips."""

    labels: tuple[str, ...]
    hyper: ClipHyperparameters

    def metrics(self, clips: Sequence[Clip], posteriors: Sequence[FloatArray]) -> Metrics:
        """Percentages over all these clips; `posteriors` float [T, L] each."""
        pairs = [self._labelled(clip, told) for clip, told in zip(clips, posteriors, strict=True)]
        measured = temporal_measures(pairs, self.labels, background=self.labels[:1] if self.hyper.background else ())
        overlaps = {f"f1_{round(100 * overlap)}": value for overlap, value in measured.f1.items()}
        return {
            "frame_accuracy": measured.frame_accuracy,
            "macro_f1": measured.macro_f1,
            "edit": measured.edit,
            **overlaps,
        }

    def _labelled(self, clip: Clip, posteriors: FloatArray) -> LabelledClip:
        rate = clip.features.frames_per_second
        said = frame_labels(
            posteriors,
            self.labels,
            frames_per_second=rate,
            smooth_seconds=self.hyper.smooth_seconds,
            shortest_seconds=self.hyper.shortest_seconds,
        )
        return LabelledClip(clip.sample_id, [self.labels[index] for index in clip.labels.tolist()], said, rate)


def overall(metrics: Metrics) -> float:
    """The one number an epoch is chosen by: frames and segments count alike."""
    return float(np.mean([metrics[name] for name in _CHOSEN_BY]))


def judge_for(spec: TrainingSpec, hyper: ClipHyperparameters) -> Judge:
    """The judge of this run."""
    return Judge(tuple(entry.name for entry in spec.classes), hyper)


def label_weights(clips: Iterable[Clip], labels: int) -> FloatArray:
    """sqrt(N / (K n)) for each label that occurs n times among N moments, K of them; 0 for one that never does.

    Rare steps count more, but not so much that a handful of moments decides.
    """
    counts = np.sum([np.bincount(clip.labels, minlength=labels) for clip in clips], axis=0).astype(np.float64)
    occur = counts > 0
    weights = np.zeros(labels)
    weights[occur] = np.sqrt(counts.sum() / (occur.sum() * counts[occur]))
    return weights


def report_dataset(dataset: ClipDataset, parts: int, reporter: Reporter) -> str:
    """Log what there is to learn from, and return what is validated on; `parts` as `folds` found them."""
    moments = sum(clip.moments for clip in dataset.train)
    first = dataset.features
    reporter.log(
        "info",
        f"Dataset: {len(dataset.train)} train clips ({moments} moments), {len(dataset.val)} val clips; features "
        f"{first.extractor} {first.extractor_version}, {first.frames_per_second:g} a second, {len(first.names)} columns",
    )
    if dataset.val:
        return "val"
    if parts > 1:
        reporter.log("warning", f"The val split is empty: {parts} parts of train, no recording in two, stand in for it")
        return "folds of train"
    reporter.log(
        "warning",
        "The val split is empty and all train clips are of one recording: the train split stands in for it. The best epoch "
        "is chosen on clips the model was trained on, and the metrics below are flattering. The test split is not used",
    )
    return "train"


def clip_metadata(
    spec: TrainingSpec, hyper: ClipHyperparameters, dataset: ClipDataset, *, metrics: Metrics, validated_on: str
) -> dict[str, Any]:
    """The content of `metadata.json`, but for `files`."""
    first = dataset.features
    reads = {
        "extractor": first.extractor,
        "extractor_version": first.extractor_version,
        "fps": first.frames_per_second,
        "features": list(first.names),
    }
    decoding: Mapping[str, float] = {
        "smooth_seconds": hyper.smooth_seconds,
        "shortest_seconds": hyper.shortest_seconds,
    }
    return {
        **metadata_of(spec, abi=ABI, licence=BACKENDS[spec.backend].licence, reads=reads),
        "decoding": decoding,
        "background": spec.classes[0].name if hyper.background else None,
        "causal": hyper.causal,
        "hyperparameters": hyper.model_dump(),
        "seed": spec.seed,
        "validated_on": validated_on,
        "trainer_metrics": metrics,
    }


def facts_of(spec: TrainingSpec) -> dict[str, str]:
    """What the ONNX file says of its own origin."""
    licence = BACKENDS[spec.backend].licence
    return {"workflow": spec.workflow, "training_run_id": spec.training_run_id, "licence": licence}
