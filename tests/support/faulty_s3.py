"""An object store that fails on demand: a proxy in front of the real one, with a mode for every way it can be down."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlparse

ANSWER = (
    "HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
)
BODY = "<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code}</Message></Error>"


@dataclass
class FaultyStore:
    """`mode`: `up`, `down` (connections are cut), `slow` (answers take `delay` seconds), `full` (writes are refused)."""

    target: tuple[str, int]
    mode: str = "up"
    delay: float = 3.0
    fail_once: int = 0
    port: int = 0
    refused: int = 0
    _server: asyncio.Server | None = field(default=None, repr=False)

    @property
    def endpoint(self) -> str:
        """Where services shall look for the store."""
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request after the other."""
        with suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            await self._answer(head, reader, writer)
        writer.close()

    async def _answer(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writes = head.startswith((b"PUT", b"POST"))
        if self.mode == "down":
            self.refused += 1
            return
        if self.mode == "full" and writes:
            await self._refuse(reader, head, writer, "507 Insufficient Storage", "XMinioStorageFull")
        elif self.fail_once > 0 and not head.startswith(b"HEAD"):
            self.fail_once -= 1
            await self._refuse(reader, head, writer, "500 Internal Server Error", "InternalError")
        else:
            if self.mode == "slow":
                await asyncio.sleep(self.delay)
            await self._pass_on(head, reader, writer)

    async def _refuse(
        self, reader: asyncio.StreamReader, head: bytes, writer: asyncio.StreamWriter, status: str, code: str
    ) -> None:
        self.refused += 1
        length = next(
            (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
        )
        await reader.readexactly(length)
        body = BODY.format(code=code)
        writer.write(ANSWER.format(status=status, length=len(body), body=body).encode())
        await writer.drain()

    async def _pass_on(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # One request a connection, so that every request meets the mode of its moment.
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
        upstream_reader, upstream = await asyncio.open_connection(*self.target)
        upstream.write(b"\r\n".join([lines[0], b"Connection: close", *lines[1:]]))
        there = asyncio.ensure_future(_pump(reader, upstream))
        await _pump(upstream_reader, writer)
        there.cancel()
        upstream.close()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while piece := await source.read(1 << 16):
        sink.write(piece)
        await sink.drain()


@asynccontextmanager
async def faulty_store(endpoint: str) -> AsyncIterator[FaultyStore]:
    """The store behind `endpoint`, with faults on demand."""
    parts = urlparse(endpoint)
    store = FaultyStore((parts.hostname or "127.0.0.1", parts.port or 80))
    server = await asyncio.start_server(store.serve, "127.0.0.1", 0, limit=1 << 20)
    store.port = server.sockets[0].getsockname()[1]
    try:
        yield store
    finally:
        server.close()
