"""One pass over the patches of a source: digest, perceptual hash and quality figures of each, in bounded memory.

Patches are read a block at a time, by one thread (sources promise nothing about several), and measured by others; hashlib,
OpenCV and numpy release the interpreter's lock. What is kept is 316 bytes a patch.
"""

from dataclasses import dataclass, fields
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pcam.data.base import PatchSource, Pixels
from pcam.data.duplicates import Progress, digest_block, map_blocks

SMALL = 32  # side of the area-averaged image that colour and hash are taken of
THUMB = 16  # side of the luminance image that is kept of each patch
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # weights of R, G, B in luminance (ITU-R BT.601)
TISSUE = 0.15  # mean optical density from which a pixel is tissue (the beta of Macenko et al., ISBI 2009)

Floats = NDArray[np.float32]

# Haematoxylin's and eosin's optical density in R, G, B: Ruifrok & Johnston, "Quantification of histochemical staining by
# color deconvolution", Anal. Quant. Cytol. Histol. 23 (2001), table 1. What neither explains is their cross product.
_STAINS = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11]])
_STAINS /= np.linalg.norm(_STAINS, axis=1, keepdims=True)
UNMIX: Floats = np.linalg.inv(np.vstack([_STAINS, np.cross(*_STAINS)])).astype(np.float32)

# The lowest 8 of the 32 rows of the orthonormal DCT-II.
_DCT = np.cos(np.pi / SMALL * (np.arange(SMALL) + 0.5) * np.arange(8)[:, None]).astype(np.float32)


@dataclass(frozen=True)
class Survey:
    """What one pass finds of N patches.

    Attributes:
        sha1: uint8 (N, 20), SHA-1 of the raw pixel bytes (row-major RGB).
        hash: uint16 (N, 4), signs of 63 low DCT coefficients, as `pcam.data.audit.near_duplicates` compares them.
        thumb: uint8 (N, 16, 16), area-averaged luminance.
        luminance: float32 (N,), mean, 0 to 255.
        contrast: float32 (N,), standard deviation of the 32x32 luminance, grey values.
        saturation: float32 (N,), highest HSV saturation of the 32x32 image, 0 to 1.
        sharpness: float32 (N,), deviation of luminance in the bands finer than a Gaussian of 1 pixel and between Gaussians
            of 1 and 2 pixels (their geometric mean), over that between Gaussians of 2 and 4 pixels. A ratio of bands, so
            neither the stain's strength nor the amount of tissue changes it.
        foreign: float32 (N,), share of the 32x32 image in colours that haematoxylin and eosin cannot mix (`foreign`).
        void: float32 (N,), share of the rows, or of the columns if that is more, that carry no picture: a run of one
            luminance that ends abruptly, as an empty background does not: more than half of the pixels of the next row (of
            one of the next 16 rows beside black or white, as JPEG smears that edge) are over 8 grey values away; or textured
            rows that repeat the one before.
        stain: float32 (N, 2), mean optical density (natural logarithm) of haematoxylin and eosin over the pixels that are
            tissue; not-a-number where none is.
    """

    sha1: NDArray[np.uint8]
    hash: NDArray[np.uint16]
    thumb: NDArray[np.uint8]
    luminance: Floats
    contrast: Floats
    saturation: Floats
    sharpness: Floats
    foreign: Floats
    void: Floats
    stain: Floats


def survey(
    source: PatchSource, progress: Progress | None = None, threads: int | None = None
) -> Survey:
    """Measure every patch of a source once.

    Args:
        source: any patches of one size.
        progress: told (patches done, patches) after each block.
        threads: that measure; by default one per core, at most 4.
    """
    parts = list(map_blocks(source, _measured, progress, threads))
    return Survey(
        **{
            field.name: np.concatenate([getattr(part, field.name) for part in parts])
            for field in fields(Survey)
        }
    )


def _measured(patches: Pixels) -> Survey:
    patches = np.ascontiguousarray(patches)
    n, height, width, _ = patches.shape
    grey = cv2.cvtColor(patches.reshape(n * height, width, 3), cv2.COLOR_RGB2GRAY).reshape(
        n, height, width
    )
    small = averaged(patches, SMALL)
    luminance: Floats = small @ LUMA
    top, bottom = small.max(-1), small.min(-1)
    density: Floats = -np.log((small + 1) / 256)
    tissue = density.mean(-1) > TISSUE
    amount = tissue.sum((1, 2))
    with np.errstate(invalid="ignore"):  # 0 / 0 where there is no tissue
        stain = (
            np.einsum("nhwc,cs,nhw->ns", density, UNMIX[:, :2], tissue, optimize=True)
            / amount[:, None]
        )
    return Survey(
        sha1=digest_block(patches),
        hash=dct_signs(luminance),
        thumb=np.rint(luminance.reshape(n, THUMB, 2, THUMB, 2).mean((2, 4))).astype(np.uint8),
        luminance=luminance.mean((1, 2)),
        contrast=luminance.std((1, 2)),
        saturation=((top - bottom) / np.maximum(top, 1)).max((1, 2)),
        sharpness=_sharpness(grey),
        foreign=foreign(small).mean((1, 2), dtype=np.float32),
        void=_void(grey),
        stain=stain.astype(np.float32),
    )


