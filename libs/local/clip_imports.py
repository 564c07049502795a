"""From somebody's labelled clips to what is sent: one opinion made of several, labels renamed, what belongs together kept so."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Literal

from pydantic import JsonValue

from libs.common.children import ChildDied, ChildTooSlow, Limits, stream_from_child
from libs.common.objects import file_sha256
from libs.local.imports import Plan, camera_of, check_counted, source_group, source_groups
from libs.local.recordings import segment_facts, taken_at
from libs.local.sending import Outgoing, stable_snapshot_id
from libs.vision.agreement import COLLAR_SECONDS, Agreement, Pairs, agreement_of, majority, segment_pairs
from libs.vision.formats.clip_reading import FoundClip, read_mstcn_clips, read_pskus_clips, read_table_clips
from libs.vision.formats.files import spoken
from libs.vision.formats.items import FormatError
from libs.vision.formats.segment_files import BACKGROUND, LabelledSegments
from libs.vision.segments import TimedSegment

ClipFormat = Literal["segments", "pskus", "mstcn"]
_READERS = {"segments": read_table_clips, "pskus": read_pskus_clips, "mstcn": read_mstcn_clips}
_OPENING = Limits(memory_bytes=2 * 1024**3, seconds=60)


@dataclass(frozen=True)
class Agreements:
    """How far annotators agree on the clips that several of them labelled; `loosely`: without the collar at changes."""

    clips: int
    plainly: Agreement
    loosely: Agreement


@dataclass(frozen=True)
class ClipImport:
    """What is to be sent, and what was found on the way. All counts are of what is sent."""

    clips: tuple[Outgoing, ...]
    segments_per_label: Mapping[str, int]
    clips_per_camera: Mapping[str, int]
    unlabelled: int
    skipped: Mapping[str, str]
    problems: Mapping[str, Sequence[str]]
    agreements: Agreements | None


def read_clips(kind: ClipFormat, root: Path) -> list[FoundClip]:
    """All clips of a data set. Raises FormatError."""
    return _READERS[kind](root, rates_from_child)


def rates_from_child(paths: Sequence[Path]) -> dict[Path, float]:
    """Pictures a second of each video that opens, asked for in a child process. Raises FormatError when that dies."""
    # Here and not above: PyAV and OpenCV take a second to import.
    from libs.vision.clip_rates import clip_rates

    try:
        return {path: rate for path, rate in stream_from_child(_OPENING, clip_rates, paths) if rate is not None}
    except (ChildDied, ChildTooSlow) as error:
        raise FormatError(f"One of {len(paths)} videos can't be opened within the limits: {error}") from error


def prepare_clips(found: Sequence[FoundClip], plan: Plan, *, annotator: str | None = None) -> ClipImport:
    """Everything that will be sent, before anything is: the segments of `annotator`, or what most annotators say.

    Raises `UnknownLabels`, and FormatError for an annotator whom nobody knows.
    """
    _check_annotator(found, annotator)
    chosen = [_chosen(clip, annotator) for clip in found]
    check_counted(_labels(chosen), plan, of="segments")
    usable = [clip for clip in chosen if clip.path is not None]
    mapped = {clip.name: _opinion(clip, plan.mapping) for clip in usable}
    groups = source_groups(plan.root)
    outgoing = [_outgoing(clip.path, mapped[clip.name], plan, groups) for clip in usable if clip.path is not None]
    counted = Counter(each.step for segments in mapped.values() for each in segments or ())
    return ClipImport(
        clips=tuple(outgoing),
        segments_per_label=dict(sorted(counted.items())),
        clips_per_camera=dict(sorted(Counter(str(each.facts["camera_id"]) for each in outgoing).items())),
        unlabelled=sum(segments is None for segments in mapped.values()),
        skipped={clip.name: "; ".join(clip.problems) for clip in chosen if clip.path is None},
        problems={clip.name: clip.problems for clip in usable if clip.problems},
        agreements=agreements((clip for clip in found if clip.path is not None), plan.mapping),
    )


def agreements(found: Iterable[FoundClip], mapping: Mapping[str, str]) -> Agreements | None:
    """Of every two annotators of a clip, in the order of their names; None where no clip has two."""
    plainly, loosely, clips = Pairs(), Pairs(), 0
    for clip in found:
        said = [_mapped(entry, mapping) for entry in sorted(clip.said, key=lambda entry: entry.annotator)]
        clips += len(said) > 1
        end = max((each.end for segments in said for each in segments), default=0.0)
        for one, other in combinations(said, 2):
            plainly += segment_pairs(one, other, background=BACKGROUND, seconds=end)
            loosely += segment_pairs(one, other, background=BACKGROUND, seconds=end, collar_seconds=COLLAR_SECONDS)
    return Agreements(clips, agreement_of(plainly), agreement_of(loosely)) if clips else None


def _check_annotator(found: Iterable[FoundClip], annotator: str | None) -> None:
    known = sorted({entry.annotator for clip in found for entry in clip.said if entry.annotator})
    if annotator is not None and annotator not in known:
        raise FormatError(
            f"Nobody called {annotator!r} annotated these clips: {', '.join(known) or 'no names are given'}"
        )


def _chosen(clip: FoundClip, annotator: str | None) -> FoundClip:
    """The clip with the one annotator's entry; without a path, so that it is left out, where he said nothing."""
    if annotator is None or not clip.said:
        return clip
    own = tuple(entry for entry in clip.said if entry.annotator == annotator)
    if not own:
        return FoundClip(clip.name, None, (), (f"{annotator} did not annotate it",))
    problems = clip.problems if clip.path is None else own[0].problems
    return FoundClip(clip.name, clip.path, own, problems)


def _labels(found: Iterable[FoundClip]) -> Counter[str]:
    return Counter(each.step for clip in found for entry in clip.said for each in entry.segments)


def _opinion(clip: FoundClip, mapping: Mapping[str, str]) -> tuple[TimedSegment, ...] | None:
    """None where nobody said anything, or nobody knows when."""
    if not clip.said or any(entry.problems and not entry.segments for entry in clip.said):
        return None
    said = [_mapped(entry, mapping) for entry in clip.said]
    return said[0] if len(said) == 1 else majority(said, background=BACKGROUND)


def _mapped(entry: LabelledSegments, mapping: Mapping[str, str]) -> tuple[TimedSegment, ...]:
    named = [(mapping.get(each.step, each.step), each) for each in entry.segments]
    return tuple(TimedSegment(step, each.start, each.end) for step, each in named if step)


def _outgoing(path: Path, segments: Sequence[TimedSegment] | None, plan: Plan, groups: Mapping[str, str]) -> Outgoing:
    root = plan.root.resolve()
    group = source_group(root, path, groups)
    camera = camera_of(group, plan.cameras)
    known: dict[str, JsonValue] = {
        "workflow": plan.workflow,
        "camera_id": camera,
        "captured_at": taken_at(path),
        "source_group": group,
    }
    clip_id = stable_snapshot_id(plan.workflow, camera, group, path.name, file_sha256(path))
    said: dict[str, JsonValue] = {} if segments is None else {"segments": segment_facts(segments)}
    return Outgoing(spoken(path.relative_to(root)), path.read_bytes, {"clip_id": clip_id, **known, **said}, kind="clip")
