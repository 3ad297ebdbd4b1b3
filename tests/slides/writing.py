"""Slides on disk: pieces of synthetic tissue on glass, as a pyramidal TIFF."""

from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

from pcam.data.sources.synthetic.source import SyntheticSource

MPP = 0.972  # micrometres per pixel of the patches
SIDE = 96

# What pcam.slide writes for a slide, beside its scores.
FILES = ("heatmap.png", "patches.csv", "probability.tif", "regions.geojson", "summary.json")

Pixels = NDArray[np.uint8]


def tissue(rows: int, columns: int, glass: int = 1) -> Pixels:
    """Return a rectangle of synthetic patches with glass around it, uint8 (H, W, 3).

    Args:
        rows: of patches.
        columns: of patches.
        glass: around them, in sides of a patch.
    """
    source = SyntheticSource("test", rows * columns)
    patches = source.read(np.arange(rows * columns)).reshape(rows, columns, SIDE, SIDE, 3)
    picture = patches.swapaxes(1, 2).reshape(rows * SIDE, columns * SIDE, 3)
    margin = glass * SIDE
    return np.pad(picture, ((margin, margin), (margin, margin), (0, 0)), constant_values=243)


def write_slide(
    path: Path, pixels: Pixels, mpp: float | tuple[float, float] | None = MPP, levels: int = 2
) -> Path:
    """Write a tiled pyramidal TIFF.

    Args:
        path: of the file.
        pixels: (H, W, 3).
        mpp: micrometres per pixel, or those along x and y; None for no resolution.
        levels: of the pyramid.
    """
    resolution = {}
    if mpp is not None:
        x, y = mpp if isinstance(mpp, tuple) else (mpp, mpp)
        resolution = {"resolution": (1e4 / x, 1e4 / y), "resolutionunit": "CENTIMETER"}
    with tifffile.TiffWriter(path) as file:
        for level in range(levels):
            file.write(
                np.ascontiguousarray(pixels),
                tile=(256, 256),
                compression="zlib",
                photometric="rgb",
                subfiletype=int(level > 0),
                metadata=None,
                **resolution,
            )
            pixels = pixels[::2, ::2]
            resolution = {}
    return path
