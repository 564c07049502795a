"""`python -m libs.common.probe URL`: exit code 0 if it answers 200. A container's health check: its image has no curl."""

import sys
from http import HTTPStatus
from urllib.error import URLError
from urllib.request import urlopen

TIMEOUT_SECONDS = 4.0


def answers(url: str) -> bool:
    """Whether a GET is answered with 200."""
    try:
        with urlopen(url, timeout=TIMEOUT_SECONDS) as answer:
            return answer.status == HTTPStatus.OK
    except (URLError, OSError, ValueError):
        return False


if __name__ == "__main__":
    sys.exit(0 if answers(sys.argv[1]) else 1)
