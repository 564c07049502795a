"""The procedure of a workflow whose samples are clips: which steps, how long, in which order. Part of the workflow file."""

from collections import Counter
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Field(ge=0, le=1)]
LabelName = Annotated[str, Field(min_length=1, max_length=64)]
SIDES = {"left": (" (left)", "（左）"), "right": (" (right)", "（右）")}


class Part(BaseModel):
    """A part of the workflow file: a misspelt key is an error, not a silent default."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Title(Part):
    """Words people see, in both languages."""

    en: str
    zh: str


class ClassRule(Part):
    """A class a model tells apart. `id` is its index, for ever."""

    id: Annotated[int, Field(ge=0)]
    name: LabelName
    title: Title


class StepRule(Part):
    """One step. `sides`: done once (`none`), or left and right, told apart as `<name>_left` and `<name>_right`.

    With `each` either side needs `minimum_seconds`, with `either` both together. `order` is the step's place where the order
    counts: steps of one place may come in any order among themselves, one without a place at any time.
    """

    name: LabelName
    title: Title
    required: bool = True
    minimum_seconds: Annotated[float, Field(ge=0)] = 1.0
    order: int | None = None
    sides: Literal["none", "either", "each"] = "none"

    @property
    def labels(self) -> tuple[str, ...]:
        """The segment labels that show this step."""
        return (self.name,) if self.sides == "none" else tuple(f"{self.name}_{side}" for side in SIDES)

    @property
    def each_side(self) -> bool:
        """Does every label need the seconds by itself?"""
        return self.sides == "each"

    @property
    def titles(self) -> dict[Literal["en", "zh"], str]:
        """The title by language."""
        return {"en": self.title.en, "zh": self.title.zh}

    def label_titles(self) -> dict[str, Title]:
        """What people call each of its labels."""
        if self.sides == "none":
            return {self.name: self.title}
        return {
            f"{self.name}_{s}": Title(en=self.title.en + en, zh=self.title.zh + zh) for s, (en, zh) in SIDES.items()
        }


class Background(Part):
    """What happens while no step does."""

    name: LabelName = "other"
    title: Title = Title(en="Other", zh="其他")


class ProcedureRules(Part):
    """What a whole wash needs. No standard fixes seconds per step: they are this plant's choice.

    `minimum_visible`: with less of the hands in sight, nothing is said about the clip.
    """

    steps: Annotated[tuple[StepRule, ...], Field(min_length=1)]
    background: Background = Background()
    minimum_seconds: Annotated[float, Field(ge=0)] = 0.0
    ordered: bool = False
    repeats_allowed: bool = True
    minimum_visible: Share = 0.5

    @model_validator(mode="after")
    def _labels_differ(self) -> Self:
        labels = [self.background.name, *(label for step in self.steps for label in step.labels)]
        doubled = sorted(label for label, count in Counter(labels).items() if count > 1)
        if doubled:
            raise ValueError(f"steps share the labels {', '.join(doubled)}: give each step a name of its own")
        if self.ordered and all(step.order is None for step in self.steps):
            raise ValueError("ordered: true needs `order: 1`, `order: 2` ... at the steps whose order counts")
        return self

    def classes(self) -> tuple[ClassRule, ...]:
        """What a model tells apart: the background as class 0, then every label in the order of the steps."""
        titles = {self.background.name: self.background.title}
        for step in self.steps:
            titles |= step.label_titles()
        return tuple(ClassRule(id=i, name=name, title=title) for i, (name, title) in enumerate(titles.items()))