def averaged(patches: Pixels, side: int) -> Floats:
    """Return patches (n, H, W, 3) averaged over areas to side x side, float32 (n, side, side, 3)."""
    n, height, width, _ = patches.shape
    if (
        height % side == 0 and width == height
    ):  # whole pixels: all patches, one under another, in one call
        tall = cv2.resize(
            patches.reshape(n * height, width, 3), (side, n * side), interpolation=cv2.INTER_AREA
        )
        return np.asarray(tall.reshape(n, side, side, 3), np.float32)
    # OpenCV averages areas only where both sides shrink, so a side at a time: small ones are interpolated.
    across, down = (
        cv2.INTER_AREA if length >= side else cv2.INTER_LINEAR for length in (width, height)
    )
    wide = (cv2.resize(patch, (side, height), interpolation=across) for patch in patches)
    return np.stack([cv2.resize(patch, (side, side), interpolation=down) for patch in wide]).astype(
        np.float32
    )


def dct_signs(luminance: Floats) -> NDArray[np.uint16]:
    """Return the signs of the lowest 8x8 coefficients of the DCT-II, less the mean's, uint16 (n, 4).

    The perceptual hash by DCT (Zauner, "Implementation and benchmarking of perceptual image hash functions", 2010), here with
    signs in place of the comparison with the median, and grouped by the parity of row and column frequency: (even, even),
    (even, odd), (odd, even), (odd, odd). A mirror image has the same signs in each group or the opposite ones, a transposed
    one has them transposed; so the hash of each of the square's eight symmetries is had from the hash of one.

    Args:
        luminance: float32 (n, 32, 32).
    """
    coefficients = np.matmul(np.matmul(_DCT, luminance), _DCT.T)
    positive = coefficients > 0
    positive[:, 0, 0] = False
    groups = positive.reshape(-1, 4, 2, 4, 2).transpose(0, 2, 4, 1, 3).reshape(-1, 4, 16)
    return (
        np.packbits(groups, axis=-1, bitorder="little").view("<u2").reshape(-1, 4).astype(np.uint16)
    )


def foreign(small: Floats) -> NDArray[np.bool_]:
    """Return which pixels have colours that haematoxylin and eosin cannot mix: pen, dye, dirt; bool (..., H, W).

    Both stains absorb green most (Ruifrok & Johnston 2001), so does every mixture by Beer and Lambert's law. A pixel is
    foreign where red or blue is absorbed by more than 0.25 of optical density (natural logarithm) above green: green, blue
    and yellow ink; or where it is black without a colour, its brightest channel 2 to 50 and the others at most 12
    below: black ink, dirt (no scanner sees less than 2; that is a missing picture).

    Args:
        small: float32 (..., H, W, 3), RGB, 0 to 255.
    """
    red, green, blue = np.moveaxis(-np.log((small + 1) / 256), -1, 0)
    top, bottom = small.max(-1), small.min(-1)
    out: NDArray[np.bool_] = (np.maximum(red, blue) > green + 0.25) | (
        (top >= 2) & (top <= 50) & (top - bottom <= 12)
    )
    return out


def _sharpness(grey: NDArray[Any]) -> Floats:
    n, height, width = grey.shape
    pad = min(
        12, height - 1
    )  # patches one under another, mirrored at their edges so that none runs into the next
    tall = (
        np.pad(grey, ((0, 0), (pad, pad), (0, 0)), "reflect").reshape(-1, width).astype(np.float32)
    )
    one, two, four = (
        cv2.GaussianBlur(tall, (6 * sigma + 1, 6 * sigma + 1), sigma) for sigma in (1, 2, 4)
    )
    bands = [
        band.reshape(n, -1, width)[:, pad : pad + height].std((1, 2))
        for band in (tall - one, one - two, two - four)
    ]
    return np.asarray(np.sqrt(bands[0] * bands[1]) / np.maximum(bands[2], 0.1), np.float32)


def _void(grey: NDArray[Any]) -> Floats:
    rows, columns = (
        np.array([_empty_lines(patch) for patch in way]) for way in (grey, grey.transpose(0, 2, 1))
    )
    return np.asarray(np.maximum(rows, columns), np.float32)


def _empty_lines(patch: NDArray[Any]) -> float:
    """Return the share of a patch's rows (H, W) that carry no picture."""
    flat = (patch == patch[:, :1]).all(1)
    same = (patch[1:] == patch[:-1]).all(1)
    if not (flat.any() or same.any()):
        return 0.0
    empty = np.zeros(len(patch), np.bool_)
    empty[1:] = same & (patch[1:].std(1) > 4)
    starts = np.flatnonzero(flat & ~np.concatenate([[False], flat[:-1] & same]))
    stops = np.flatnonzero(flat & ~np.concatenate([flat[1:] & same, [False]])) + 1
    for start, stop in zip(starts, stops, strict=True):
        level = int(patch[start, 0])
        reach = 16 if level in (0, 1, 254, 255) else 1
        around = np.concatenate(
            [patch[max(start - reach, 0) : start], patch[stop : stop + reach]]
        ).astype(np.int16)
        empty[start:stop] = ((np.abs(around - level) > 8).mean(1) > 0.5).any()
    return float(empty.mean())
