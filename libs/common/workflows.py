"""A workflow is a file: what to look for, by which rules, when to learn again. Validated here, used everywhere."""

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, JsonValue, ValidationError, model_validator

from libs.common.errors import Permanent
from libs.common.events import Name
from libs.common.procedure_rules import ClassRule, Part, ProcedureRules, Share, Title


class ViolationType(Part):
    """What a camera may report, and the class ids that show it."""

    name: str
    title: Title
    class_ids: tuple[int, ...]


class ApprovalRules(Part):
    """Who is believed without a person: annotations that came along, or confident detections (off unless set)."""

    annotated: bool = True
    minimum_confidence: Share | None = None
    spot_check_share: Share = 0.05


class ClipRules(Part):
    """When a clip is unusable: too short or too long to be one wash, or standing still. Seconds, and shares of 0..1.

    `minimum_hands_share`: with bare hands moving in less of the clip, a person is asked whatever came along with it; 0 where
    gloves are worn.
    """

    minimum_seconds: Annotated[float, Field(ge=0)] = 3.0
    maximum_seconds: Annotated[float, Field(gt=0)] = 600.0
    maximum_frozen_share: Share = 0.5
    minimum_hands_share: Share = 0.0


class CleaningRules(Part):
    """When a snapshot is unusable, and which usable ones a person sees. Units are those of `libs.vision.quality`."""

    minimum_width: int = 64
    minimum_height: int = 64
    minimum_sharpness: float = 20.0
    minimum_brightness: float = 30.0
    maximum_brightness: float = 230.0
    duplicate_distance: Annotated[int, Field(ge=0, le=64)] = 4
    near_duplicate_distance: Annotated[int, Field(ge=0, le=64)] = 10
    approve: ApprovalRules = ApprovalRules()
    review_share: Share = 1.0
    clips: ClipRules = ClipRules()

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.minimum_brightness >= self.maximum_brightness:
            raise ValueError("minimum_brightness must be below maximum_brightness: no snapshot would pass")
        if self.near_duplicate_distance < self.duplicate_distance:
            raise ValueError("near_duplicate_distance must not be below duplicate_distance")
        return self


class SplitShares(Part):
    """Shares of train, val and test; they add up to 1."""

    train: Share = 0.7
    val: Share = 0.15
    test: Share = 0.15

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if abs(self.train + self.val + self.test - 1) > 1e-6:
            raise ValueError("split shares must add up to 1")
        return self


class DatasetPolicy(Part):
    """When a build is worth it, and how it splits."""

    build_after_samples: Annotated[int, Field(ge=1)] = 200
    build_after_hours: Annotated[float, Field(gt=0)] = 24.0
    debounce_seconds: Annotated[float, Field(ge=0)] = 30.0
    minimum_samples: Annotated[int, Field(ge=1)] = 20
    minimum_per_class: Annotated[int, Field(ge=0)] = 5
    split: SplitShares = SplitShares()
    time_block_minutes: Annotated[int, Field(ge=1)] = 60


class TrainingTemplate(Part):
    """What a training run starts from; a request may override single hyper-parameters."""

    backend: str = "ultralytics"
    hyperparameters: dict[str, JsonValue] = Field(default_factory=dict)
    automatic: bool = True
    seed: int = 0
    minutes_without_progress: Annotated[float, Field(gt=0)] = 15.0
    maximum_attempts: Annotated[int, Field(ge=1)] = 5


class GateRules(Part):
    """What an evaluated model must show. `maximum_drop`: how much worse than the champion it may be, per metric."""

    minimum: dict[str, float] = Field(default_factory=dict)
    per_class_minimum: dict[str, dict[str, float]] = Field(default_factory=dict)
    maximum_drop: dict[str, float] = Field(default_factory=dict)
    maximum_camera_drop: float | None = None


class Workflow(Part):
    """One workflow. `cameras`: patterns of the cameras whose unlabelled snapshots belong to it.

    Its samples are snapshots in which `classes` are found (task detection), or clips that show the steps of a `procedure`
    (task temporal).
    """

    name: Name
    title: Title
    task: Literal["detection", "temporal"]
    cameras: tuple[str, ...] = ("*",)
    classes: tuple[ClassRule, ...] = ()
    procedure: ProcedureRules | None = None
    violation_types: tuple[ViolationType, ...] = ()
    cleaning: CleaningRules = CleaningRules()
    dataset: DatasetPolicy = DatasetPolicy()
    training: TrainingTemplate = TrainingTemplate()
    gate: GateRules = GateRules()
    promotion: Literal["manual", "automatic"] = "manual"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.task == "detection" and (not self.classes or self.procedure):
            raise ValueError("task detection needs `classes` and no `procedure`")
        if self.task == "temporal" and (self.classes or self.procedure is None):
            raise ValueError(
                "task temporal needs a `procedure` and no `classes`: its steps are what a model tells apart"
            )
        ids = [rule.id for rule in self.classes]
        if ids != list(range(len(ids))):
            raise ValueError(f"class ids must be 0, 1, 2 ... in order, not {ids}")
        if len(set(self.class_names)) != len(self.class_names):
            raise ValueError("class names must differ")
        unknown = {i for violation in self.violation_types for i in violation.class_ids} - set(ids)
        if unknown:
            raise ValueError(f"violation types name class ids {sorted(unknown)} that no class has")
        strangers = set(self.gate.per_class_minimum) - set(self.class_names)
        if strangers:
            raise ValueError(f"the gate names classes {sorted(strangers)} that do not exist")
        return self

    @property
    def all_classes(self) -> tuple[ClassRule, ...]:
        """What its models tell apart, in the order of their ids: the classes, or the background and the procedure's steps."""
        return self.procedure.classes() if self.procedure else self.classes

    @property
    def class_names(self) -> tuple[str, ...]:
        """Class names in the order of their ids."""
        return tuple(rule.name for rule in self.all_classes)

    @property
    def given_labels(self) -> tuple[str, ...]:
        """The labels a person gives: all class names but the background, which is where nothing is marked."""
        return self.class_names[1:] if self.procedure else self.class_names

    @property
    def model_name(self) -> str:
        """The model a workflow trains carries its name."""
        return self.name

    def watches(self, camera_id: str) -> bool:
        """Does a snapshot of this camera that names no workflow belong here? Clips always name theirs."""
        return self.task == "detection" and any(fnmatchcase(camera_id, pattern) for pattern in self.cameras)


def parse_workflow(definition: Any, *, origin: str) -> Workflow:
    """A workflow from plain values. Raises `Permanent` with every mistake and its place."""
    try:
        return Workflow.model_validate(definition)
    except ValidationError as error:
        places = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())
        raise Permanent(f"{origin} is no valid workflow: {places}") from error


def load_workflow(path: Path) -> Workflow:
    """Read a workflow file. Raises `Permanent` with the mistake; the name inside must be the file's name."""
    try:
        definition = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Permanent(f"{path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: no UTF-8, or a date that is none
        raise Permanent(f"{path} is no YAML: {error}") from error
    workflow = parse_workflow(definition, origin=str(path))
    if workflow.name != path.stem:
        raise Permanent(
            f"{path} calls itself {workflow.name!r}: name the file {workflow.name}.yaml or change the name inside"
        )
    return workflow
