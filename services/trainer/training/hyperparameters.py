"""What can be set on each back-end: type, range, default and help. Forms and checks are made from these classes.

Nothing here needs a framework: `python -m services.trainer.training --schema NAME` prints the JSON Schema anywhere.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from services.trainer.training.protocol import TrainingFailed

Model = Literal[
    "yolov8n", "yolov8s", "yolov8m", "yolov8l", "yolov8x",
    "yolo11n", "yolo11s", "yolo11m", "yolo11l", "yolo11x",
    "yolo26n", "yolo26s", "yolo26m", "yolo26l", "yolo26x",
]  # fmt: skip
Probability = Annotated[float, Field(ge=0, le=1)]


class Hyperparameters(BaseModel):
    """Base of every back-end's own: closed, so that a misspelt name is an error and not a silent default."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Parameters = TypeVar("Parameters", bound=Hyperparameters)


class UltralyticsHyperparameters(Hyperparameters):
    """Hyperparameters of a YOLO detector trained by Ultralytics."""

    model: Model = Field("yolov8n", description="Architecture and size: n is the smallest and fastest, x the largest")
    pretrained: bool = Field(
        False,
        description="Start from <weights folder>/<model>.pt (nothing is ever downloaded); otherwise from scratch",
    )
    epochs: int = Field(100, ge=1, le=3000, description="Passes over the train split, at most")
    patience: int = Field(50, ge=0, le=3000, description="Stop after this many epochs without a better one; 0: never")
    image_size: int = Field(640, ge=32, le=2048, multiple_of=32, description="Side of the square input, in pixels")
    batch: int = Field(16, ge=1, le=1024, description="Images per step; less if memory runs out")
    nominal_batch: int = Field(
        64,
        ge=1,
        le=1024,
        description="Gradients of several batches are added up to this many images per step of the optimizer; on a "
        "small dataset the value of batch learns in far fewer epochs",
    )
    optimizer: Literal["auto", "SGD", "MuSGD", "Adam", "AdamW", "NAdam", "RAdam", "RMSProp"] = Field(
        "auto",
        description="auto: AdamW, or MuSGD for long runs, with a learning rate that fits the number of classes",
    )
    learning_rate: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Initial learning rate of a named optimizer; empty: 0.01 for SGD and MuSGD, else 0.001",
    )
    final_learning_rate: float = Field(0.01, gt=0, le=1, description="Last learning rate, as a share of the first")
    cosine_schedule: bool = Field(False, description="Lower the learning rate along a cosine instead of a line")
    momentum: float = Field(0.937, ge=0, lt=1, description="Momentum of SGD, beta1 of the Adam family")
    weight_decay: float = Field(0.0005, ge=0, le=0.1, description="L2 regularisation")
    warmup_epochs: float = Field(3.0, ge=0, le=100, description="Epochs until the learning rate is reached")
    freeze: int = Field(0, ge=0, le=22, description="Leave the first layers as they are; for pretrained weights")
    workers: int | None = Field(
        None,
        ge=0,
        le=64,
        description="Processes that load images; empty: chosen for the machine. On a CPU always 0, which is faster",
    )
    amp: bool = Field(True, description="Mixed precision on a GPU")
    cache: Literal["none", "ram", "disk"] = Field(
        "none",
        description="Keep decoded images in memory, or beside the run; none repeats exactly",
    )
    mosaic: Probability = Field(1.0, description="Probability of joining four images into one")
    close_mosaic: int = Field(10, ge=0, le=3000, description="No mosaic in the last epochs")
    mixup: Probability = Field(0.0, description="Probability of blending two images")
    fliplr: Probability = Field(0.5, description="Probability of mirroring left and right")
    flipud: Probability = Field(0.0, description="Probability of turning upside down")
    degrees: float = Field(0.0, ge=0, le=180, description="Rotate by up to this angle")
    translate: float = Field(0.1, ge=0, le=0.9, description="Shift by up to this share of the image")
    scale: float = Field(0.5, ge=0, lt=1, description="Zoom by up to this share")
    shear: float = Field(0.0, ge=0, le=45, description="Shear by up to this angle")
    perspective: float = Field(0.0, ge=0, le=0.001, description="Perspective distortion")
    hsv_h: float = Field(0.015, ge=0, le=0.5, description="Vary the hue by this share")
    hsv_s: float = Field(0.7, ge=0, le=1, description="Vary the saturation by this share")
    hsv_v: float = Field(0.4, ge=0, le=1, description="Vary the brightness by this share")

    @model_validator(mode="after")
    def _learning_rate_is_used(self) -> "UltralyticsHyperparameters":
        if self.learning_rate is not None and self.optimizer == "auto":
            raise ValueError("learning_rate is chosen by optimizer 'auto': name an optimizer, or leave it out")
        return self

    def initial_learning_rate(self) -> float:
        """The rate asked for, or the framework's recommendation for the optimizer family."""
        return self.learning_rate or (0.01 if self.optimizer in ("auto", "SGD", "MuSGD") else 0.001)


