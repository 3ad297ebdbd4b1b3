"""Augmentation recipes, in albumentations, with counted randomness.

The only module that touches albumentations: 2.0.8 is its last MIT release and is no longer maintained.
"""

import os
import random
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from pcam.config.tables import build, look_up
from pcam.data.base import Indices, Pixels
from pcam.data.randomness import Purpose, Stream
from pcam.errors import DataError

os.environ.setdefault(
    "NO_ALBUMENTATIONS_UPDATE", "1"
)  # else its import asks the network for the newest version


class Augmentation:
    """A recipe, drawn anew for each (seed, epoch, patch).

    The draws belong to the patch, not to a worker: albumentations' own streams are the same in every worker and in every
    epoch (AlbumentationsX #266).
    """

    def __init__(self, settings: Mapping[str, Any], seed: int) -> None:
        import albumentations as A

        rest = {key: value for key, value in settings.items() if key not in ("name", "batched")}
        recipe = build(look_up(RECIPES, settings.get("name"), "aug.name"), rest, "aug")
        self._stream, self._python = Stream(seed, Purpose.AUGMENTATION), random.Random()
        self._compose = A.Compose(recipe) if recipe else None
        if self._compose is not None:
            self._compose.set_random_state(self._stream.generator, self._python)

    def __call__(self, patches: Pixels, indices: Indices, epoch: int) -> Pixels:
        """Augment a batch: uint8 (n, H, W, 3) to the same shape; ``patches`` is left as it was."""
        if self._compose is None:
            return patches
        out = np.empty_like(patches, order="C")
        for i, index in enumerate(indices):
            self._python.seed(int(self._stream.at(epoch, int(index)).integers(1 << 62)))
            image = self._compose(image=np.ascontiguousarray(patches[i]))["image"]
            if image.shape != patches.shape[1:]:
                raise DataError(
                    "aug: quarter turns need square patches; set a crop, or aug=none or keras"
                )
            out[i] = image
        return out


def none() -> list[Any]:
    """Nothing."""
    return []


def dihedral() -> list[Any]:
    """One of the square's eight symmetries, uniformly."""
    import albumentations as A

    return [A.D4(p=1.0)]


def dihedral_color(brightness: float, contrast: float, saturation: float, hue: float) -> list[Any]:
    """Colour jitter of the given strengths, then one of the square's eight symmetries."""
    return [_jitter(brightness, contrast, saturation, hue, 1.0), *dihedral()]


def paper(
    jitter_share: float, brightness: float, contrast: float, saturation: float, hue: float
) -> list[Any]:
    """The study's section 2.7: jitter or not, then one of rotation, flip, or rotation and flip, each as likely."""
    import albumentations as A

    def turn() -> Any:
        return A.RandomRotate90(p=1.0)

    def flip() -> Any:
        return A.OneOf([A.HorizontalFlip(p=1.0), A.VerticalFlip(p=1.0)], p=1.0)

    either = A.OneOf([turn(), flip(), A.Sequential([turn(), flip()], p=1.0)], p=1.0)
    return [_jitter(brightness, contrast, saturation, hue, jitter_share), either]


def keras(
    rotation: float,
    width_shift: float,
    height_shift: float,
    shear: float,
    zoom: float,
    horizontal_flip: bool,
) -> list[Any]:
    """The study's Table 1: one affine map, its outside filled with the nearest pixel, then a horizontal flip."""
    import albumentations as A
    import cv2

    # Keras draws how far the sampling grid is stretched, albumentations how far the picture is: the reciprocal.
    scale = (1 / (1 + zoom), 1 / (1 - zoom))
    affine = A.Affine(
        rotate=(-rotation, rotation),
        translate_percent={"x": (-width_shift, width_shift), "y": (-height_shift, height_shift)},
        shear={"x": (-shear, shear), "y": (0.0, 0.0)},
        scale={"x": scale, "y": scale},
        keep_ratio=False,
        interpolation=cv2.INTER_LINEAR,
        border_mode=cv2.BORDER_REPLICATE,
        p=1.0,
    )
    return [affine, A.HorizontalFlip(p=0.5)] if horizontal_flip else [affine]


def _jitter(brightness: float, contrast: float, saturation: float, hue: float, share: float) -> Any:
    import albumentations as A

    def around(strength: float) -> tuple[float, float]:
        return (max(0.0, 1 - strength), 1 + strength)

    return A.ColorJitter(
        around(brightness), around(contrast), around(saturation), (-hue, hue), p=share
    )


RECIPES: Mapping[str, Callable[..., list[Any]]] = {
    "none": none, "dihedral": dihedral, "dihedral_color": dihedral_color, "paper": paper, "keras": keras,
}  # fmt: skip
