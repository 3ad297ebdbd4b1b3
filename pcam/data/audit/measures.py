"""Measures of single patches: averaged images, perceptual hash, foreign colours, focus, gaps."""

from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from pcam.data.base import Pixels

Floats = NDArray[np.float32]
Grey = NDArray[np.uint8]

HASH_SIDE = 32  # side of the area-averaged image that colour and hash are computed from
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # weights of R, G, B in luminance (ITU-R BT.601)
LINE_CONTRAST = 4  # deviation in grey values from which a row counts as textured
EDGE_STEP = 8  # difference in grey values of an abrupt edge
JPEG_REACH = 16  # rows over which JPEG smears an edge with black or white

# The lowest 8 of the 32 rows of the orthonormal DCT-II.
_DCT = np.cos(
    np.pi / HASH_SIDE * (np.arange(HASH_SIDE) + 0.5) * np.arange(8)[:, None]
).astype(np.float32)  # fmt: skip


def average_areas(patches: Pixels, side: int) -> Floats:
    """Return patches (n, H, W, 3) averaged over areas, float32 (n, side, side, 3)."""
    n, height, width, _ = patches.shape
    if height % side == 0 and width == height:
        # Areas of whole pixels: all patches in one call, one below the other.
        column = patches.reshape(n * height, width, 3)
        small = cv2.resize(column, (side, n * side), interpolation=cv2.INTER_AREA)
        return np.asarray(small.reshape(n, side, side, 3), np.float32)
    # OpenCV averages areas only if both sides shrink. So one side at a time; short ones are
    # interpolated.
    across = cv2.INTER_AREA if width >= side else cv2.INTER_LINEAR
    down = cv2.INTER_AREA if height >= side else cv2.INTER_LINEAR
    resized = []
    for patch in patches:
        narrow = cv2.resize(patch, (side, height), interpolation=across)
        resized.append(cv2.resize(narrow, (side, side), interpolation=down))
    return np.stack(resized).astype(np.float32)


def to_grey(patches: Pixels) -> Grey:
    """Return the luminance of patches (n, H, W, 3), uint8 (n, H, W)."""
    n, height, width, _ = patches.shape
    column = patches.reshape(n * height, width, 3)
    return np.asarray(cv2.cvtColor(column, cv2.COLOR_RGB2GRAY).reshape(n, height, width))


def perceptual_hash(luminance: Floats) -> NDArray[np.uint16]:
    """Return the signs of the lowest 8x8 coefficients of the DCT-II, without the mean.

    The perceptual hash by DCT (Zauner, "Implementation and benchmarking of perceptual image hash
    functions", 2010), here with signs instead of the comparison with the median, and grouped by the
    parity of row and column frequency: (even, even), (even, odd), (odd, even), (odd, odd). A
    mirrored image has the same signs in each group or the opposite ones; a transposed image has
    them transposed. So the hash of each of the square's eight symmetries follows from one hash.

    Args:
        luminance: float32 (n, 32, 32).

    Returns:
        uint16 (n, 4), one bit per sign.
    """
    coefficients = np.matmul(np.matmul(_DCT, luminance), _DCT.T)
    positive = coefficients > 0
    positive[:, 0, 0] = False
    by_parity = positive.reshape(-1, 4, 2, 4, 2).transpose(0, 2, 4, 1, 3).reshape(-1, 4, 16)
    packed = np.packbits(by_parity, axis=-1, bitorder="little")
    return packed.view("<u2").reshape(-1, 4).astype(np.uint16)


