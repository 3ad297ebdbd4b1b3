"""Which square of a patch the network sees."""

from dataclasses import dataclass

import numpy as np

from pcam.data.draws import Purpose, Stream
from pcam.data.source import Indices, Pixels
from pcam.errors import ConfigError, DataError, near

MODES = ("none", "center", "random")


@dataclass(frozen=True)
class Crop:
    """A square cut out of each patch.

    Attributes:
        mode: none, center, or random: a place drawn from (seed, epoch, patch), every offset as likely.
        size: side of the square, pixels; without effect when ``mode`` is none.
        seed: of the draws.
    """

    mode: str
    size: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ConfigError(f"crop: {self.mode} is not known{near(self.mode, MODES)}")
        if self.mode != "none" and (self.size is None or self.size < 1):
            raise ConfigError(f"crop.size={self.size}: a {self.mode} crop needs a size in pixels")

    def __call__(self, patches: Pixels, indices: Indices, epoch: int) -> Pixels:
        """Crop a batch.

        Args:
            patches: uint8 (n, H, W, 3).
            indices: (n,) of the patches in their source.
            epoch: of the draws.

        Returns:
            uint8 (n, size, size, 3); a view where the place is the same for all.

        Raises:
            DataError: the square is larger than the patches.
        """
        if self.mode == "none" or self.size is None:
            return patches
        height, width = patches.shape[1:3]
        if self.size > min(height, width):
            raise DataError(f"crop.size={self.size} is larger than the patches ({width}x{height} pixels)")
        room = np.array([height - self.size, width - self.size])
        if self.mode == "center":
            top, left = room // 2
            return patches[:, top : top + self.size, left : left + self.size]
        cut = np.empty((len(patches), self.size, self.size, 3), np.uint8)
        stream = Stream(self.seed, Purpose.CROP)
        for i, index in enumerate(indices):
            top, left = stream.at(epoch, int(index)).integers(room + 1)
            cut[i] = patches[i, top : top + self.size, left : left + self.size]
        return cut
