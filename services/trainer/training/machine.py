"""What this machine offers to a training: cores, a device, base weights, the versions a result depends on."""

import math
import os
import platform
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from services.trainer.training.protocol import TrainingFailed
from services.trainer.training.reporter import Reporter

_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def cores() -> int:
    """CPUs this process may use: its affinity, and the quota of its container."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    try:
        quota, period = _QUOTA.read_text().split()
        return max(1, min(allowed, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):  # no quota ("max"), or no cgroups at all
        return allowed


def choose_device(asked: str, reporter: Reporter, *, gpus: int) -> str:
    """`cpu` or `cuda:N`. Says so when a GPU was hoped for; raises TrainingFailed when a certain one was demanded."""
    if asked == "auto" and gpus == 0:
        reporter.log("warning", "No GPU can be used here: training on the CPU, which is many times slower")
        return "cpu"
    if asked.startswith("cuda") and int(asked.removeprefix("cuda:")) >= gpus:
        raise TrainingFailed(
            f"The device {asked} is asked for, and this machine has {gpus} usable GPUs",
            "Ask for 'auto' or 'cpu', or let a machine with that GPU and its driver take the run",
            permanent=False,
        )
    return "cuda:0" if asked == "auto" else asked


def find_weights(folder: Path | None, name: str) -> Path:
    """The file with pretrained weights. Raises TrainingFailed that says where to put it: nothing is ever downloaded."""
    if folder is None:
        raise TrainingFailed(
            f"Pretrained weights {name} are asked for, but no folder of weights is set",
            f"Put {name} into a folder and name it as 'weights_folder' (the trainer's setting TRAINER_WEIGHTS_FOLDER), "
            "or set the hyperparameter pretrained to false",
        )
    path = folder / name
    if not path.is_file():
        raise TrainingFailed(
            f"The pretrained weights {path} do not exist, and camloop downloads none",
            f"Put {name} there, let TRAINER_WEIGHTS_FOLDER name the folder that has it, or set the hyperparameter "
            "pretrained to false",
        )
    return path.absolute()


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Of Python, the platform and the given packages: part of what makes a run repeatable."""
    system = {"python": platform.python_version(), "platform": platform.platform()}
    return system | {name: version(name) for name in packages}
