"""The diffs in CONTRIBUTING.md apply to the tree as it stands."""

import re
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
TEXT = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
DIFFS = re.findall(r"^## (Add .*?)$.*?^```diff\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)


def test_there_are_the_four_of_them() -> None:
    assert [title for title, _ in DIFFS] == ["Add an event", "Add a service", "Add a workflow", "Add a back-end"]


@pytest.mark.parametrize("diff", [diff for _, diff in DIFFS], ids=[title for title, _ in DIFFS])
def test_a_diff_applies(diff: str) -> None:
    command = ["git", "apply", "--check", "-"]
    checked = subprocess.run(command, input=diff, text=True, capture_output=True, cwd=REPOSITORY, check=False)
    assert checked.returncode == 0, checked.stderr