class ClipHyperparameters(Hyperparameters):
    """What all back-ends that learn from clips have in common."""

    extractor: Literal["auto", "hands", "pose", "classic"] = Field(
        "auto",
        description="What the model reads of a clip: tracked hands, a tracked body, or plain measures of the picture; "
        "auto: the best that can be seen in the clips",
    )
    causal: bool = Field(
        False, description="Judge every moment without knowing what comes after it, as a live camera has to"
    )
    background: bool = Field(
        True,
        description="Label 0 means that no step goes on; false: label 0 is a step like the others",
    )
    smooth_seconds: float = Field(
        1.0, ge=0, le=10, description="Decoding: average the probabilities over this time round each moment"
    )
    shortest_seconds: float = Field(
        0.4, ge=0, le=10, description="Decoding: a shorter run of a label goes to its longer neighbour"
    )


class TemporalHyperparameters(ClipHyperparameters):
    """Hyperparameters of a small neural network over the moments of a clip."""

    model: Literal["mstcn", "bilstm", "lstm", "transformer"] = Field(
        "mstcn",
        description="mstcn: dilated convolutions in stages that refine one another; bilstm: a memory running both ways; "
        "lstm: one running forward, causal; transformer: attention to the neighbourhood",
    )
    members: int = Field(
        1, ge=1, le=16, description="Networks whose mean is the model: steadier, and as many times slower to train"
    )
    epochs: int = Field(60, ge=1, le=3000, description="Passes over the train split, at most")
    patience: int = Field(0, ge=0, le=3000, description="Stop after this many epochs without a better one; 0: never")
    stages: int = Field(3, ge=1, le=8, description="mstcn: stages, each refining the one before")
    layers: int | None = Field(
        None, ge=1, le=12, description="Layers (mstcn: of each stage); empty: 7 for mstcn, 2 for transformer, else 1"
    )
    maps: int | None = Field(
        None,
        ge=4,
        le=512,
        multiple_of=4,
        description="Numbers per moment inside the network; empty: 32 for mstcn, else 64",
    )
    window: int = Field(32, ge=4, le=512, description="transformer: moments it looks back and ahead in each layer")
    components: int = Field(
        64, ge=2, le=512, description="More than twice as many inputs are reduced to this many principal components"
    )
    dropout: float = Field(0.3, ge=0, lt=1, description="Share of the numbers inside that are left out in training")
    learning_rate: float = Field(0.001, gt=0, le=1, description="Learning rate of Adam")
    weight_decay: float = Field(0.0, ge=0, le=0.1, description="L2 regularisation")
    clip_norm: float = Field(5.0, gt=0, le=1000, description="Longest gradient of a step")
    noise: float = Field(0.07, ge=0, le=1, description="Noise on the inputs, in their standard deviations")
    clip_shift: float = Field(
        0.0,
        ge=0,
        le=2,
        description="Each input is shifted for the whole of a clip, in its standard deviations: other people and cameras",
    )
    left_out: float = Field(
        0.0, ge=0, lt=1, description="Share of the inputs that are left out of a clip, so that none is relied on alone"
    )
    longest_stride: int = Field(2, ge=1, le=8, description="Every n-th moment only, n random up to this: other tempos")
    smoothing: float = Field(0.15, ge=0, le=10, description="Weight of the loss that keeps neighbours alike")

    @model_validator(mode="after")
    def _a_memory_running_backwards_knows_the_future(self) -> "TemporalHyperparameters":
        if self.causal and self.model == "bilstm":
            raise ValueError("bilstm reads the clip from its end, too, and cannot be causal: use lstm")
        return self


class ClassicHyperparameters(ClipHyperparameters):
    """Hyperparameters of a classifier that sees each moment with its neighbours, by scikit-learn."""

    model: Literal["forest", "logistic"] = Field("forest", description="forest: random trees; logistic: a linear model")
    reach_seconds: float = Field(
        0.4, ge=0, le=10, description="How far to each side a moment's neighbours are seen (causal: twice that, before)"
    )
    neighbours: int = Field(4, ge=0, le=50, description="Neighbours seen on each side, spread evenly over the reach")
    trees: int = Field(200, ge=1, le=5000, description="forest: number of trees")
    depth: int = Field(14, ge=1, le=64, description="forest: longest chain of questions in a tree")
    leaf: int = Field(3, ge=1, le=10_000, description="forest: fewest moments in a leaf")
    regularisation: float = Field(0.01, gt=0, le=1e6, description="logistic: C of scikit-learn, smaller is smoother")


SCHEMAS: Mapping[str, type[Hyperparameters]] = {
    "ultralytics": UltralyticsHyperparameters,
    "temporal": TemporalHyperparameters,
    "classic": ClassicHyperparameters,
}


def parse_hyperparameters(kind: type[Parameters], given: Mapping[str, Any]) -> Parameters:
    """Fill in defaults and check. Raises TrainingFailed (permanent) that names every wrong value and what is allowed.

    Strict, but for whole numbers where a float is meant: "16" is no batch size.
    """
    try:
        return kind.model_validate(dict(given), strict=True)
    except ValidationError as error:
        faults = [f"{_name(fault['loc'])}{fault['msg']}" for fault in error.errors()]
        backends = [name for name, schema in SCHEMAS.items() if schema is kind]
        raise TrainingFailed(
            "Hyperparameters: " + "; ".join(faults),
            f"Allowed are: {', '.join(kind.model_fields)}. Their ranges: "
            f"python -m services.trainer.training --schema {' '.join(backends)}",
        ) from error


def _name(location: tuple[int | str, ...]) -> str:
    return f"{'.'.join(map(str, location))}: " if location else ""
