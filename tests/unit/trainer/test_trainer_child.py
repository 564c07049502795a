"""The border to the child process: small programs stand in for a training."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from libs.common.errors import Transient
from services.trainer import child
from services.trainer.child import TrainingChild
from services.trainer.domain import Logged

LOG = 'print(\'{"type":"log","seq":%d,"at":"2026-03-02T12:00:00Z","level":"info","text":"t"}\', flush=True)'


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file to fill; it runs instead of the training."""
    path = tmp_path / "program.py"
    launcher = tmp_path / "python"
    launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "{path}"\n')
    launcher.chmod(0o755)
    monkeypatch.setattr(child.sys, "executable", str(launcher))
    return path


async def heard(program: Path, text: str, *, silence_seconds: float = 20) -> tuple[list[int], str]:
    """Sequence numbers of the log lines that came through, and the last words."""
    program.write_text(text)
    async with TrainingChild(program, silence_seconds=silence_seconds) as running:
        lines = [line.seq async for line in running.lines() if isinstance(line, Logged)]
        return lines, await running.last_words()


async def test_lines_come_through_and_junk_between_them_does_not(program: Path) -> None:
    text = f"import sys\n{LOG % 1}\nprint('junk')\nsys.stdout.buffer.write(b'\\xff' * 9_000_000 + b'\\n')\n{LOG % 2}\n"
    assert await heard(program, text) == ([1, 2], "exit code 0.")


async def test_a_child_that_dies_leaves_its_last_words(program: Path) -> None:
    text = "import sys\nsys.stderr.write('x' * 500_000 + 'CUDA error: the end')\nsys.exit(3)"
    lines, words = await heard(program, text)
    assert lines == []
    assert words.startswith("exit code 3. x")
    assert words.endswith("CUDA error: the end")
    assert len(words) < 2100


async def test_silence_ends_the_child(program: Path) -> None:
    program.write_text(f"import os, time\n{LOG % 1}\ntime.sleep(60)")
    running = TrainingChild(program, silence_seconds=0.4)

    async def listen() -> None:
        async with running:
            async for _ in running.lines():
                pass

    with pytest.raises(Transient, match="made no progress for 0 s and was killed"):
        await listen()
    assert running.process.returncode == -9


async def test_whatever_happens_nobody_stays_behind(program: Path, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    program.write_text(
        "import os, signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\npid = os.fork()\n"
        f"if pid:\n    open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{pid}}')\n    {LOG % 1}\ntime.sleep(60)"
    )

    async def fail() -> None:
        async with TrainingChild(program, silence_seconds=20) as running:
            async for _ in running.lines():
                await running.ask_to_stop()
                raise KeyError

    with pytest.raises(KeyError):
        await fail()
    for pid in map(int, pids.read_text().split()):
        await _gone(pid)


async def _gone(pid: int) -> None:
    async with asyncio.timeout(5):
        while _runs(pid):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
