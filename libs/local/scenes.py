"""Draws what simulated cameras see: plant-kitchen scenes with their true boxes, good ones and spoiled ones.

The same seed and camera give the same picture: demo, tests and measurements draw instead of shipping pictures.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from libs.local.drawing import sensor
from libs.local.drawing.canvas import Canvas, Image
from libs.local.drawing.kitchen import draw_goods, draw_kitchen
from libs.local.drawing.people import Person, draw_person, somebody
from libs.local.drawing.sensor import Spoil
from libs.vision.boxes import Annotation, Box
from libs.vision.hashing import hamming, perceptual_hash

Workflow = Literal["hairnet", "behavior"]
Expectation = Literal["usable", "blurred", "dark", "overexposed", "near_duplicate"]

LABELS: Mapping[Workflow, tuple[str, ...]] = {
    "hairnet": ("hairnet", "no_hairnet"),
    "behavior": ("mask", "no_mask", "apron", "no_apron"),
}
_SUPERSAMPLE = 2
_VISIBLE_ENOUGH = 0.65
# Cleaning counts 10 bits or less as nearly the same; JPEG moves a few more.
_UNLIKE = 14


@dataclass(frozen=True)
class Scene:
    """One drawn picture (BGR, uint8 [height, width, 3]) and what is truly in it, boxes in its pixels."""

    image: Image
    annotations: tuple[Annotation, ...]


@dataclass(frozen=True)
class SceneShot:
    """A snapshot as a simulated camera sends it, with the truth a reviewer would find and what cleaning should say."""

    camera_id: str
    captured_at: datetime
    jpeg: bytes
    annotations: tuple[Annotation, ...]
    expect: Expectation

    @property
    def sha256(self) -> str:
        """By this digest a reviewer recognises the snapshot."""
        return hashlib.sha256(self.jpeg).hexdigest()


def draw_scene(
    seed: int,
    camera: str,
    *,
    people: int | None = None,
    size: tuple[int, int] = (320, 240),
    spoil: Spoil | None = None,
    workflow: Workflow = "hairnet",
) -> Scene:
    """Draws scene `seed` before `camera`: `people` are 1 to 3, by lot where not given; `size` is width, height.

    A spoiled scene holds what the good one of the same seed holds, taken badly; `near_duplicate` is it taken once more.
    """
    moment = np.random.default_rng((seed, _number(camera)))
    count = people if people is not None else int(moment.integers(1, 4))
    canvas, annotations = _draw_moment(moment, camera, count, size, workflow)
    flat = cv2.resize(canvas.image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    light = sensor.light_up(flat, np.random.default_rng((_number(camera), 1)), moment)
    noise = np.random.default_rng((seed, _number(camera), _number(spoil or "")))
    return Scene(sensor.expose(light, noise, spoil), annotations)


def camera_series(
    camera: str,
    count: int,
    seed: int = 0,
    *,
    spoiled: Mapping[Spoil, int] | None = None,
    start: datetime = datetime(2026, 1, 5, 6, tzinfo=UTC),
    every: timedelta = timedelta(minutes=30),
    size: tuple[int, int] = (320, 240),
    workflow: Workflow = "hairnet",
) -> Iterator[SceneShot]:
    """Yields `count` usable snapshots of one camera in the order of time, and among them the `spoiled` ones, by kind.

    Usable ones differ from each other by more than 10 bits of perceptual hash. A near duplicate follows its original
    by 2 s. For several batches that must not repeat each other draw one long series and cut it.
    """
    plan = _plan(np.random.default_rng((seed, _number(camera), 2)), count, spoiled or {})
    seen: list[int] = []
    moment, scene_seed = start, 0
    for number, expect in enumerate(plan):
        if expect == "near_duplicate":
            moment += timedelta(seconds=2)
        else:
            moment = start + number * every
            scene_seed = _unlike_seed(seen, camera, (seed * 10_000 + number) * 100, size, workflow)
        spoil = None if expect == "usable" else expect
        scene = draw_scene(scene_seed, camera, size=size, spoil=spoil, workflow=workflow)
        yield SceneShot(camera, moment, _jpeg(scene.image), scene.annotations, expect)


def write_shot(shot: SceneShot, folder: Path, *, annotated: bool = False) -> Path:
    """Lays a snapshot into a camera's folder, beside it `<name>.json` with its time and, if wanted, its annotations.

    The picture appears last and at once, so a camera that watches the folder never reads half of it.
    """
    facts: dict[str, object] = {"captured_at": shot.captured_at.isoformat()}
    if annotated:
        facts["annotations"] = [{"label": each.label, "box": each.box} for each in shot.annotations]
    path = folder / f"{shot.captured_at:%Y%m%dT%H%M%S}-{shot.sha256[:8]}.jpg"
    path.with_name(f"{path.name}.json").write_text(json.dumps(facts), encoding="utf-8")
    partial = path.with_suffix(".partial")
    partial.write_bytes(shot.jpeg)
    return partial.rename(path)


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4])


def _plan(rng: np.random.Generator, count: int, spoiled: Mapping[Spoil, int]) -> list[Expectation]:
    """What each snapshot of a series shall be: the first usable, a near duplicate right after a usable one."""
    repeated = spoiled.get("near_duplicate", 0)
    if count < max(1, repeated):
        raise ValueError(f"{count} usable snapshots are too few for {repeated} near duplicates: ask for more of them")
    rest: list[Expectation] = ["usable" for _ in range(count - 1)]
    for kind, times in spoiled.items():
        rest.extend(kind for _ in range(times if kind != "near_duplicate" else 0))
    plan: list[Expectation] = ["usable"]
    plan += [rest[place] for place in rng.permutation(len(rest))]
    usable = [place for place, expect in enumerate(plan) if expect == "usable"]
    for place in sorted(rng.choice(usable, repeated, replace=False), reverse=True):
        plan.insert(int(place) + 1, "near_duplicate")
    return plan


def _unlike_seed(seen: list[int], camera: str, first: int, size: tuple[int, int], workflow: Workflow) -> int:
    """The first seed from `first` on whose scene looks unlike all seen before; remembers what it looks like."""
    for seed in range(first, first + 100):
        look = perceptual_hash(draw_scene(seed, camera, size=size, workflow=workflow).image)
        if all(hamming(look, other) >= _UNLIKE for other in seen):
            seen.append(look)
            return seed
    raise ValueError(f"Camera {camera} has seen {len(seen)} scenes and no unlike one is left: ask for fewer")


def _jpeg(image: Image) -> bytes:
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def _draw_moment(
    rng: np.random.Generator, camera: str, count: int, size: tuple[int, int], workflow: Workflow
) -> tuple[Canvas, tuple[Annotation, ...]]:
    """Draws until all that is annotated is seen well enough: nobody could judge what hides behind somebody."""
    while True:
        canvas = Canvas(size[0] * _SUPERSAMPLE, size[1] * _SUPERSAMPLE)
        draw_kitchen(canvas, np.random.default_rng(_number(camera)))
        draw_goods(canvas, rng)
        # Behaviour is judged by the face.
        crew = [somebody(rng, canvas.aspect, from_behind=workflow == "hairnet") for _ in range(count)]
        annotations, visible = _draw_crew(canvas, sorted(crew, key=lambda person: person.size), workflow)
        if visible >= _VISIBLE_ENOUGH:
            return canvas, annotations


def _draw_crew(canvas: Canvas, crew: Sequence[Person], workflow: Workflow) -> tuple[tuple[Annotation, ...], float]:
    """Draws the people, the farthest (smallest) first; returns what to annotate and the seen share of the least seen."""
    annotations: list[Annotation] = []
    drawn: list[tuple[int, int]] = []
    for number, person in enumerate(crew):
        head, torso, rest = 3 * number + 1, 3 * number + 2, 3 * number + 3
        draw_person(canvas, person, head=head, torso=torso, rest=rest)
        for label, owner in _labels(person, workflow, head=head, torso=torso):
            annotations.append(Annotation(label, _extent(canvas, owner)))
            drawn.append((owner, cv2.countNonZero(canvas.drawn_by(owner))))
    visible = min(cv2.countNonZero(canvas.drawn_by(owner)) / pixels for owner, pixels in drawn)
    return tuple(annotations), visible


def _labels(person: Person, workflow: Workflow, *, head: int, torso: int) -> Iterator[tuple[str, int]]:
    if workflow == "hairnet":
        yield ("no_hairnet" if person.hairnet is None else "hairnet"), head
        return
    yield ("mask" if person.mask else "no_mask"), head
    yield ("no_apron" if person.apron is None else "apron"), torso


def _extent(canvas: Canvas, owner: int) -> Box:
    x, y, width, height = cv2.boundingRect(canvas.drawn_by(owner))
    x1, y1, x2, y2 = (edge / _SUPERSAMPLE for edge in (x, y, x + width, y + height))
    return x1, y1, x2, y2
