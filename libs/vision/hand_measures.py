"""From two tracked hands and a body to the columns a temporal model reads.

Lengths are in palm lengths (wrist to middle knuckle, median of the clip) and body lengths in shoulder widths, so that
neither the person's size nor the camera's distance counts. Places are relative to the clip's centre of both wrists.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from libs.vision.keypoints import (
    LONGEST_GAP_SECONDS,
    Track,
    chosen,
    fill_gaps,
    held,
    kinematics,
    kinematics_names,
    lengths_between,
    placed,
    point,
)

FloatArray = NDArray[np.float64]

HAND_POINTS = 21
BODY_POINTS = 33
_WRIST, _INDEX_KNUCKLE, _MIDDLE_KNUCKLE, _SMALL_KNUCKLE = 0, 5, 9, 17
_PALM = (0, 5, 9, 13, 17)
_TIPS = {"thumb": 4, "index": 8, "middle": 12, "ring": 16, "small": 20}
_SHAPE = {**_TIPS, "index_knuckle": _INDEX_KNUCKLE, "small_knuckle": _SMALL_KNUCKLE}
_BODY = {"nose": 0, "shoulder_l": 11, "shoulder_r": 12, "elbow_l": 13, "elbow_r": 14, "wrist_l": 15, "wrist_r": 16}
_SHOULDERS = (11, 12)
_NO_SMOOTHING = 1  # rubbing goes to and fro two or three times a second: a mean over frames would rub it out
_FARTHEST = 100.0  # lengths and lengths a second: more is a mistake of the size


@dataclass(frozen=True, slots=True)
class Measures:
    """`values` float [T, D], finite, with their `names`; `visible` float [T], the share of both hands' points in sight."""

    values: FloatArray
    visible: FloatArray
    names: tuple[str, ...]


def measures(hands: Track, body: Track) -> Measures:
    """Of both hands' points [T, 42, 2] (hand 0 first) and the body's [T, 33, 2], in pixels, at one rate.

    Gaps of at most 0.3 s are bridged first and count as seen. What is out of sight stands still where it was last seen;
    what is never seen is zero throughout, and the columns `*.seen` tell.
    """
    hands, body = fill_gaps(hands, LONGEST_GAP_SECONDS), fill_gaps(body, LONGEST_GAP_SECONDS)
    both = [chosen(hands, range(at, at + HAND_POINTS)) for at in (0, HAND_POINTS)]
    palm = _median(*(lengths_between(hand, _WRIST, _MIDDLE_KNUCKLE) for hand in both))
    parts = [_of_hand(hand, f"hand{number}", _wrist_centre(both), palm) for number, hand in enumerate(both)]
    parts += [_of_pair(both, palm), _of_body(body)]
    values = np.concatenate([part for part, _ in parts], axis=1)
    names = tuple(name for _, of_part in parts for name in of_part)
    return Measures(np.clip(values, -_FARTHEST, _FARTHEST), hands.visible.mean(axis=1), names)


_Part = tuple[FloatArray, tuple[str, ...]]


def _of_hand(hand: Track, name: str, centre: Track, palm: float) -> _Part:
    """Where the wrist is, the shape round it, which side it shows, and whether it is seen."""
    wrist = chosen(hand, [_WRIST])
    where, _ = kinematics(placed(wrist, centre, palm), _NO_SMOOTHING)
    round_wrist = placed(chosen(hand, tuple(_SHAPE.values())), wrist, palm)
    shape, _ = kinematics(round_wrist, _NO_SMOOTHING)
    names = (
        *kinematics_names([f"{name}.wrist"]),
        *kinematics_names([f"{name}.{each}" for each in _SHAPE]),
        f"{name}.facing",
        f"{name}.seen",
    )
    return np.concatenate([where, shape, _facing(round_wrist), wrist.visible.astype(np.float64)], axis=1), names


def _facing(shape: Track) -> FloatArray:
    """Positive where the index finger lies clockwise of the small one: palm or back, depending on the hand. [T, 1]"""
    places = held(shape)
    index, small = places[:, -2], places[:, -1]
    return (index[:, 0] * small[:, 1] - index[:, 1] * small[:, 0])[:, None]


def _of_pair(both: list[Track], palm: float) -> _Part:
    """The way from hand 0 to hand 1, how it changes along and across, and how near the fingers are to the other palm."""
    here, there = (point(hand, _PALM) for hand in both)
    way, _ = kinematics(placed(there, here, palm), _NO_SMOOTHING)
    offset, velocity = way[:, 0:2], way[:, 2:4]
    distance = np.linalg.norm(offset, axis=1, keepdims=True)
    along = offset / np.maximum(distance, 1e-9)
    closing = (velocity * along).sum(axis=1, keepdims=True)
    sliding = (velocity[:, [1]] * along[:, [0]]) - (velocity[:, [0]] * along[:, [1]])
    touches = [_nearest_tip(hand, palm_of, palm) for hand, palm_of in ((both[0], there), (both[1], here))]
    names = (
        *kinematics_names(["pair.way"]),
        *("pair.distance", "pair.closing", "pair.sliding", "pair.tips0_to_palm1", "pair.tips1_to_palm0"),
    )
    return np.concatenate([way, distance, closing, sliding, *touches], axis=1), names


def _nearest_tip(hand: Track, palm_centre: Track, palm: float) -> FloatArray:
    tips = held(placed(chosen(hand, tuple(_TIPS.values())), palm_centre, palm))
    return np.linalg.norm(tips, axis=2).min(axis=1)[:, None]


def _of_body(body: Track) -> _Part:
    """Head and arms relative to the middle of the shoulders."""
    width = _median(lengths_between(body, *_SHOULDERS))
    upper = placed(chosen(body, tuple(_BODY.values())), point(body, _SHOULDERS), width)
    values, visible = kinematics(upper, _NO_SMOOTHING)
    return np.concatenate([values, visible[:, None]], axis=1), (
        *kinematics_names([f"body.{each}" for each in _BODY]),
        "body.seen",
    )


def _wrist_centre(both: list[Track]) -> Track:
    """One place for the whole clip: the median of all wrists seen, so that movements of both hands together stay."""
    wrists = np.concatenate([hand.points[hand.visible[:, _WRIST], _WRIST] for hand in both])
    centre = np.median(wrists, axis=0) if len(wrists) else np.zeros(2)
    frames = len(both[0].points)
    places = np.broadcast_to(centre, (frames, 1, 2)).astype(np.float64)
    return Track(places, np.ones((frames, 1), dtype=np.bool_), both[0].frames_per_second)


def _median(*lengths: FloatArray) -> float:
    """The median length, 1 where there is none: nothing was seen then, and nothing is measured."""
    known = np.concatenate(lengths)
    return max(float(np.median(known)), 1e-6) if len(known) else 1.0
