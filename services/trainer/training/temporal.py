"""The back-end `temporal`: small networks that tell the steps of a procedure apart, moment by moment (PyTorch).

One or several networks (`members`) learn on their own; their mean is the model. Without a val split each holds out another
part of the train clips to choose its epoch on, never with a recording on both sides, so several members waste nothing.
"""

import os
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from services.trainer.training.artifacts import file_entries
from services.trainer.training.checkpoint import CheckpointState, write_checkpoint
from services.trainer.training.clip_manifest import Clip, ClipDataset, folds, read_clips
from services.trainer.training.clip_runs import (
    LOG,
    RESULTS,
    Folders,
    add_result,
    clip_metadata,
    facts_of,
    judge_for,
    prepare_folders,
    report_dataset,
)
from services.trainer.training.hyperparameters import TemporalHyperparameters, parse_hyperparameters
from services.trainer.training.machine import choose_device, versions
from services.trainer.training.protocol import Metrics, Result, Started, TrainingSpec
from services.trainer.training.reporter import Reporter
from services.trainer.training.temporal_abi import largest_difference, write_onnx

if TYPE_CHECKING:
    from services.trainer.training.temporal_learning import Given, Member
    from services.trainer.training.temporal_networks import TemporalNet

MOST_FOLDS = 5
THREADS = 1
"""Networks this small wait longer for their threads than they gain: measured on two cores with clips of 200 to 6,000 moments,
one thread takes a step in 0.45 to 0.62 (mstcn), 0.05 to 0.1 (bilstm) and 0.45 to 1.1 (transformer) of the time of two."""
_PACKAGES = ("torch", "onnx", "onnxruntime", "numpy")


def train(spec: TrainingSpec, reporter: Reporter) -> Result:
    """Train, resume or finish the run that `spec` describes, and export its best epochs as `temporal/1`.

    Raises TrainingFailed when the spec, the dataset or the device do not allow it, GivenBack when asked to stop.
    """
    hyper = parse_hyperparameters(TemporalHyperparameters, spec.hyperparameters)
    folders = Folders(spec.output.absolute())
    dataset = read_clips(spec.dataset, [entry.name for entry in spec.classes], extractor=hyper.extractor)
    resumed = prepare_folders(spec, hyper, folders)
    reporter.open_log(folders.output / LOG)
    for note in spec.notes:
        reporter.log("info", note)
    device = _load_framework(spec, reporter)
    run = _Run(spec, hyper, reporter, folders, dataset, device)
    if resumed is not None:
        run.restore(resumed)
    run.train()
    return run.finish()


