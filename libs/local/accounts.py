"""The account PostgreSQL runs as when root starts it, because it refuses root.

It is an existing account without rights. Its data folder belongs to it, and folders above the data folder and above the
wheel that nobody else may pass get the right to pass (x), not to read. Nothing else on the machine is touched.
"""

import os
import pwd
import stat
from pathlib import Path

from libs.local.failures import PartFailed

ACCOUNTS = ("pgserver", "postgres", "nobody")


def account_to_run_as() -> str | None:
    """The account PostgreSQL runs as: None is ourselves, which only root cannot be."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    for name in ACCOUNTS:
        if name in names:
            return name
    raise PartFailed(f"PostgreSQL refuses to run as root, and none of {', '.join(ACCOUNTS)} exists: run as a user")


def folders_to_open(path: Path) -> list[Path]:
    """The folders above a path that other accounts may not pass: PostgreSQL started by root needs them open."""
    return [folder for folder in path.parents if not folder.stat().st_mode & stat.S_IXOTH]


def open_the_way(path: Path) -> None:
    """Let other accounts pass, not read, every folder above a path."""
    for folder in folders_to_open(path):
        folder.chmod(stat.S_IMODE(folder.stat().st_mode) | stat.S_IXOTH)


def group_of(user: str | None) -> int | None:
    """The main group of an account, None for ourselves."""
    return None if user is None else pwd.getpwnam(user).pw_gid
