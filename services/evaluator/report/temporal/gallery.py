"""The worst clips with a strip of their moments, small enough to inline."""

from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.evaluator.report.temporal.content import ReportedClip

JPEG_START = b"\xff\xd8\xff"
LARGEST_BYTES = 400_000


@dataclass(frozen=True, slots=True)
class FilmedClip:
    """A clip with errors, ready for the page; without a picture where there is no strip, or none that is a small JPEG."""

    clip: ReportedClip
    data_uri: str | None


def filmed(clips: Sequence[ReportedClip], strip_of: Callable[[str], Path | None], limit: int) -> tuple[FilmedClip, ...]:
    """The first `limit` clips (they come worst first) that are not perfect."""
    wrong = [clip for clip in clips if clip.frame_accuracy < 100 or clip.verdict_right is False]
    return tuple(FilmedClip(clip, _data_uri(strip_of(clip.sample_id))) for clip in wrong[:limit])


def _data_uri(strip: Path | None) -> str | None:
    if strip is None or not strip.is_file():
        return None
    data = strip.read_bytes()
    if not data.startswith(JPEG_START) or len(data) > LARGEST_BYTES:
        return None
    return "data:image/jpeg;base64," + b64encode(data).decode()
