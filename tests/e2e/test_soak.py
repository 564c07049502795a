"""Two minutes of the soak; `make soak` is the long one."""

from pathlib import Path

import pytest

from tests.soak.accounts import as_json
from tests.soak.run import soak

pytestmark = [pytest.mark.connected, pytest.mark.slow, pytest.mark.timeout(900)]


async def test_two_minutes_of_kills_and_outages_leave_every_account_balanced(tmp_path: Path) -> None:
    books = await soak(tmp_path, seconds=120)
    assert books.wrong == [], as_json(books)
    assert books.figures["snapshots sent"] > 200, as_json(books)
