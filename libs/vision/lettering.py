"""Words in pictures, Chinese included where a font of the machine has the characters."""

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont
Colour = tuple[int, int, int]

_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "/System/Library/Fonts", "/Library/Fonts", "C:/Windows/Fonts")
# The first that is there; all of them have Latin letters too.
_CHINESE = (
    "NotoSansCJK-Regular.ttc", "NotoSansCJKsc-Regular.otf", "NotoSansSC-Regular.otf", "SourceHanSansSC-Regular.otf",
    "wqy-microhei.ttc", "wqy-zenhei.ttc", "DroidSansFallbackFull.ttf", "PingFang.ttc", "STHeiti Light.ttc", "msyh.ttc",
    "simhei.ttf", "NotoSerifCJK-Regular.ttc",
)  # fmt: skip
_SIMPLIFIED = ("CJK SC", "Microsoft YaHei", "PingFang SC")
_NEVER_FIRST = frozenset("，。；：、！？）》」%")
_NO_CHARACTER = "\U0010ffff"


@lru_cache(maxsize=1)
def chinese_font_file() -> Path | None:
    """A font of this machine with Chinese characters, or None."""
    found = {path.name: path for folder in _FOLDERS for path in Path(folder).rglob("*.[to]t[cf]")}
    return next((found[name] for name in _CHINESE if name in found), None)


@lru_cache(maxsize=16)
def font(size: int, file: Path | None) -> Font:
    """`file` in pixels of `size`; Pillow's own Latin font for None."""
    if file is None:
        own = ImageFont.load_default(size)
        assert isinstance(own, ImageFont.FreeTypeFont)
        return own
    faces = (ImageFont.truetype(str(file), size, index=index) for index in range(10 if file.suffix == ".ttc" else 1))
    first: Font | None = None
    try:
        for face in faces:
            first = first or face
            if any(name in str(face.getname()[0]) for name in _SIMPLIFIED):
                return face
    except OSError:  # the collection has no more faces
        if first is None:
            raise
    assert first is not None
    return first


def can_write(words: str, face: Font) -> bool:
    """Whether the font has every character."""
    missing = _drawn(_NO_CHARACTER, face)
    return all(_drawn(character, face) != missing for character in set(words) if not character.isspace())


def _drawn(character: str, face: Font) -> bytes:
    canvas = Pillow.new("L", (2 * round(face.size), 2 * round(face.size)))
    ImageDraw.Draw(canvas).text((0, 0), character, font=face, fill=255)
    return canvas.tobytes()


def fitted(words: str, face: Font, width: float) -> str:
    """The words, shortened with three points to `width` pixels; empty where not even those fit."""
    if face.getlength(words) <= width:
        return words
    for end in range(len(words) - 1, 0, -1):
        if face.getlength(words[:end].rstrip() + "...") <= width:
            return words[:end].rstrip() + "..."
    return ""


def wrapped(words: str, face: Font, width: float, *, lines: int) -> list[str]:
    """At most `lines` lines of `width` pixels; Chinese breaks anywhere, Latin at spaces; the last one may be shortened."""
    found, line = list[str](), ""
    for part in _breakable(words):
        if line and face.getlength(line + part.rstrip()) > width:
            found.append(line.rstrip())
            line = part.lstrip()
        else:
            line += part
    found.append(line.rstrip())
    kept = found[:lines]
    if len(found) > lines:
        kept[-1] = fitted(" ".join(found[lines - 1 :]), face, width)
    return [fitted(each, face, width) for each in kept]


def _breakable(words: str) -> Iterable[str]:
    """Parts after which a line may end; never right before a punctuation mark."""
    part = ""
    for character, following in zip(words, words[1:] + " ", strict=True):
        part += character
        if (character == " " or ord(character) >= 0x2E80) and following not in _NEVER_FIRST:
            yield part
            part = ""
    if part:
        yield part
