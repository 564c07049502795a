"""Loopback ports that stay the same from one start to the next, as long as nobody else took them."""

import errno
import json
import random
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from libs.local.files import write_atomically

# Below the ports that Linux (32768 and up) and macOS (49152 and up) lend to outgoing connections: a server that is down
# for a minute must find its port free again.
_CHOICE = range(20000, 32000)
_given_out: set[int] = set()
_claims: dict[int, socket.socket] = {}


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def claim(port: int) -> bool:
    """Whether this process may hand the port to a server of its own; it is then no other camloop's until this one ends.

    A port is looked at long before its server listens. Two camloops that start at once would both find it free.
    """
    if port not in _claims and sys.platform == "linux":
        # A name without a file: it goes with the process, however that ends.
        lock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            lock.bind(f"\0camloop-port-{port}")
        except OSError as error:
            lock.close()
            if error.errno == errno.EADDRINUSE:
                return False
        else:
            _claims[port] = lock
    return is_free(port)


def free_port() -> int:
    """A loopback port nobody listens on and this process has not given out before."""
    for port in random.sample(_CHOICE, k=1000):
        if port not in _given_out and claim(port):
            _given_out.add(port)
            return port
    raise RuntimeError(
        f"No free port among 1000 tried in {_CHOICE.start}-{_CHOICE.stop}: end programs that listen there"
    )


class PortBook:
    """Remembers in one JSON file which name has which port; a taken port is replaced, a free one kept."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def port(self, name: str, *, preferred: int | None = None) -> int:
        """The remembered port when free, else the preferred one, else any free one; the answer is remembered."""
        ports = dict(self._read())
        wanted = [port for port in (ports.get(name), preferred) if port is not None]
        taken = {port for other, port in ports.items() if other != name}
        chosen = next((port for port in wanted if port not in taken and claim(port)), None) or free_port()
        ports[name] = chosen
        write_atomically(self._path, json.dumps(ports, indent=1, sort_keys=True))
        return chosen

    def _read(self) -> Mapping[str, int]:
        if not self._path.exists():
            return {}
        return cast("dict[str, int]", json.loads(self._path.read_text()))
