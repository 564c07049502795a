"""From stored bytes to what the rules judge: size, measures and look, or why the bytes are no picture.

Pictures are strangers' bytes: only a child process with limits decodes them, and the service itself loads no decoder.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from libs.common.children import ChildDied, ChildTooSlow, Limits, run_within
from libs.common.errors import NotFound, NotYet
from services.cleaner.domain.clips import ClipSeen
from services.cleaner.domain.samples import Seen, Unreadable

if TYPE_CHECKING:  # the child imports this file too, and needs none of them
    from libs.common.events import Media
    from libs.common.objects import Objects
    from libs.common.warm_child import WarmChild


LONGEST_SECONDS = 3600.0
"""Of what is looked at at all; how long a clip may be is the workflow's."""


class ClipLimits(Protocol):
    """The part of the settings that holds the child which looks at clips."""

    @property
    def maximum_pixels(self) -> int: ...
    @property
    def decoder_memory_bytes(self) -> int: ...
    @property
    def clip_seconds(self) -> float: ...


class PictureRules(Protocol):
    """The part of the settings that says how large a picture may be."""

    @property
    def maximum_image_bytes(self) -> int: ...
    @property
    def maximum_pixels(self) -> int: ...


@dataclass(frozen=True)
class PictureLimits:
    """How large a picture may be, as it travels to the child."""

    maximum_image_bytes: int
    maximum_pixels: int


async def look_at(image: "Media", objects: "Objects", rules: PictureRules, decoder: "WarmChild") -> Seen | Unreadable:
    """Fetch by claim check and look. Raises `NotYet` while the object is missing, `Permanent` on a wrong digest."""
    if image.bytes > rules.maximum_image_bytes:
        return Unreadable(f"The file has {image.bytes} bytes, more than the {rules.maximum_image_bytes} allowed")
    data = await _fetch(image, objects)
    limits = PictureLimits(rules.maximum_image_bytes, rules.maximum_pixels)
    try:
        return await _seen_by_child(data, limits, decoder)
    except ChildTooSlow as error:
        return Unreadable(f"The picture can't be decoded in a reasonable time: {error}")


async def _seen_by_child(data: bytes, limits: PictureLimits, decoder: "WarmChild") -> Seen | Unreadable:
    try:
        return await decoder.call(see, data, limits)
    except ChildDied:
        # Perhaps somebody else's doing (a machine out of memory): one more try decides.
        try:
            return await decoder.call(see, data, limits)
        except ChildDied:
            return Unreadable("The decoder dies of these bytes")


async def _fetch(image: "Media", objects: "Objects") -> bytes:
    try:
        return await objects.get(image.uri, expected_sha256=image.sha256, maximum_bytes=image.bytes)
    except NotFound as error:
        # A camera may announce before its upload has ended.
        raise NotYet(f"{image.uri} is not there (yet): upload the object before its snapshot is announced") from error


def see(data: bytes, limits: PictureRules) -> Seen | Unreadable:
    """Decode and measure (CPU work of some milliseconds). Runs in the child."""
    from libs.vision.hashing import perceptual_hash
    from libs.vision.quality import UndecodableImage, decode_image, grey, measure

    try:
        decoded = decode_image(data, max_pixels=limits.maximum_pixels, max_bytes=limits.maximum_image_bytes)
        image = grey(decoded.image)
        return Seen(
            width=decoded.width,
            height=decoded.height,
            content_type=decoded.content_type,
            measures={name: round(value, 4) for name, value in measure(image).as_dict().items()},
            look=perceptual_hash(image),
        )
    except UndecodableImage as error:
        return Unreadable(error.reason)
    except MemoryError as error:
        return Unreadable(f"The picture takes more memory than a decoder may have: {error}")


@dataclass(frozen=True)
class Drawn:
    """What a reviewer sees of a clip before opening it."""

    strip: Path
    preview: Path


async def look_at_clip(path: Path, rules: ClipLimits) -> ClipSeen | Unreadable:
    """Look at a whole clip in a child. Raises `ChildDied` or `ChildTooSlow`: the job tries again."""
    return await run_within(_limits(rules), see_clip, str(path), rules.maximum_pixels)


async def draw_for_reviewer(path: Path, folder: Path, rules: ClipLimits) -> Drawn:
    """A strip of thumbnails and a preview, written into `folder`."""
    drawn = Drawn(folder / "strip.jpg", folder / "preview.mp4")
    await run_within(_limits(rules), draw_clip, str(path), str(drawn.strip), str(drawn.preview), rules.maximum_pixels)
    return drawn


def _limits(rules: ClipLimits) -> Limits:
    return Limits(rules.decoder_memory_bytes, rules.clip_seconds)


def see_clip(path: str, maximum_pixels: int) -> ClipSeen | Unreadable:
    """Decode and measure all of a clip. Runs in the child."""
    from libs.vision.clip_measures import measure_or_tell
    from libs.vision.kept_frames import Told

    look = measure_or_tell(Path(path), LONGEST_SECONDS, maximum_pixels)
    if isinstance(look, Told):
        return Unreadable(look.text.replace(path, "The clip"))
    measures = {
        "brightness": look.brightness,
        "sharpness": look.sharpness,
        "skin_share": look.skin_share,
        "frozen_share": look.frozen_share,
        "frozen_seconds": look.frozen_seconds,
        "longest_gap_seconds": look.longest_gap_seconds,
        "damaged": float(look.damaged),
        "frames": float(look.frames),
    }
    return ClipSeen(
        width=look.width,
        height=look.height,
        content_type=look.content_type,
        seconds=round(look.seconds, 3),
        frames_per_second=round(look.frames_per_second, 4),
        measures={name: round(value, 4) for name, value in measures.items()},
        fingerprint=look.fingerprint.to_bytes(),
    )


def draw_clip(path: str, strip: str, small: str, maximum_pixels: int) -> None:
    """Write the strip and the preview. Runs in the child."""
    from libs.vision.previews import preview, thumbnail_strip

    Path(strip).write_bytes(thumbnail_strip(path, maximum_pixels=maximum_pixels))
    preview(path, small, maximum_seconds=LONGEST_SECONDS, maximum_pixels=maximum_pixels)


def repeats(fingerprint: bytes, others: Sequence[tuple[UUID, bytes]]) -> UUID | None:
    """The first of the others that is the same clip, None if none is."""
    from libs.vision.clip_fingerprints import ClipFingerprint, same_clip

    mine = ClipFingerprint.from_bytes(fingerprint)
    return next((name for name, other in others if same_clip(mine, ClipFingerprint.from_bytes(other))), None)
