"""What an extractor is: a name, a version, a rate, and features of frames at that rate."""

from collections.abc import Iterable
from typing import Protocol

from libs.vision.features import Features
from libs.vision.video import Frame


class ExtractorUnavailable(RuntimeError):
    """The extractor can't work here: a package or its weights are missing; the text says what to do."""


class Extractor(Protocol):
    """Made with the path of its weights, or None; costs nothing until `extract` is called."""

    @property
    def name(self) -> str:
        """As in the registry."""
        ...

    @property
    def version(self) -> str:
        """Changes with whatever changes a number: features of two versions are never mixed."""
        ...

    @property
    def frames_per_second(self) -> float:
        """The rate of the frames it is given and of its features; constant."""
        ...

    def extract(self, moments: Iterable[Frame]) -> Features:
        """One row per frame. Frames are upright, come one at a time and are not kept; equal frames give equal bits.

        Raises ExtractorUnavailable.
        """
        ...
