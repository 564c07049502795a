"""The back-end `classic`: each moment with its neighbours, judged by a forest or a linear model (scikit-learn).

Trained in seconds, hard to overfit, and a yardstick for the networks. It has one "epoch". Its metrics come from val, or
without one from parts of train that were held out in turns; what ships has learned from all of train.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from services.trainer.training.artifacts import file_entries
from services.trainer.training.checkpoint import CheckpointState, write_checkpoint
from services.trainer.training.classic_learning import Fitted, fit
from services.trainer.training.classic_onnx import composed
from services.trainer.training.clip_manifest import Clip, ClipDataset, folds, read_clips
from services.trainer.training.clip_runs import (
    LOG,
    RESULTS,
    FloatArray,
    Folders,
    add_result,
    clip_metadata,
    facts_of,
    judge_for,
    prepare_folders,
    report_dataset,
)
from services.trainer.training.hyperparameters import ClassicHyperparameters, parse_hyperparameters
from services.trainer.training.machine import cores, versions
from services.trainer.training.protocol import Metrics, Result, Started, TrainingSpec
from services.trainer.training.reporter import Reporter
from services.trainer.training.temporal_abi import largest_difference, write_onnx

MOST_FOLDS = 5
_PACKAGES = ("scikit-learn", "skl2onnx", "onnx", "onnxruntime", "numpy")


def train(spec: TrainingSpec, reporter: Reporter) -> Result:
    """Train or finish the run that `spec` describes, and export it as `temporal/1`.

    Raises TrainingFailed when the spec or the dataset do not allow it, GivenBack when asked to stop.
    """
    hyper = parse_hyperparameters(ClassicHyperparameters, spec.hyperparameters)
    folders = Folders(spec.output.absolute())
    dataset = read_clips(spec.dataset, [entry.name for entry in spec.classes], extractor=hyper.extractor)
    resumed = prepare_folders(spec, hyper, folders)
    reporter.open_log(folders.output / LOG)
    for note in spec.notes:
        reporter.log("info", note)
    threads = spec.threads or cores()
    _start(spec, reporter, threads)
    run = _Run(spec, hyper, reporter, folders, dataset, threads)
    if resumed is None:
        resumed = run.train()
    return run.finish(resumed)


class _Run:
    """One training: measured, fitted, exported and kept as its only checkpoint."""

    def __init__(
        self,
        spec: TrainingSpec,
        hyper: ClassicHyperparameters,
        reporter: Reporter,
        folders: Folders,
        dataset: ClipDataset,
        threads: int,
    ) -> None:
        self.spec, self.hyper, self.reporter, self.folders, self.dataset = spec, hyper, reporter, folders, dataset
        self.threads, self.judge = threads, judge_for(spec, hyper)
        self.parts = folds(dataset.train, MOST_FOLDS)
        self.validated_on = report_dataset(dataset, len(self.parts), reporter)

    def train(self) -> CheckpointState:
        """Measure, fit and export; the checkpoint holds the exported model: a pickle could run code."""
        clips = self.dataset.train
        fitted = self._fit(clips)
        metrics = self._measure(fitted)
        add_result(self.folders, 1, metrics)
        difference = self._export(fitted)
        said = ", ".join(f"{name} {value:.1f}" for name, value in metrics.items())
        self.reporter.log("info", f"Epoch 1/1: {said}; best.onnx differs by {difference:.1g} at most")
        self.reporter.progress(1, 1, metrics, 0.0)
        state = CheckpointState(
            training_run_id=self.spec.training_run_id,
            backend=self.spec.backend,
            classes=self.judge.labels,
            hyperparameters=self.hyper.model_dump(),
            epoch=1,
            complete=True,
            best_epoch=1,
            best_metrics=metrics,
        )
        files = {name: self.folders.output / name for name in (RESULTS, LOG)}
        files["best.onnx"] = self.folders.work / "best.onnx"
        self.reporter.checkpoint(write_checkpoint(self.folders.checkpoints, state, files), 1)
        return state

    def _fit(self, clips: Sequence[Clip]) -> Fitted:
        self.reporter.raise_if_stopping()
        self.reporter.log("info", f"Fitting on {len(clips)} clips")
        labels = len(self.judge.labels)
        return fit(clips, self.hyper, labels=labels, seed=self.spec.seed, threads=self.threads)

    def _measure(self, fitted: Fitted) -> Metrics:
        """On val; without val on each part of train by a model of the others."""
        clips = self.dataset.train
        if self.validated_on != "folds of train":
            watched = self.dataset.val or clips
            return self.judge.metrics(watched, [fitted.posteriors(clip.features) for clip in watched])
        told: dict[int, FloatArray] = {}
        for part in self.parts:
            others = self._fit([clip for place, clip in enumerate(clips) if place not in part])
            told |= {place: others.posteriors(clips[place].features) for place in part}
        return self.judge.metrics(clips, [told[place] for place in range(len(clips))])

    def _export(self, fitted: Fitted) -> float:
        path, labels = self.folders.work / "best.onnx", self.judge.labels
        columns = len(self.dataset.features.names)
        write_onnx(path, composed(fitted, columns), columns=columns, labels=len(labels), facts=facts_of(self.spec))
        clips = [clip.features for clip in (*self.dataset.val, *self.dataset.train)][:3]
        return largest_difference(path, labels, clips, fitted.posteriors)

    def finish(self, state: CheckpointState) -> Result:
        """What ships, and what is known of it."""
        path = self.folders.output / "best.onnx"
        path.write_bytes((self.folders.work / "best.onnx").read_bytes())
        files: tuple[Path, ...] = (path, self.folders.output / RESULTS)
        metrics = {**state.best_metrics, "best_epoch": 1, "epochs": 1}
        metadata = clip_metadata(self.spec, self.hyper, self.dataset, metrics=metrics, validated_on=self.validated_on)
        return Result(files=files, metrics=metrics, metadata={**metadata, "files": file_entries(files)})


def _start(spec: TrainingSpec, reporter: Reporter, threads: int) -> None:
    """Set the environment before scikit-learn is imported, and say what this machine offers."""
    os.environ.update({"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"})
    reporter.raise_if_stopping()
    if spec.device.startswith("cuda"):
        reporter.log("warning", "The back-end classic uses no GPU: training on the CPU")
    reporter.write(Started(device="cpu", device_name="CPU", threads=threads, environment=versions(_PACKAGES)))
