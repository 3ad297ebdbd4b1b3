"""One pass over the patches of a source: digest, perceptual hash and quality measures of each.

Memory is bounded: patches are read a block at a time, and 316 bytes per patch are kept.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from pcam.data.audit.measures import (
    HASH_SIDE,
    LUMA,
    Floats,
    average_areas,
    foreign_pixels,
    missing_share,
    perceptual_hash,
    sharpness,
    to_grey,
)
from pcam.data.base import PatchSource, Pixels
from pcam.data.duplicates import Progress, digest_block, map_blocks

THUMB_SIDE = 16  # side of the luminance image that is kept of each patch
TISSUE = 0.15  # mean optical density from which a pixel is tissue (Macenko et al., ISBI 2009, beta)

# Optical density of haematoxylin and eosin in R, G, B: Ruifrok & Johnston, "Quantification of
# histochemical staining by color deconvolution", Anal. Quant. Cytol. Histol. 23 (2001), table 1.
# The third vector, for what neither explains, is their cross product.
_STAINS = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11]])
_STAINS /= np.linalg.norm(_STAINS, axis=1, keepdims=True)
UNMIX: Floats = np.linalg.inv(np.vstack([_STAINS, np.cross(*_STAINS)])).astype(np.float32)


@dataclass(frozen=True)
class Survey:
    """The measures of N patches.

    Attributes:
        sha1: uint8 (N, 20), SHA-1 of the pixels (row-major RGB bytes).
        hash: uint16 (N, 4), see `pcam.data.audit.measures.perceptual_hash`.
        thumb: uint8 (N, 16, 16), area-averaged luminance.
        luminance: float32 (N,), mean, 0 to 255.
        contrast: float32 (N,), standard deviation of the 32x32 luminance, grey values.
        saturation: float32 (N,), highest HSV saturation of the 32x32 image, 0 to 1.
        sharpness: float32 (N,), see `pcam.data.audit.measures.sharpness`.
        foreign: float32 (N,), share of the 32x32 image in colours that haematoxylin and eosin
            cannot mix, see `pcam.data.audit.measures.foreign_pixels`.
        void: float32 (N,), share of rows or columns without a picture, see
            `pcam.data.audit.measures.missing_share`.
        stain: float32 (N, 2), mean optical density (natural logarithm) of haematoxylin and eosin
            over the pixels that are tissue; NaN without tissue.
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
        source: Patches of one size.
        progress: Called with (patches done, patches) after each block.
        threads: Threads that measure; by default one per core, at most 4.
    """
    blocks = list(map_blocks(source, _survey_block, progress, threads))
    return concatenate_surveys(blocks)


def concatenate_surveys(surveys: list[Survey]) -> Survey:
    """Return the surveys of several blocks or splits as one.

    Args:
        surveys: At least one.

    Returns:
        The measures of all patches, in the order of the surveys.
    """
    columns = {}
    for field in fields(Survey):
        parts = [getattr(one, field.name) for one in surveys]
        columns[field.name] = np.concatenate(parts)
    return Survey(**columns)


def _survey_block(patches: Pixels) -> Survey:
    patches = np.ascontiguousarray(patches)
    grey = to_grey(patches)
    small = average_areas(patches, HASH_SIDE)
    luminance: Floats = small @ LUMA
    brightest, darkest = small.max(-1), small.min(-1)
    saturation = (brightest - darkest) / np.maximum(brightest, 1)
    step = HASH_SIDE // THUMB_SIDE
    areas = luminance.reshape(len(patches), THUMB_SIDE, step, THUMB_SIDE, step)
    return Survey(
        sha1=digest_block(patches),
        hash=perceptual_hash(luminance),
        thumb=np.rint(areas.mean((2, 4))).astype(np.uint8),
        luminance=luminance.mean((1, 2)),
        contrast=luminance.std((1, 2)),
        saturation=saturation.max((1, 2)),
        sharpness=sharpness(grey),
        foreign=foreign_pixels(small).mean((1, 2), dtype=np.float32),
        void=missing_share(grey),
        stain=_mean_stain(small),
    )


def _mean_stain(small: Floats) -> Floats:
    """Return the mean density of each stain over tissue, (n, 2), of images (n, 32, 32, 3)."""
    density: Floats = -np.log((small + 1) / 256)
    tissue = density.mean(-1) > TISSUE
    total = np.einsum("nhwc,cs,nhw->ns", density, UNMIX[:, :2], tissue, optimize=True)
    with np.errstate(invalid="ignore"):  # 0 / 0 without tissue
        mean = total / tissue.sum((1, 2))[:, None]
    return np.asarray(mean, np.float32)
