"""More of the same: bytes and JSON of the tables, spoilt at random. A seed gives the same inputs for ever."""

import json
import random
from collections.abc import Callable
from typing import Any

NASTY_JSON: list[Any] = [
    None, True, False, -1, 0, 10**30, -(10**30), 1e308, -0.0, "", " ", "\x00", "../../etc/passwd", "x" * 5000, "工厂", "\u202e", [],
    {}, [[[[]]]], {"a": {"b": {}}}, [1] * 300, "2099-01-01T00:00:00Z", "s3://camloop/../x", "NaN", 7.5,
]  # fmt: skip
NASTY_TEXT = [
    "NaN",
    "Infinity",
    "1e999",
    '"\\ud800"',
    "9" * 400,
    "[" * 300 + "]" * 300,
    "",
    "{",
    '"\\u0000"',
    "-",
    "nul",
]
NASTY_BYTES = [
    b"\x00",
    b"\xff",
    b"\xff\xd9",
    b"\xff\xda",
    b"\x7f\xff\xff\xff",
    b"IEND",
    b"\r\n--b",
    b"\xef\xbb\xbf",
    b"%00",
    b"<svg",
]


class Mutator:
    """Spoils what it is given."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def choice(self, things: list[Any]) -> Any:
        """One of them."""
        return self.random.choice(things)

    def spoilt_bytes(self, data: bytes) -> bytes:
        """One to four changes: a bit, a cut, a piece twice, out, or strange ones in."""
        for _ in range(self.random.randint(1, 4)):
            data = self.choice([self._flipped, self._cut, self._repeated, self._inserted, self._without])(data)
        return data

    def spoilt_value(self, value: Any) -> Any:
        """A JSON value with one or two nodes replaced, left out, or put where they do not belong."""
        for _ in range(self.random.randint(1, 2)):
            value = self._changed(value, depth=self.random.randint(0, 4))
        return value

    def spoilt_json(self, value: Any) -> bytes:
        """As text: spoilt as a value, then perhaps as text or as bytes."""
        text = json.dumps(self.spoilt_value(value))
        way = self.random.random()
        if way < 0.25:
            at = self.random.randint(0, len(text))
            text = text[:at] + self.choice(NASTY_TEXT) + text[at + self.random.randint(0, 3) :]
        data = text.encode(errors="surrogatepass")
        return self.spoilt_bytes(data) if way > 0.85 else data

    def _changed(self, value: Any, *, depth: int) -> Any:
        if isinstance(value, dict) and value and depth:
            return self._changed_object(dict(value), depth)
        if isinstance(value, list) and value and depth:
            at = self.random.randrange(len(value))
            return [*value[:at], self._changed(value[at], depth=depth - 1), *value[at + 1 :]]
        return self.choice(NASTY_JSON)

    def _changed_object(self, value: dict[str, Any], depth: int) -> dict[str, Any]:
        name = self.choice(sorted(value))
        way = self.random.random()
        if way < 0.15:
            del value[name]
        elif way < 0.25:
            value[self.choice(["", "x" * 300, "\x00", name.upper(), name + " "])] = value.pop(name)
        else:
            value[name] = self._changed(value[name], depth=depth - 1)
        return value

    def _flipped(self, data: bytes) -> bytes:
        changed = bytearray(data)
        for _ in range(self.random.randint(1, 12)):
            if changed:
                # The header is where decoders decide: half of the changes go there.
                end = min(len(changed), 64) if self.random.random() < 0.5 else len(changed)
                changed[self.random.randrange(end)] ^= 1 << self.random.randrange(8)
        return bytes(changed)

    def _cut(self, data: bytes) -> bytes:
        return data[: self.random.randint(0, len(data))]

    def _repeated(self, data: bytes) -> bytes:
        start, end = self._span(data)
        return data[:end] + data[start:end] * self.random.randint(1, 20) + data[end:]

    def _without(self, data: bytes) -> bytes:
        start, end = self._span(data)
        return data[:start] + data[end:]

    def _inserted(self, data: bytes) -> bytes:
        at = self.random.randint(0, len(data))
        return data[:at] + self.choice(NASTY_BYTES) * self.random.randint(1, 30) + data[at:]

    def _span(self, data: bytes) -> tuple[int, int]:
        start = self.random.randint(0, len(data))
        return start, min(len(data), start + self.random.randint(0, 200))


Spoil = Callable[[bytes], bytes]