class _Run:
    """One training: its members, epoch by epoch."""

    def __init__(
        self,
        spec: TrainingSpec,
        hyper: TemporalHyperparameters,
        reporter: Reporter,
        folders: Folders,
        dataset: ClipDataset,
        device: str,
    ) -> None:
        self.spec, self.hyper, self.reporter, self.folders, self.dataset = spec, hyper, reporter, folders, dataset
        self.device, self.judge = device, judge_for(spec, hyper)
        self.parts = folds(dataset.train, MOST_FOLDS)
        self.validated_on = report_dataset(dataset, len(self.parts), reporter)
        self.members = self._new_members()
        self.epoch, self.complete = 0, False
        self._seconds: list[float] = []
        self._last_word = time.monotonic()

    def _new_members(self) -> "list[Member]":
        from services.trainer.training.temporal_learning import Member, common_reader, given

        train, val = given(self.dataset.train, self.device), given(self.dataset.val, self.device)
        reader = common_reader(train, self.hyper.components, self.device)
        return [
            Member(number, self.spec.seed, self.hyper, reader, *self._shares(number, train, val), self.judge)
            for number in range(self.hyper.members)
        ]

    def _shares(self, number: int, train: "list[Given]", val: "list[Given]") -> "tuple[list[Given], list[Given]]":
        """What this member learns from and what it is measured on."""
        if val:
            return train, val
        held_out = self._held_out(number)
        learns = [each for each in train if each.clip.sample_id not in held_out]
        watches = [each for each in train if each.clip.sample_id in held_out]
        return (learns, watches) if learns and watches else (train, train)

    def _held_out(self, number: int) -> set[str]:
        if self.validated_on != "folds of train":
            return set()
        return {self.dataset.train[place].sample_id for place in self.parts[number % len(self.parts)]}

    def restore(self, state: CheckpointState) -> None:
        """Go on where a checkpoint, unpacked into the work folder, stood."""
        from services.trainer.training.temporal_learning import load_weights

        kept = load_weights(self.folders.work / "last.pt", self.device)
        for member, stored in zip(self.members, kept["members"], strict=True):
            member.restore(stored)
        self.epoch, self.complete = state.epoch, state.complete

    def train(self) -> None:
        """Epoch by epoch to the last, or until none of the members has become better for long enough."""
        while not self.complete:
            began = time.monotonic()
            metrics = self._learn_and_measure(self.epoch + 1)
            self.epoch += 1
            waited = self.epoch - max(member.best_epoch for member in self.members)
            self.complete = self.epoch >= self.hyper.epochs or 0 < self.hyper.patience <= waited
            self._seconds.append(time.monotonic() - began)
            self._report(metrics)
            self._save()

    def _learn_and_measure(self, epoch: int) -> Metrics:
        """Mean over the members of their loss and their metrics."""
        told: list[Metrics] = []
        for member in self.members:
            loss = member.learn(epoch, self._between_steps)
            told.append({"train_loss": loss, **member.measure(epoch)})
        return {name: float(np.mean([each[name] for each in told])) for name in told[0]}

    def _between_steps(self) -> None:
        self.reporter.raise_if_stopping()
        if time.monotonic() - self._last_word > 30:
            self._last_word = time.monotonic()
            self.reporter.log("info", f"Epoch {self.epoch + 1} is running")

    def _report(self, metrics: Metrics) -> None:
        add_result(self.folders, self.epoch, metrics)
        self.reporter.log(
            "info",
            f"Epoch {self.epoch}/{self.hyper.epochs}: train_loss {metrics['train_loss']:.4g}, frame_accuracy "
            f"{metrics['frame_accuracy']:.1f}, macro_f1 {metrics['macro_f1']:.1f}, edit {metrics['edit']:.1f}, "
            f"f1_50 {metrics['f1_50']:.1f}, {self._seconds[-1]:.1f} s",
        )
        remaining = 0 if self.complete else self.hyper.epochs - self.epoch
        eta = float(np.median(self._seconds[-9:])) * remaining
        self.reporter.progress(self.epoch, self.hyper.epochs, metrics, eta)
        self._last_word = time.monotonic()

    def _save(self) -> None:
        from services.trainer.training.temporal_learning import save_weights

        weights = self.folders.work / "last.pt"
        save_weights(weights, {"members": [member.state() for member in self.members]})
        files = {"last.pt": weights, RESULTS: self.folders.output / RESULTS, LOG: self.folders.output / LOG}
        self.reporter.checkpoint(write_checkpoint(self.folders.checkpoints, self._state(), files), self.epoch)

    def _state(self) -> CheckpointState:
        best = [member.best_metrics for member in self.members]
        return CheckpointState(
            training_run_id=self.spec.training_run_id,
            backend=self.spec.backend,
            classes=self.judge.labels,
            hyperparameters=self.hyper.model_dump(),
            epoch=self.epoch,
            complete=self.complete,
            best_epoch=self._best_epoch(),
            best_metrics={name: float(np.mean([each[name] for each in best])) for name in best[0]},
        )

    def _best_epoch(self) -> int:
        """The last epoch of which weights ship: each member has a best one of its own."""
        return max(member.best_epoch for member in self.members)

    def finish(self) -> Result:
        """Export the members as they were at their best, prove the export, and say what is known of them."""
        self.reporter.raise_if_stopping()
        epochs = ", ".join(str(member.best_epoch) for member in self.members)
        self.reporter.log("info", f"Exporting epoch {epochs}, the best of {self.epoch}, as temporal/1")
        metrics = {**self._final_metrics(), "best_epoch": self._best_epoch(), "epochs": self.epoch}
        best, exported, difference = self._export()
        files = (best, exported, self.folders.output / RESULTS)
        metadata = clip_metadata(self.spec, self.hyper, self.dataset, metrics=metrics, validated_on=self.validated_on)
        metadata |= {"export_difference": difference, "files": file_entries(files)}
        return Result(files=files, metrics=metrics, metadata=metadata)

    def _net(self, members: "list[Member]") -> "TemporalNet":
        from services.trainer.training.temporal_networks import TemporalNet

        return TemporalNet(self.members[0].reader, [member.best_net() for member in members])

    def _final_metrics(self) -> Metrics:
        """Of what ships, on val; without val of each train clip by the members that have not learned from it."""
        from services.trainer.training.temporal_learning import posteriors

        watched = {each.clip.sample_id: each for member in self.members for each in member.watches}
        clips: list[Clip] = []
        told: list[Any] = []
        for name, each in sorted(watched.items()):
            fair = [m for m in self.members if any(other.clip.sample_id == name for other in m.watches)]
            clips.append(each.clip)
            told += posteriors(self._net(fair), [each])
        return self.judge.metrics(clips, told)

    def _export(self) -> tuple[Path, Path, float]:
        """best.pt, best.onnx, and how far their posteriors differ at most."""
        from services.trainer.training.temporal_learning import posteriors_of, save_weights, traced

        net = self._net(self.members).cpu().eval()
        best, path = self.folders.output / "best.pt", self.folders.output / "best.onnx"
        save_weights(best, {"state": net.state_dict(), "hyperparameters": self.hyper.model_dump()})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the tracer warns of every shape that is read, and of its own age
            model = traced(net, path)
        columns, labels = len(self.dataset.features.names), len(self.judge.labels)
        write_onnx(path, model, columns=columns, labels=labels, facts=facts_of(self.spec))
        clips = [clip.features for clip in (*self.dataset.val, *self.dataset.train)][:3]
        difference = largest_difference(path, self.judge.labels, clips, lambda each: posteriors_of(net, each))
        self.reporter.log("info", f"best.onnx says what best.pt says: posteriors differ by {difference:.1g} at most")
        return best, path, difference


def _load_framework(spec: TrainingSpec, reporter: Reporter) -> str:
    """Import torch in a set environment; choose device and threads, and say so."""
    threads = spec.threads or THREADS
    # Idle threads must sleep: those that spin take the cores from whatever else runs there.
    os.environ.update({"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"})
    reporter.raise_if_stopping()
    import torch

    torch.set_num_threads(threads)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    device = choose_device(spec.device, reporter, gpus=torch.cuda.device_count())
    name = torch.cuda.get_device_name(device) if device != "cpu" else "CPU"
    environment = versions(_PACKAGES) | {"cuda": str(torch.version.cuda or "none")}
    reporter.write(Started(device=device, device_name=name, threads=threads, environment=environment))
    return device
