"""Hyper-parameters nobody can train with: one row each, the value and the words of the refusal."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class HyperparameterRow:
    """What was asked, and what the refusal names."""

    name: str
    asked: dict[str, Any]
    told: str


def row(name: str, told: str, **asked: Any) -> HyperparameterRow:
    """One or more values."""
    return HyperparameterRow(name, asked, told)


HYPERPARAMETERS = [
    row("no epochs", "epochs: Input should be greater than or equal to 1", epochs=0),
    row("negative epochs", "epochs: Input should be greater than or equal to 1", epochs=-5),
    row("a million epochs", "epochs: Input should be less than or equal to 3000", epochs=1_000_000),
    row("half an epoch", "epochs: Input should be a valid integer", epochs=1.5),
    row("epochs as text", "epochs: Input should be a valid integer", epochs="50"),
    row("epochs as a list", "epochs: Input should be a valid integer", epochs=[50]),
    row("epochs as yes", "epochs: Input should be a valid integer", epochs=True),
    row("epochs without end", "epochs: Input should be less than or equal to 3000", epochs=10**400),
    row("nothing for epochs", "epochs: Input should be a valid integer", epochs=None),
    row("an odd image size", "image_size: Input should be a multiple of 32", image_size=100),
    row("a huge image size", "image_size: Input should be less than or equal to 2048", image_size=65_536),
    row("a batch of none", "batch: Input should be greater than or equal to 1", batch=0),
    row("an automatic batch", "batch: Input should be greater than or equal to 1", batch=-1),
    row("a learning rate of none", "learning_rate: Input should be greater than 0", learning_rate=0, optimizer="SGD"),
    row("a learning rate of NaN", "learning_rate: Input should be", learning_rate=float("nan"), optimizer="SGD"),
    row("an infinite learning rate", "learning_rate: Input should be", learning_rate=float("inf"), optimizer="SGD"),
    row("a learning rate nobody uses", "name an optimizer, or leave it out", learning_rate=0.1),
    row("a probability above one", "mosaic: Input should be less than or equal to 1", mosaic=1.5),
    row("a negative probability", "mixup: Input should be greater than or equal to 0", mixup=-0.1),
    row("an unknown model", "model: Input should be 'yolov8n'", model="yolov5n"),
    row("a model that is a path", "model: Input should be 'yolov8n'", model="../../weights/evil.pt"),
    row("an unknown optimizer", "optimizer: Input should be 'auto'", optimizer="LBFGS"),
    row("a misspelt name", "learnig_rate: Extra inputs are not permitted", learnig_rate=0.1),
    row("a name of the back-end", "resume: Extra inputs are not permitted", resume="/etc/passwd"),
    row("code", "__class__: Extra inputs are not permitted", __class__="x"),
    row("yes as text", "amp: Input should be a valid boolean", amp="yes"),
    row("everything at once", "batch: Input should be", epochs=0, batch="16", nobody="knows"),
]
