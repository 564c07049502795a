"""What the bytes of an upload are, from their header alone: a full decode is the cleaner's."""

from hashlib import sha256
from pathlib import Path

from libs.common.errors import Permanent
from libs.vision.clip_types import UnreadableVideo, clip_type
from libs.vision.sniffing import UndecodableImage, sniff, upright_size
from services.ingest.domain import ALLOWED, ALLOWED_VIDEO, EXTENSIONS, Picture


def inspect(data: bytes, *, max_pixels: int) -> Picture:
    """Raises `Permanent` for bytes of another kind, a cut header, or one that claims too many pixels."""
    try:
        content_type = sniff(data).content_type
        width, height = upright_size(data, max_pixels=max_pixels)
    except UndecodableImage as error:
        raise Permanent(f"This upload is refused: {error.reason}. Send one {ALLOWED} image") from error
    return Picture(sha256(data).hexdigest(), content_type, width, height, len(data))


def video_type(path: Path) -> str:
    """The content type of a video, from its first bytes. Raises `Permanent` for what is none, or none that is kept."""
    try:
        content_type = clip_type(path).content_type
    except UnreadableVideo as error:
        raise Permanent(f"This upload is refused: {str(error).removeprefix(f'{path} ')}") from error
    if content_type not in EXTENSIONS:
        raise Permanent(f"This upload is refused: it is {content_type}. Send {ALLOWED_VIDEO}")
    return content_type
