"""From stored bytes to what the rules judge: size, measures and look, or why the bytes are no picture."""

import asyncio

from libs.common.errors import NotFound, Transient
from libs.common.events import Media
from libs.common.objects import Objects
from libs.vision.hashing import perceptual_hash
from libs.vision.quality import UndecodableImage, decode_image, measure
from services.cleaner.domain.samples import Seen, Unreadable
from services.cleaner.settings import Settings


async def look_at(image: Media, objects: Objects, settings: Settings) -> Seen | Unreadable:
    """Fetch by claim check and look. Raises `Transient` while the object is missing, `Permanent` on a wrong digest."""
    if image.bytes > settings.maximum_image_bytes:
        return Unreadable(f"The file has {image.bytes} bytes, more than the {settings.maximum_image_bytes} allowed")
    data = await _fetch(image, objects)
    return await asyncio.to_thread(see, data, settings)


async def _fetch(image: Media, objects: Objects) -> bytes:
    try:
        return await objects.get(image.uri, expected_sha256=image.sha256)
    except NotFound as error:
        # A camera may announce before its upload has ended.
        raise Transient(
            f"{image.uri} is not there (yet): upload the object before its snapshot is announced"
        ) from error


def see(data: bytes, settings: Settings) -> Seen | Unreadable:
    """Decode and measure (CPU work of some milliseconds)."""
    try:
        decoded = decode_image(data, max_pixels=settings.maximum_pixels, max_bytes=settings.maximum_image_bytes)
    except UndecodableImage as error:
        return Unreadable(error.reason)
    return Seen(
        width=decoded.width,
        height=decoded.height,
        content_type=decoded.content_type,
        measures={name: round(value, 4) for name, value in measure(decoded.image).as_dict().items()},
        look=perceptual_hash(decoded.image),
    )
