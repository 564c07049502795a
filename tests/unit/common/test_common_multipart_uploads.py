"""The parts of a file: whole, in order, of a size stores take, and never too many to list."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from libs.common.multipart_uploads import MOST_PARTS, SMALLEST_PART, parts_of

SMALLEST_OF_S3 = 5 * 1024 * 1024


@given(st.integers(1, 1 << 50))
def test_the_parts_make_the_file(size: int) -> None:
    parts = parts_of(size)
    assert [part.number for part in parts] == list(range(1, len(parts) + 1))
    assert parts[0].offset == 0
    assert all(part.offset + part.bytes == after.offset for part, after in pairwise(parts))
    assert parts[-1].offset + parts[-1].bytes == size
    assert len(parts) <= MOST_PARTS
    assert all(part.bytes >= SMALLEST_OF_S3 for part in parts[:-1])


def test_small_files_have_one_part() -> None:
    assert [part.bytes for part in parts_of(SMALLEST_PART)] == [SMALLEST_PART]
    assert [part.bytes for part in parts_of(SMALLEST_PART + 1)] == [SMALLEST_PART, 1]
