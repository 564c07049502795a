"""What the children of `test_hostile_children.py` do: a module of its own, quickly imported by each."""

import os
import time
from collections.abc import Iterator


def pid() -> int:
    return os.getpid()


def die() -> None:
    os._exit(9)


def sleep(seconds: float) -> None:
    time.sleep(seconds)


def take(megabytes: int) -> int:
    return len(bytearray(megabytes << 20))


def count(to: int, *, then: str = "") -> Iterator[int]:
    yield from range(to)
    _end(then)


def count_and(to: int, then: str) -> Iterator[int]:
    yield from count(to, then=then)


def _end(then: str) -> None:
    match then:
        case "die":
            os._exit(9)
        case "sleep":
            time.sleep(60)
        case "raise":
            raise ZeroDivisionError("at the end")
        case _:
            return
