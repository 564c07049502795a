"""Objects made of other objects: worked out once, kept under a key that names their source by digest, never made again."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from libs.common.errors import NotFound
from libs.common.events import Media
from libs.common.objects import Objects

Make = Callable[[Path, Path], Awaitable[None]]
"""(source file, file to write)"""


async def fetch_or_make(objects: Objects, key: str, *, bucket: str, source: Media, folder: Path, make: Make) -> Path:
    """The file that `key` holds, in `folder`; where nothing lies there yet, it is made of `source` and kept.

    Two that make it at once write the same bytes. Raises what `get_file` and `make` raise; a file is there whole or not.
    """
    target = folder / key.replace("/", "_")
    if target.exists():
        return target
    try:
        await objects.get_file(f"s3://{bucket}/{key}", target)
    except NotFound:
        video = folder / f"source-{source.sha256}"
        await objects.get_file(source.uri, video, expected_sha256=source.sha256)
        try:
            await make(video, target)
            await objects.put_file(key, target)
        finally:
            video.unlink(missing_ok=True)
    return target
