"""What a simulated camera makes of a drawn kitchen: the light of the moment, and what can go wrong at the sensor."""

from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from libs.local.drawing.canvas import Image

Spoil = Literal["blurred", "dark", "overexposed", "near_duplicate"]
Light = npt.NDArray[np.float32]


def light_up(image: Image, camera: np.random.Generator, moment: np.random.Generator) -> Light:
    """The camera's colour cast, and the moment's light: how much there is, and a window or door to one side."""
    height, width = image.shape[:2]
    cast = camera.uniform(0.92, 1.06, 3)
    angle, strength = moment.uniform(0, 2 * np.pi), moment.uniform(0.05, 0.35)
    across = np.linspace(-1, 1, width)[None, :] * np.cos(angle) + np.linspace(-1, 1, height)[:, None] * np.sin(angle)
    gain = (moment.uniform(0.78, 1.04) * (1 + strength * across)).astype(np.float32)
    return image * gain[:, :, None] * cast.astype(np.float32)


def expose(light: Light, rng: np.random.Generator, spoil: Spoil | None) -> Image:
    """The picture the sensor delivers, with its noise. A near duplicate is shaken by a pixel and lit a little otherwise.

    An unfocused or starved sensor is given less noise: with more, a blurred picture would measure as a sharp one.
    """
    noise = rng.uniform(2.5, 5.0)
    if spoil == "blurred":
        light, noise = (
            cv2.GaussianBlur(light, (0, 0), light.shape[1] * rng.uniform(0.012, 0.02)).astype(np.float32),
            0.6,
        )
    elif spoil == "dark":
        light, noise = light * np.float32(rng.uniform(0.04, 0.09)), 1.5
    elif spoil == "overexposed":
        light = light * np.float32(rng.uniform(2.4, 3.0)) + 120
    elif spoil == "near_duplicate":
        light = np.roll(light, 1, axis=1) * np.float32(rng.uniform(0.97, 1.03))
    grain = rng.standard_normal(light.shape, dtype=np.float32) * np.float32(noise)
    return np.clip(light + grain, 0, 255).astype(np.uint8)
