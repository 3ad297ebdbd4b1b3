"""The map as a pyramidal TIFF, whose resolution tags place it over the slide."""

import io
import warnings

import numpy as np
from numpy.typing import NDArray

from pcam.slides.grid import Floats

TILE = 256  # pixels of a tile's side
SMALLEST = 256  # pixels of the longer side of the last level
MICROMETRES_PER_CENTIMETRE = 10_000.0


def probability_tiff(probability: Floats, mpp: float) -> bytes:
    """Return a map as a TIFF: float32, tiled, each level half of the one before.

    Args:
        probability: float64 (rows, columns); NaN where there is no answer.
        mpp: micrometres per cell.
    """
    from tifffile import TiffWriter

    buffer = io.BytesIO()
    level = probability.astype(np.float32)
    resolution = MICROMETRES_PER_CENTIMETRE / mpp
    with TiffWriter(buffer) as file:
        is_reduced = False
        while True:
            file.write(
                level,
                tile=(TILE, TILE),
                compression="zlib",
                photometric="minisblack",
                subfiletype=int(is_reduced),
                resolution=(resolution, resolution),
                resolutionunit="CENTIMETER",
                metadata=None,
                software="pcam",
            )
            if max(level.shape) <= SMALLEST:
                break
            level = halve(level)
            resolution /= 2
            is_reduced = True
    return buffer.getvalue()


def halve(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a map of half the size: the means of 2x2 cells, of those that have an answer.

    Args:
        values: float32 (rows, columns).
    """
    rows, columns = -(-values.shape[0] // 2), -(-values.shape[1] // 2)
    padded = np.full((2 * rows, 2 * columns), np.nan, np.float32)
    padded[: values.shape[0], : values.shape[1]] = values
    squares = padded.reshape(rows, 2, columns, 2)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice")
        return np.asarray(np.nanmean(squares, axis=(1, 3)), np.float32)
