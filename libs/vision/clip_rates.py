"""Pictures a second of strangers' videos: the work of a child process."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from libs.vision.clip_files import expected_rate
from libs.vision.clip_types import UnreadableVideo


def clip_rates(paths: Sequence[Path]) -> Iterator[tuple[Path, float | None]]:
    """Each video with its rate as the header says, None where it can't be opened."""
    for path in paths:
        try:
            yield path, expected_rate(path)
        except UnreadableVideo:
            yield path, None
