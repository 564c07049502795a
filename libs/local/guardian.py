"""`python -m libs.local.guardian DATA_FOLDER`: ends a stack whose supervisor died without ending it.

It holds the reading end of a pipe and waits. The kernel closes the other end when the supervisor is gone, however it
went (kill -9 too), on every system alike. After an orderly stop no record is left and nothing is done.
"""

import os
import sys
from pathlib import Path


def wait_for_the_end(descriptor: int) -> None:
    """Return once nobody holds the writing end any more."""
    while os.read(descriptor, 4096):
        pass


def main() -> None:
    """Wait, then end what is left of the data folder given as argument."""
    data_folder = Path(sys.argv[1])
    wait_for_the_end(sys.stdin.fileno())
    # Imported late: while it waits, the guardian costs only a bare interpreter.
    from libs.local.records import end_recorded

    end_recorded(data_folder, except_pids={os.getpid()})


if __name__ == "__main__":
    main()
