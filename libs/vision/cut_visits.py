"""The visits of a recording, each written as a clip: the work of a child process, for a recording is strangers' bytes."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from libs.vision.kept_frames import Told
from libs.vision.presence import VisitRules, Zone, visits_of
from libs.vision.visits import cut, looks

_SIGN_OF_LIFE_LOOKS = 10


@dataclass(frozen=True, slots=True)
class CutVisit:
    """A visit from `start_seconds` to `end_seconds` of the recording, and the clip that shows it."""

    start_seconds: float
    end_seconds: float
    path: Path


def cut_visits(path: Path, zone: Zone | None, rules: VisitRules, folder: Path) -> Iterator[CutVisit | Told | None]:
    """Visits in order, written to `folder`, what is said on the way, and None as a sign of life.

    Nothing is raised for a bad video or zone: its last word is fatal.
    """
    told: list[str] = []
    try:
        moments = list[tuple[float, bool]]()
        for moment in looks(path, zone=zone, rules=rules, on_damage=told.append):
            moments.append(moment)
            if len(moments) % _SIGN_OF_LIFE_LOOKS == 0:
                yield None
        yield from map(Told, told)
        for number, visit in enumerate(visits_of(moments, rules), 1):
            out = folder / f"visit-{number:04d}.mp4"
            cut(path, visit.start_seconds, visit.end_seconds, out)
            yield CutVisit(visit.start_seconds, visit.end_seconds, out)
    except ValueError as error:  # an unreadable video is one, too
        yield Told(str(error), fatal=True)
    except MemoryError:
        yield Told(f"{path} takes more memory than a decoder may have", fatal=True)
