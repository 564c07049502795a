"""The back-end Ultralytics: YOLOv8, YOLO11 and YOLO26. The only file of camloop that touches the AGPL package.

The framework is imported inside functions: its environment has to be set first, and it takes seconds. It must neither
download, nor install, nor report home, nor write outside the output folder
(`tests/ml` runs it with an empty home folder and finds it empty afterwards).
"""

import logging
import math
import os
import shutil
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from services.trainer.training.artifacts import file_entries, metadata_of, sha256_of
from services.trainer.training.checkpoint import CheckpointState, read_checkpoint, require_same_run, write_checkpoint
from services.trainer.training.detector_abi import ABI, finish_onnx
from services.trainer.training.hyperparameters import UltralyticsHyperparameters, parse_hyperparameters
from services.trainer.training.machine import choose_device, cores, find_weights, versions
from services.trainer.training.manifest import Dataset, read_dataset
from services.trainer.training.protocol import BACKENDS, Metrics, Result, Started, TrainingFailed, TrainingSpec
from services.trainer.training.reporter import LogHandler, Reporter
from services.trainer.training.yolo_folder import write_yolo_folder

LICENCE = BACKENDS["ultralytics"].licence
MAX_DETECTIONS = 300
EXPORT_CONFIDENCE = 0.001
"""Low on purpose: the evaluator draws whole precision-recall curves; a camera applies the operating confidence."""
SUPPRESSION_IOU = 0.7
_NOISE = ("print_args", "print_results", "check_file_speeds")
"""Functions of the framework whose log says what ours says better."""
_NO_GIT = SimpleNamespace(root=None, branch=None, commit=None, message=None, origin=None)
_RENAMED = {"image_size", "nominal_batch", "learning_rate", "final_learning_rate", "cosine_schedule"}
_PACKAGES = ("torch", "torchvision", "ultralytics", "onnx", "onnxruntime", "numpy")
_METRIC_NAMES = {
    "metrics/precision(B)": "precision",
    "metrics/recall(B)": "recall",
    "metrics/mAP50(B)": "map50",
    "metrics/mAP50-95(B)": "map50_95",
    "lr/pg0": "learning_rate",
}


@dataclass(frozen=True)
class _Folders:
    """Where a run writes. `work` is the framework's own and is made anew by every process."""

    output: Path

    @property
    def work(self) -> Path:
        return self.output / "work"

    @property
    def run(self) -> Path:
        return self.work / "run"

    @property
    def weights(self) -> Path:
        return self.run / "weights"

    @property
    def checkpoints(self) -> Path:
        return self.output / "checkpoints"


def train(spec: TrainingSpec, reporter: Reporter) -> Result:
    """Train, resume or finish the run that `spec` describes, and export the best epoch as `detector/1`.

    Raises TrainingFailed when the spec, the dataset, the weights or the device do not allow it, GivenBack when asked
    to stop.
    """
    hyper = parse_hyperparameters(UltralyticsHyperparameters, spec.hyperparameters)
    folders = _Folders(spec.output.absolute())
    dataset = read_dataset(spec.dataset, [entry.name for entry in spec.classes])
    base_weights = find_weights(spec.weights_folder, f"{hyper.model}.pt") if hyper.pretrained else None
    resumed = _prepare_folders(spec, hyper, folders)
    reporter.open_log(folders.output / "train.log")
    device = _load_framework(spec, folders, reporter)
    _report_dataset(dataset, reporter)
    run = _Run(spec, hyper, reporter, folders, resumed)
    if resumed is None or not resumed.complete:
        run.train(device, _data_yaml(spec, folders, dataset), base_weights, validates=bool(dataset.val))
    best, onnx = _export(run)
    shutil.copyfile(folders.run / "results.csv", folders.output / "results.csv")
    files = (best, onnx, folders.output / "results.csv")
    metadata = _metadata(run, base_weights, "val" if dataset.val else "train")
    return Result(files=files, metrics=run.final_metrics(), metadata={**metadata, "files": file_entries(files)})


