"""Draws a planned hand wash as a short video: the basin, the hands over it, and what the camera makes of them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt

from libs.local.drawing.arms import Projection, Washer, draw_hands, draw_one_arm, on_hand, washer_of
from libs.local.drawing.canvas import Image
from libs.local.drawing.gestures import UNSEEN, pose
from libs.local.drawing.hands import Hand, Hands, between
from libs.local.drawing.sink import covered_lens, draw_sink, draw_tap, draw_water, outlook_of, projection
from libs.local.drawing.wash_acts import Act
from libs.local.drawing.wash_plans import WashPlan, number_of

Bubbles = npt.NDArray[np.float64]

_CHANGE_SECONDS = 0.3
_BUBBLES = 22
_NOISE_MARGIN = 48


def draw_wash(plan: WashPlan, out: Path, *, quality: int = 27) -> Path:
    """Writes the clip as MP4 (H.264) to `out`, which appears at once and whole. `quality` is x264's rate factor.

    Equal plans give equal bytes with one build of the encoder.
    """
    partial = out.with_suffix(".partial")
    # PyAV types its writing side in part only.
    output: Any = av.open(str(partial), "w", format="mp4", options={"movflags": "+faststart"})
    with output as container:
        stream = container.add_stream("libx264", rate=Fraction(plan.frames_per_second))
        stream.width, stream.height = plan.size
        stream.pix_fmt = "yuv420p"
        stream.thread_count = 1
        stream.options = {"preset": "ultrafast", "crf": str(quality), "g": str(4 * plan.frames_per_second)}
        for image in wash_frames(plan):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode(None))
    return partial.rename(out)


def wash_frames(plan: WashPlan) -> Iterator[Image]:
    """The clip's frames, uint8 BGR [H, W, 3]."""
    scene = _scene(plan)
    frame = 0
    for number, act in enumerate(plan.acts):
        for passed in range(act.frames):
            yield _drawn(scene, plan, number, passed, frame)
            frame += 1


@dataclass(frozen=True, slots=True, eq=False)
class _Scene:
    """What stays the same in a clip. `gain` is the light, uint8 [H, W, 3], 128 for none changed; `foam` is per hand [N, 3]:
    along and across it and how big; `noise` is int16, larger than a frame."""

    background: Image
    cloth: Image
    project: Projection
    body: Projection
    washer: Washer
    gain: Image
    noise: npt.NDArray[np.int16]
    foam: tuple[Bubbles, Bubbles]
    foaming: npt.NDArray[np.float64]
    passing: "_Passing | None"
    rng: np.random.Generator


@dataclass(frozen=True, slots=True)
class _Passing:
    """Another person's arm that reaches over from one side, from frame `start` for `frames` frames."""

    start: int
    frames: int
    side: int
    height: float
    washer: Washer


def _scene(plan: WashPlan) -> _Scene:
    rng = np.random.default_rng((plan.seed, 1))
    outlook = outlook_of(np.random.default_rng(number_of(plan.camera)))
    project = projection(outlook, plan.size, turn=float(rng.uniform(-3, 3)), zoom=float(rng.uniform(0.96, 1.04)))
    washer = washer_of(np.random.default_rng(number_of(plan.person)))
    background = draw_sink(outlook, plan.size, project)
    return _Scene(
        background=background,
        cloth=covered_lens(rng, plan.size),
        project=project,
        body=_standing(project, washer, rng),
        washer=washer,
        gain=_light(plan.size, rng),
        noise=_noise(plan.size, rng),
        foam=(_bubbles(rng), _bubbles(rng)),
        foaming=_foaming(plan) * float(rng.uniform(0.2, 1.0)),
        passing=_passing(plan, rng),
        rng=rng,
    )


def _drawn(scene: _Scene, plan: WashPlan, number: int, passed: int, frame: int) -> Image:
    act = plan.acts[number]
    image = scene.cloth.copy() if act.action == "covered" else scene.background.copy()
    if act.action not in UNSEEN:
        hands = _hands(plan, number, passed, scene.washer)
        draw_hands(image, hands, scene.washer, scene.body)
        _draw_foam(image, hands, scene, float(scene.foaming[frame]))
        if hands.water > 0.5:
            draw_water(image, scene.project, scene.rng)
    if scene.passing is not None:
        _draw_passing(image, scene.passing, scene.project, frame)
    if act.action != "covered":
        draw_tap(image, scene.project)
    return _sensed(image, scene)


def _hands(plan: WashPlan, number: int, passed: int, washer: Washer) -> Hands:
    """Hands on their way from one act to the next are in both: half of the change lies before its frame, half after."""
    act, rate = plan.acts[number], plan.frames_per_second
    hands = _pose(act, passed, rate, washer)
    since, left = (passed + 0.5) / rate, (act.frames - passed - 0.5) / rate
    if number > 0 and since < _CHANGE_SECONDS / 2 and plan.acts[number - 1].action not in UNSEEN:
        before = plan.acts[number - 1]
        return between(_pose(before, before.frames + passed, rate, washer), hands, 0.5 + since / _CHANGE_SECONDS)
    if number + 1 < len(plan.acts) and left < _CHANGE_SECONDS / 2 and plan.acts[number + 1].action not in UNSEEN:
        after = plan.acts[number + 1]
        return between(hands, _pose(after, passed - act.frames, rate, washer), 0.5 - left / _CHANGE_SECONDS)
    return hands


