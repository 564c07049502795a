"""`python -m libs.local.guardian DATA_FOLDER`: ends a stack whose supervisor died without ending it.

It holds the reading end of a pipe and waits. The kernel closes the other end when the supervisor is gone, however it
went (kill -9 too), on every system alike. After an orderly stop no record is left and nothing is done. Its lock tells
the next supervisor to wait until it is done.
"""

import os
import sys
from pathlib import Path

from libs.local.locks import holding


def lock_path(data_folder: Path) -> Path:
    """The lock a guardian holds as long as it lives."""
    return data_folder / "run" / "guardian.lock"


def main() -> None:
    """Wait until nobody holds the other end of standard input, then end what is left of the data folder."""
    data_folder = Path(sys.argv[1])
    with holding(lock_path(data_folder)):
        os.write(sys.stdout.fileno(), b"watching\n")
        while os.read(sys.stdin.fileno(), 4096):
            pass
        # Imported late: while it waits, the guardian costs little more than a bare interpreter.
        from libs.local.records import end_recorded

        end_recorded(data_folder, except_pids={os.getpid()})


if __name__ == "__main__":
    main()