class _Run:
    """One training by the framework, watched through its callbacks."""

    def __init__(
        self,
        spec: TrainingSpec,
        hyper: UltralyticsHyperparameters,
        reporter: Reporter,
        folders: _Folders,
        resumed: CheckpointState | None,
    ) -> None:
        self.spec, self.hyper, self.reporter, self.folders = spec, hyper, reporter, folders
        self.resumed = resumed
        self.best_epoch = resumed.best_epoch if resumed else 0
        self.best_metrics: Metrics = resumed.best_metrics if resumed else {}
        self.last_epoch = resumed.epoch if resumed else 0
        self._epoch_open = False
        self._epoch_seconds: list[float] = []
        self._epoch_started = self._last_word = time.monotonic()

    def train(self, device: str, data: Path, base_weights: Path | None, *, validates: bool) -> None:
        """Run the framework's own loop to the end, or until a callback raises GivenBack."""
        from ultralytics.models.yolo.detect import DetectionTrainer

        arguments = _arguments(self.spec, self.hyper, device=device, data=data, run=self.folders.run)
        if not validates:
            arguments["patience"] = 0
        if self.resumed is not None:
            arguments["model"] = arguments["resume"] = str(self.folders.weights / "last.pt")
        elif base_weights is not None:
            arguments["model"] = str(base_weights)
        trainer = DetectionTrainer(overrides=arguments)
        trainer.progress_string = lambda: ""  # the head of a table whose rows we do not print
        trainer.final_eval = lambda: None  # would validate the best epoch a second time
        for event in ("on_pretrain_routine_end", "on_train_batch_end", "on_val_batch_end"):
            trainer.add_callback(event, self._between_batches)
        trainer.add_callback("on_train_epoch_start", self._on_epoch_start)
        trainer.add_callback("on_fit_epoch_end", self._on_epoch_end)
        trainer.train()

    def final_metrics(self) -> Metrics:
        """The trainer's own numbers for the epoch whose weights ship, and how many epochs there were."""
        return {**self.best_metrics, "best_epoch": self.best_epoch, "epochs": self.last_epoch}

    def _between_batches(self, _caller: Any) -> None:
        self.reporter.raise_if_stopping()
        if time.monotonic() - self._last_word > 30:
            self._last_word = time.monotonic()
            self.reporter.log(
                "info", f"Epoch {self.last_epoch + 1} is running: {self._seconds_in_epoch():.0f} s so far"
            )

    def _seconds_in_epoch(self) -> float:
        return time.monotonic() - self._epoch_started

    def _on_epoch_start(self, _trainer: Any) -> None:
        self._epoch_open, self._epoch_started = True, time.monotonic()

    def _on_epoch_end(self, trainer: Any) -> None:
        if not self._epoch_open:
            return
        self._epoch_open = False
        self._epoch_seconds.append(self._seconds_in_epoch())
        self.last_epoch = trainer.epoch + 1
        metrics = _metrics_of(trainer)
        if trainer.best_fitness == trainer.fitness:
            self.best_epoch, self.best_metrics = self.last_epoch, metrics
        self._report_epoch(trainer, metrics)
        self._save(trainer)
        self._last_word = time.monotonic()

    def _report_epoch(self, trainer: Any, metrics: Metrics) -> None:
        recent = sorted(self._epoch_seconds[-9:])
        remaining = 0 if trainer.stop else trainer.epochs - self.last_epoch
        losses = ", ".join(f"{name} {value:.4g}" for name, value in metrics.items() if name.startswith("train_"))
        self.reporter.log(
            "info",
            f"Epoch {self.last_epoch}/{trainer.epochs}: {losses}, map50 {metrics.get('map50', 0):.3f}, "
            f"map50_95 {metrics.get('map50_95', 0):.3f}, {self._epoch_seconds[-1]:.1f} s",
        )
        eta = recent[len(recent) // 2] * remaining
        self.reporter.progress(self.last_epoch, trainer.epochs, metrics, eta)

    def _save(self, trainer: Any) -> None:
        files = {
            "last.pt": trainer.last,
            "results.csv": trainer.csv,
            "train.log": self.folders.output / "train.log",
        }
        if self.best_epoch != self.last_epoch:
            files["best.pt"] = self._best_without_optimizer(trainer.best)
        path = write_checkpoint(self.folders.checkpoints, self._state(complete=bool(trainer.stop)), files)
        self.reporter.checkpoint(path, self.last_epoch)

    def _best_without_optimizer(self, best: Path) -> Path:
        """A third of the bytes; made once for each best epoch."""
        path = self.folders.weights / f"best-{self.best_epoch}.pt"
        if not path.exists():
            _strip(best, path)
        return path

    def _state(self, *, complete: bool) -> CheckpointState:
        return CheckpointState(
            training_run_id=self.spec.training_run_id,
            backend=self.spec.backend,
            classes=tuple(entry.name for entry in self.spec.classes),
            hyperparameters=self.hyper.model_dump(),
            epoch=self.last_epoch,
            complete=complete,
            best_epoch=self.best_epoch,
            best_metrics=self.best_metrics,
        )


def _metrics_of(trainer: Any) -> Metrics:
    """The epoch's losses, validation metrics and learning rate under plain names; what is not finite is left out."""
    raw = {**trainer.label_loss_items(trainer.tloss), **trainer.metrics, **trainer.lr}
    named = {_METRIC_NAMES.get(name) or str(name).replace("/", "_"): float(value) for name, value in raw.items()}
    return {name: value for name, value in named.items() if math.isfinite(value) and not name.startswith("lr_")}


def _arguments(
    spec: TrainingSpec, hyper: UltralyticsHyperparameters, *, device: str, data: Path, run: Path
) -> dict[str, Any]:
    """Our names in the framework's own. Equal names go through as they are."""
    return {
        **hyper.model_dump(exclude=_RENAMED),
        "task": "detect",
        "mode": "train",
        "model": f"{hyper.model}.yaml",
        "data": str(data),
        "save_dir": str(run),
        "imgsz": hyper.image_size,
        "nbs": hyper.nominal_batch,
        "lr0": hyper.initial_learning_rate(),
        "lrf": hyper.final_learning_rate,
        "cos_lr": hyper.cosine_schedule,
        "freeze": hyper.freeze or None,
        "workers": min(8, cores()) if hyper.workers is None else hyper.workers,
        "cache": hyper.cache if hyper.cache != "none" else False,
        "seed": spec.seed,
        "deterministic": True,
        "device": device,
        "plots": False,
    }


def _prepare_folders(
    spec: TrainingSpec, hyper: UltralyticsHyperparameters, folders: _Folders
) -> CheckpointState | None:
    """Empty the work folder; unpack the checkpoint, if there is one, to where the framework expects its files."""
    shutil.rmtree(folders.work, ignore_errors=True)
    folders.weights.mkdir(parents=True)
    if spec.resume_from is None:
        shutil.rmtree(folders.checkpoints, ignore_errors=True)
        (folders.output / "train.log").unlink(missing_ok=True)
        return None
    state = read_checkpoint(spec.resume_from, folders.weights)
    require_same_run(state, spec, hyper.model_dump())
    if state.best_epoch == state.epoch:
        shutil.copyfile(folders.weights / "last.pt", folders.weights / "best.pt")
    (folders.weights / "results.csv").replace(folders.run / "results.csv")
    (folders.weights / "train.log").replace(folders.output / "train.log")
    return state


def _data_yaml(spec: TrainingSpec, folders: _Folders, dataset: Dataset) -> Path:
    return write_yolo_folder(folders.work / "yolo", dataset, [entry.name for entry in spec.classes])


def _report_dataset(dataset: Dataset, reporter: Reporter) -> None:
    boxes = sum(len(sample.boxes) for sample in dataset.train)
    reporter.log("info", f"Dataset: {len(dataset.train)} train samples ({boxes} boxes), {len(dataset.val)} val samples")
    if dataset.dropped_boxes:
        reporter.log("warning", f"{dataset.dropped_boxes} boxes have no area inside their image and are left out")
    if not dataset.val:
        reporter.log(
            "warning",
            "The val split is empty: the train split stands in for it. The best epoch is chosen on samples the model "
            "was trained on, early stopping is off, and the metrics below are flattering. The test split is not used",
        )


def _load_framework(spec: TrainingSpec, folders: _Folders, reporter: Reporter) -> str:
    """Import torch and ultralytics in a set environment; choose device and threads, and say so."""
    threads = spec.threads or cores()
    _set_environment(folders, threads)
    reporter.raise_if_stopping()
    import torch
    import ultralytics.data.utils as data_utils
    import ultralytics.engine.trainer as engine
    import ultralytics.utils as utils
    import ultralytics.utils.torch_utils as torch_utils

    torch.set_num_threads(threads)
    # select_device() would set cores - 1: one thread on a machine with two cores.
    vars(torch_utils).update(NUM_THREADS=threads)
    # The originals download a model to try it on, ask the network for a font, and put the git remote into weights.
    vars(engine).update(check_amp=_mixed_precision_works, GIT=_NO_GIT)
    vars(data_utils).update(check_font=lambda *_: None)
    utils.SETTINGS.update(dict.fromkeys(("sync", "clearml", "comet", "dvc", "mlflow", "raytune", "wandb"), False))
    utils.LOGGER.setLevel(logging.INFO)  # log records, but no progress bars (YOLO_VERBOSE)
    utils.LOGGER.handlers[:] = [_log_handler(reporter)]
    device = choose_device(spec.device, reporter, gpus=torch.cuda.device_count())
    name = torch.cuda.get_device_name(device) if device != "cpu" else torch_utils.get_cpu_info()
    environment = versions(_PACKAGES) | {"cuda": str(torch.version.cuda or "none")}
    reporter.write(Started(device=device, device_name=name, threads=threads, environment=environment))
    return device


def _set_environment(folders: _Folders, threads: int) -> None:
    os.environ.update(
        {
            "YOLO_CONFIG_DIR": str(folders.work / "config"),
            "MPLCONFIGDIR": str(folders.work / "matplotlib"),
            "YOLO_VERBOSE": "false",
            "YOLO_OFFLINE": "true",
            "YOLO_AUTOINSTALL": "false",
            "ULTRALYTICS_SKIP_REQUIREMENTS_CHECKS": "1",
            "ULTRALYTICS_SAFE_LOAD": "true",  # a weights file must not be able to run code
            "OMP_NUM_THREADS": str(threads),
            # Idle threads must sleep. By default they spin: with one other busy process on two cores a training step
            # took 9.5 s instead of 1.2 s (measured).
            "OMP_WAIT_POLICY": "PASSIVE",
        }
    )
    (folders.work / "config").mkdir(exist_ok=True)


def _log_handler(reporter: Reporter) -> logging.Handler:
    handler = LogHandler(reporter)
    handler.addFilter(lambda record: record.funcName not in _NOISE)
    return handler


def _mixed_precision_works(model: Any) -> bool:
    """On any CUDA GPU but the GTX 16 series and its relatives, where half precision gives NaN."""
    import torch

    device = next(model.parameters()).device
    name = torch.cuda.get_device_name(device).lower() if device.type == "cuda" else ""
    return device.type == "cuda" and not any(
        weak in name for weak in ("1660", "1650", "1630", "t400", "t550", "t600", "t1000", "t1200", "t2000")
    )


def _strip(source: Path, target: Path) -> None:
    from ultralytics.utils.torch_utils import strip_optimizer

    if not strip_optimizer(source, str(target)):
        raise TrainingFailed(f"The weights {source} cannot be read", "Start the run again", permanent=False)


def _export(run: _Run) -> tuple[Path, Path]:
    """Write best.pt and best.onnx into the output folder."""
    from ultralytics import YOLO
    from ultralytics.utils import LOGGER

    run.reporter.raise_if_stopping()
    run.reporter.log("info", f"Exporting epoch {run.best_epoch}, the best of {run.last_epoch}, as {ABI}")
    best, size = run.folders.output / "best.pt", run.hyper.image_size
    _strip(run.folders.weights / "best.pt", best)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer warns of every Python branch
        LOGGER.setLevel(logging.WARNING)
        exported = YOLO(best).export(
            format="onnx",
            opset=17,
            imgsz=size,
            nms=True,
            conf=EXPORT_CONFIDENCE,
            iou=SUPPRESSION_IOU,
            max_det=MAX_DETECTIONS,
            device="cpu",
        )
    path = Path(str(exported))
    facts = {"workflow": run.spec.workflow, "training_run_id": run.spec.training_run_id, "licence": LICENCE}
    finish_onnx(path, height=size, width=size, facts=facts)
    return best, path


def _metadata(run: _Run, base_weights: Path | None, validated_on: str) -> dict[str, Any]:
    size = run.hyper.image_size
    common = metadata_of(run.spec, abi=ABI, licence=LICENCE, reads={"height": size, "width": size})
    base = {"name": base_weights.name, "sha256": sha256_of(base_weights), "licence": LICENCE} if base_weights else None
    return {
        **common,
        **({"base_weights": base} if base else {}),
        "hyperparameters": run.hyper.model_dump(),
        "seed": run.spec.seed,
        "validated_on": validated_on,
        "trainer_metrics": run.final_metrics(),
    }