def _pose(act: Act, passed: int, rate: int, washer: Washer) -> Hands:
    manner = replace(act.manner, rate=act.manner.rate * washer.tempo)
    return pose(act.action, manner, passed / rate, min(1.0, max(0.0, (passed + 0.5) / act.frames)))


def _standing(project: Projection, washer: Washer, rng: np.random.Generator) -> Projection:
    """Where the washer stands before the basin, as a projection of lengths before them."""
    angle, (dx, dy) = np.radians(washer.turn + rng.uniform(-4, 4)), rng.uniform((-0.05, -0.03), (0.05, 0.04))
    turned = washer.size * np.array(((np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))))
    linear = project.matrix[:, :2]
    shift = linear @ np.array((dx, dy)) + project.matrix[:, 2]
    return Projection(np.column_stack((linear @ turned, shift)), project.scale * washer.size)


def _light(size: tuple[int, int], rng: np.random.Generator) -> Image:
    """The moment's light. It is never warmer than daylight: steel must not come out as skin."""
    angle, strength, level = rng.uniform(0, 2 * np.pi), rng.uniform(0.0, 0.15), rng.uniform(0.66, 0.92)
    across = np.linspace(-1, 1, size[0])[None, :] * np.cos(angle) + np.linspace(-1, 1, size[1])[:, None] * np.sin(angle)
    cast = np.array((rng.uniform(1.0, 1.05), 1.0, rng.uniform(0.97, 1.0)))
    gain = 128 * level * (1 + strength * across[:, :, None]) * cast
    return np.clip(np.rint(gain), 1, 255).astype(np.uint8)


def _noise(size: tuple[int, int], rng: np.random.Generator) -> npt.NDArray[np.int16]:
    shape = (size[1] + _NOISE_MARGIN, size[0] + _NOISE_MARGIN, 3)
    return np.rint(rng.standard_normal(shape, dtype=np.float32) * rng.uniform(0.8, 3.0)).astype(np.int16)


def _sensed(image: Image, scene: _Scene) -> Image:
    """In the light of the clip, which flickers a little, and with the sensor's noise."""
    height, width = image.shape[:2]
    y, x = scene.rng.integers(_NOISE_MARGIN, size=2).tolist()
    lit = cv2.multiply(image, scene.gain, scale=float(scene.rng.uniform(0.985, 1.015)) / 128)
    grain = scene.noise[y : y + height, x : x + width]
    return cv2.add(lit, grain, dtype=cv2.CV_8U).astype(np.uint8, copy=False)


def _bubbles(rng: np.random.Generator) -> Bubbles:
    return np.column_stack((
        rng.uniform(-0.08, 0.16, _BUBBLES), rng.uniform(-0.06, 0.06, _BUBBLES), rng.uniform(0.003, 0.012, _BUBBLES)
    ))  # fmt: skip


def _foaming(plan: WashPlan) -> npt.NDArray[np.float64]:
    """How much foam there is at each frame, 0..1: it grows from the soap on and goes with rinsing."""
    amount, change, amounts = 0.0, 0.0, list[float]()
    for act in plan.acts:
        change = {"soap": 0.25, "rinse": -1.2, "away": -1.0}.get(act.action, change)
        for _ in range(act.frames):
            amount = min(1.0, max(0.0, amount + change / plan.frames_per_second))
            amounts.append(amount)
    return np.array(amounts)


def _draw_foam(image: Image, hands: Hands, scene: _Scene, amount: float) -> None:
    shown = round(amount * _BUBBLES)
    for hand, side, bubbles in ((hands.left, -1, scene.foam[0]), (hands.right, 1, scene.foam[1])):
        centres = scene.body(on_hand(hand, side, bubbles[:shown, :2]))
        for (x, y), size in zip(centres.tolist(), bubbles[:shown, 2].tolist(), strict=True):
            radius = max(1, round(size * scene.body.scale))
            cv2.circle(image, (round(x), round(y)), radius, (250, 247, 240), -1, cv2.LINE_AA)
            cv2.circle(image, (round(x), round(y)), radius, (222, 216, 204), 1, cv2.LINE_AA)


def _passing(plan: WashPlan, rng: np.random.Generator) -> _Passing | None:
    lots = rng.random()
    if lots > 0.15 or plan.visible_share < 1:
        return None
    frames = round(rng.uniform(1.2, 2.2) * plan.frames_per_second)
    return _Passing(
        start=int(rng.integers(max(1, plan.frames - frames))),
        frames=frames,
        side=1 if rng.random() < 0.5 else -1,
        height=float(rng.uniform(-0.4, -0.25)),
        washer=washer_of(rng),
    )


def _draw_passing(image: Image, passing: _Passing, project: Projection, frame: int) -> None:
    share = (frame - passing.start) / passing.frames
    if not 0 <= share <= 1:
        return
    reach = 0.75 - 0.28 * float(np.sin(np.pi * share))
    hand = Hand(passing.side * reach, passing.height, -86.0 * passing.side, spread=3)
    draw_one_arm(image, hand, passing.washer, project, elbow=(passing.side * 1.4, passing.height + 0.1))
