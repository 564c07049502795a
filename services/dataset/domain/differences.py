"""How a version differs from its parent: a merge of two manifests sorted by sample id."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from libs.common.manifests import ID_PLACE

Difference = Literal["added", "removed", "changed"]


@dataclass(frozen=True)
class Change:
    """What happened to a sample between two versions."""

    sample_id: UUID
    what: Difference


def differences(before: Iterable[bytes], after: Iterable[bytes]) -> Iterator[Change]:
    """Changes from one manifest's raw lines to another's, by sample id."""
    olds, news = iter(before), iter(after)
    old, new = next(olds, None), next(news, None)
    while old is not None or new is not None:
        if new is None or (old is not None and old[ID_PLACE] < new[ID_PLACE]):
            yield _change(old or b"", "removed")
            old = next(olds, None)
        elif old is None or new[ID_PLACE] < old[ID_PLACE]:
            yield _change(new, "added")
            new = next(news, None)
        else:
            if old != new:
                yield _change(new, "changed")
            old, new = next(olds, None), next(news, None)


def _change(line: bytes, what: Difference) -> Change:
    return Change(UUID(line[ID_PLACE].decode()), what)
