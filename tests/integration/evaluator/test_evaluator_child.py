"""The child process: it answers, it tells its progress, it fails with its own error, and it never outlives the work."""

import asyncio
import multiprocessing
from dataclasses import replace
from pathlib import Path

import pytest
from evaluator_kit import CLASSES, colour_detector, quiet

from libs.common.children import ChildTooSlow, Limits
from libs.common.errors import Permanent
from services.evaluator.domain.detection_assignment import DetectionAssignment
from services.evaluator.runner.child import judging_child
from services.evaluator.runner.judging import judge

LIMITS = Limits(memory_bytes=8_000_000_000, seconds=60)


async def test_the_child_answers_as_the_function_does_and_tells_its_progress(assignment: DetectionAssignment) -> None:
    told: list[tuple[str, int, int]] = []
    async with judging_child(lambda *step: told.append(step), LIMITS) as judge_in_child:
        answer = await judge_in_child(assignment)

    alike = {"latency_p50_ms": None, "latency_p95_ms": None}
    here = judge(assignment, quiet)
    assert answer.metrics | alike == here.metrics | alike
    assert (answer.per_class, answer.per_camera, answer.reasons) == (here.per_class, here.per_camera, here.reasons)
    assert ("looking at the pictures", 4, 4) in told
    assert multiprocessing.active_children() == []


async def test_an_error_of_the_child_arrives_as_itself(assignment: DetectionAssignment, tmp_path: Path) -> None:
    broken = replace(assignment.model, path=colour_detector(tmp_path / "odd.onnx", CLASSES, last_index=9))
    async with judging_child(quiet, LIMITS) as judge_in_child:
        with pytest.raises(Permanent, match="class 9"):
            await judge_in_child(replace(assignment, model=broken))


async def test_a_child_that_waits_ends_when_fetching_fails() -> None:
    async def fetch_in_vain() -> None:
        async with judging_child(quiet, LIMITS):
            await asyncio.sleep(0.2)
            assert len(multiprocessing.active_children()) == 1
            raise Permanent("gone")

    with pytest.raises(Permanent, match="gone"):
        await fetch_in_vain()
    assert multiprocessing.active_children() == []


async def test_cancelling_the_work_kills_the_child(assignment: DetectionAssignment) -> None:
    started = asyncio.Event()

    async def work() -> None:
        async with judging_child(lambda *_: started.set(), LIMITS) as judge_in_child:
            many = assignment.pictures["test"] * 5000
            await judge_in_child(replace(assignment, pictures={"test": many, "val": ()}))

    task = asyncio.ensure_future(work())
    async with asyncio.timeout(90):
        await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert multiprocessing.active_children() == []


async def test_a_child_that_falls_silent_is_ended(assignment: DetectionAssignment) -> None:
    async with judging_child(quiet, replace(LIMITS, seconds=0.02)) as judge_in_child:
        with pytest.raises(ChildTooSlow, match=r"no progress for 0\.02 s"):  # it still loads its libraries
            await judge_in_child(assignment)
    assert multiprocessing.active_children() == []
