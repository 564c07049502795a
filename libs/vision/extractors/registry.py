"""The extractors by name: another one is its file and a line here. Each is imported when it is asked for."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import cast

from libs.vision.extractors.protocol import Extractor

EXTRACTORS = {
    "hands": "libs.vision.extractors.hands:HandExtractor",
    "pose": "libs.vision.extractors.pose:PoseExtractor",
    "classic": "libs.vision.extractors.classic:ClassicExtractor",
}


def load(name: str, weights: Path | None = None) -> Extractor:
    """The extractor of this name. Raises ValueError for an unknown one, ExtractorUnavailable where weights are missing."""
    if name not in EXTRACTORS:
        raise ValueError(f"There is no extractor {name!r}: use one of {', '.join(sorted(EXTRACTORS))}")
    module, _, maker = EXTRACTORS[name].partition(":")
    make = cast("Callable[[Path | None], Extractor]", getattr(import_module(module), maker))
    return make(weights)
