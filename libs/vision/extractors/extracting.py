"""A video file in, its features out; the work of a child process, for a video is strangers' bytes."""

import os
from itertools import chain
from pathlib import Path
from tempfile import NamedTemporaryFile

from libs.vision.clip_types import UnreadableVideo
from libs.vision.extractors.registry import load
from libs.vision.features import Features, to_bytes
from libs.vision.sampling import frames_at


def extract(path: Path | str, extractor_name: str, *, weights: Path | None = None) -> Features:
    """The features of a video by the extractor of this name; `weights` for those that need some.

    Raises UnreadableVideo for a file without a frame that decodes, or one that lasts too long; ExtractorUnavailable where
    a package or the weights are missing; ValueError for an unknown extractor.
    """
    extractor = load(extractor_name, weights)
    moments = frames_at(path, extractor.frames_per_second)
    first = next(moments, None)
    if first is None:
        raise UnreadableVideo(f"{path} holds no frame that can be decoded")
    return extractor.extract(chain([first], moments))


def extract_to_file(path: str, out: str, extractor: str, weights: str | None = None) -> dict[str, object]:
    """Write a video's features to `out`, whole or not at all, and say what they are.

    Made for a child process: a bad video raises nothing but is said in `unreadable` (else None), and then no file is
    written. Otherwise `extractor`, `version`, `frames_per_second`, `rows`, `columns`, `seconds` and `visible_share`.
    """
    try:
        features = extract(path, extractor, weights=Path(weights) if weights else None)
    except UnreadableVideo as error:
        return {"unreadable": str(error)}
    except MemoryError:
        return {"unreadable": f"{path} takes more memory than an extractor may have"}
    _write_whole(Path(out), to_bytes(features))
    return {
        "unreadable": None,
        "extractor": features.extractor,
        "version": features.extractor_version,
        "frames_per_second": features.frames_per_second,
        "rows": len(features.values),
        "columns": len(features.names),
        "seconds": features.seconds,
        "visible_share": features.visible_share,
    }


def extract_or_tell(path: str, out: str, extractor: str, weights: str | None = None) -> str | None:
    """`extract_to_file` for those who want the file only: what is wrong with the video, or None."""
    told = extract_to_file(path, out, extractor, weights)["unreadable"]
    return None if told is None else str(told)


def _write_whole(path: Path, data: bytes) -> None:
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as file:
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
