"""From stored bytes to what the rules judge: size, measures and look, or why the bytes are no picture.

Pictures are strangers' bytes: only a child process with limits decodes them, and the service itself loads no decoder.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from libs.common.children import ChildDied, ChildTooSlow
from libs.common.errors import NotFound, NotYet
from services.cleaner.domain.samples import Seen, Unreadable

if TYPE_CHECKING:  # the child imports this file too, and needs none of them
    from libs.common.events import Media
    from libs.common.objects import Objects
    from libs.common.warm_child import WarmChild


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
    from libs.vision.quality import UndecodableImage, decode_image, measure

    try:
        decoded = decode_image(data, max_pixels=limits.maximum_pixels, max_bytes=limits.maximum_image_bytes)
        return Seen(
            width=decoded.width,
            height=decoded.height,
            content_type=decoded.content_type,
            measures={name: round(value, 4) for name, value in measure(decoded.image).as_dict().items()},
            look=perceptual_hash(decoded.image),
        )
    except UndecodableImage as error:
        return Unreadable(error.reason)
    except MemoryError as error:
        return Unreadable(f"The picture takes more memory than a decoder may have: {error}")
