"""Augmentation of patches one by one, on the CPU, with counted randomness."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np

from pcam.config import registry
from pcam.config.sections import AugConfig
from pcam.data.base import Indices, Pixels
from pcam.data.randomness import Purpose, Stream
from pcam.errors import DataError

if TYPE_CHECKING:
    from pcam.data.augment.recipes import Transform

SQUARE_NEEDED = "aug: quarter turns need square patches; set a crop, or aug=none or aug=keras"


class Augmentation:
    """A recipe, drawn anew for each (seed, epoch, patch).

    The draws belong to the patch, not to a worker: albumentations' own streams are the same in
    every worker and in every epoch (AlbumentationsX #266).

    Args:
        config: the config's ``aug``.
        seed: of the draws.
    """

    def __init__(self, config: AugConfig, seed: int) -> None:
        import albumentations as A

        transforms: list[Transform] = registry.augmentations.get(config.name).target(config)
        self._stream = Stream(seed, Purpose.AUGMENTATION)
        self._python = random.Random()
        self._compose = A.Compose(transforms) if transforms else None
        if self._compose is not None:
            self._compose.set_random_state(self._stream.generator, self._python)

    def __call__(self, patches: Pixels, draws: Indices, epoch: int) -> Pixels:
        """Augment a batch.

        Args:
            patches: uint8 (n, H, W, 3); not changed.
            draws: (n,), the number of each patch's draws; see ``BatchRequest``.
            epoch: of the draws.

        Returns:
            uint8 (n, H, W, 3).

        Raises:
            DataError: a quarter turn is drawn and the patches are not square.
        """
        if self._compose is None:
            return patches
        out = np.empty_like(patches, order="C")
        for i, number in enumerate(draws):
            self._python.seed(int(self._stream.at(epoch, int(number)).integers(1 << 62)))
            image = self._compose(image=np.ascontiguousarray(patches[i]))["image"]
            if image.shape != patches.shape[1:]:
                raise DataError(SQUARE_NEEDED)
            out[i] = image
        return out


def require_square(config: AugConfig, size: tuple[int, int]) -> None:
    """Make sure that patches are square where an augmentation makes quarter turns.

    Args:
        config: the config's ``aug``.
        size: height and width of the patches that it is applied to.

    Raises:
        DataError: they are not.
    """
    height, width = size
    turns = registry.augmentations.get(config.name).details.get("quarter_turns")
    if turns and height != width:
        raise DataError(f"{SQUARE_NEEDED} (they are {width}x{height} pixels)")
