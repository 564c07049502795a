"""What every reader yields and every writer takes, whatever the format."""

from dataclasses import dataclass
from pathlib import Path

from libs.vision.boxes import Annotation


class FormatError(ValueError):
    """A data set that can't be read or written as a whole; one bad file or box never raises it."""


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """One image of a data set with its labels, boxes in pixels and inside the image.

    `problems` says what was wrong and left out (or cut off at the border), one sentence each. Where the image itself
    is of no use (absent, refused, unreadable) `usable` is False, and `path` is the file in which the problem sits.
    `labelled` is False where nothing is said about the image: it is not known to be empty.
    """

    path: Path
    width: int
    height: int
    annotations: tuple[Annotation, ...] = ()
    problems: tuple[str, ...] = ()
    split: str | None = None
    labelled: bool = True

    @property
    def usable(self) -> bool:
        """Whether there is an image to import."""
        return self.width > 0 and self.height > 0


@dataclass(frozen=True, slots=True)
class ExportItem:
    """One image to write: its name in the export, its bytes or the file that holds them, its labels and its split."""

    file_name: str
    source: Path | bytes
    width: int
    height: int
    annotations: tuple[Annotation, ...]
    split: str


@dataclass(frozen=True, slots=True)
class Exported:
    """What a writer wrote."""

    images: int
    boxes: int