def foreign_pixels(small: Floats) -> NDArray[np.bool_]:
    """Return which pixels have colours that haematoxylin and eosin cannot mix: pen, dye, dirt.

    Both stains absorb green most (Ruifrok & Johnston 2001), and so does every mixture by the
    Beer-Lambert law. A pixel is foreign if red or blue is absorbed by more than 0.25 of optical
    density (natural logarithm) above green: green, blue and yellow ink. Or if it is black without
    colour, its brightest channel 2 to 50 and the others at most 12 below: black ink, dirt (no
    scanner sees less than 2; that is a missing picture).

    Args:
        small: float32 (..., H, W, 3), RGB, 0 to 255.

    Returns:
        bool (..., H, W).
    """
    red, green, blue = np.moveaxis(-np.log((small + 1) / 256), -1, 0)
    brightest, darkest = small.max(-1), small.min(-1)
    ink = np.maximum(red, blue) > green + 0.25
    black = (brightest >= 2) & (brightest <= 50) & (brightest - darkest <= 12)
    foreign: NDArray[np.bool_] = ink | black
    return foreign


def sharpness(grey: Grey) -> Floats:
    """Return how sharp patches are, float32 (n,).

    The deviation in the bands finer than a Gaussian of 1 pixel and between Gaussians of 1 and 2
    pixels (their geometric mean), over that between Gaussians of 2 and 4 pixels. A ratio of bands
    depends neither on the stain's strength nor on the amount of tissue.

    Args:
        grey: uint8 (n, H, W).
    """
    n, height, width = grey.shape
    # Patches one below the other, mirrored at their edges so that none blurs into the next.
    pad = min(12, height - 1)
    padded = np.pad(grey, ((0, 0), (pad, pad), (0, 0)), "reflect")
    column = padded.reshape(-1, width).astype(np.float32)
    blurred = [_gaussian(column, sigma) for sigma in (1, 2, 4)]
    levels = [column, *blurred]
    deviations = []
    for finer, coarser in pairwise(levels):
        band = (finer - coarser).reshape(n, -1, width)[:, pad : pad + height]
        deviations.append(band.std((1, 2)))
    fine, middle, coarse = deviations
    return np.asarray(np.sqrt(fine * middle) / np.maximum(coarse, 0.1), np.float32)


def _gaussian(image: Floats, sigma: int) -> Floats:
    size = 6 * sigma + 1
    return np.asarray(cv2.GaussianBlur(image, (size, size), sigma))


def missing_share(grey: Grey) -> Floats:
    """Return the share of rows, or of columns if that is more, without a picture, float32 (n,).

    Args:
        grey: uint8 (n, H, W).
    """
    rows = np.array([_missing_rows(patch) for patch in grey])
    columns = np.array([_missing_rows(patch) for patch in grey.transpose(0, 2, 1)])
    return np.asarray(np.maximum(rows, columns), np.float32)


def _missing_rows(patch: Grey) -> float:
    """Return the share of a patch's rows (H, W) without a picture.

    These are textured rows that repeat the one before, and runs of flat, equal rows that end
    abruptly, as an empty background does not.
    """
    flat = (patch == patch[:, :1]).all(1)
    repeated = (patch[1:] == patch[:-1]).all(1)
    if not (flat.any() or repeated.any()):
        return 0.0
    missing = np.zeros(len(patch), np.bool_)
    missing[1:] = repeated & (patch[1:].std(1) > LINE_CONTRAST)
    continues = flat[:-1] & repeated  # row i + 1 continues the flat run of row i
    starts = np.flatnonzero(flat & ~np.concatenate([[False], continues]))
    continued = flat[1:] & repeated  # row i is continued by row i + 1
    stops = np.flatnonzero(flat & ~np.concatenate([continued, [False]])) + 1
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        missing[start:stop] = _ends_abruptly(patch, start, stop)
    return float(missing.mean())


def _ends_abruptly(patch: Grey, start: int, stop: int) -> bool:
    """Return whether a flat run of rows has an abrupt edge.

    More than half of the pixels of a neighbouring row are over 8 grey values away; beside black or
    white of one of the next 16 rows, as JPEG smears that edge.
    """
    level = int(patch[start, 0])
    reach = JPEG_REACH if level in (0, 1, 254, 255) else 1
    neighbours = [patch[max(start - reach, 0) : start], patch[stop : stop + reach]]
    difference = np.abs(np.concatenate(neighbours).astype(np.int16) - level)
    return bool(((difference > EDGE_STEP).mean(1) > 0.5).any())
