"""Sizes, types and smoothed noise that all parts of the synthetic tissue share."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Bytes = NDArray[np.uint8]

SIDE = 96  # pixels of a patch's side, about 0.97 µm each
HALF = SIDE / 2
CENTRE = slice(32, 64)  # rows and columns that decide the label (Veeling et al. 2018)
TILE = 512  # pixels of a sheet's side
ZOOM = 2.0  # sheet pixels per patch pixel, so that a sheet can be rotated by any angle without blur
UNIT = 100.0  # a stored byte of 100 is a concentration of 1


def smooth_noise(rng: np.random.Generator, sigma_x: float, sigma_y: float) -> Floats:
    """Return normal noise smoothed by a Gaussian; it wraps around.

    Args:
        rng: Source of the draws.
        sigma_x: Deviation of the Gaussian along x, sheet pixels.
        sigma_y: Deviation along y.

    Returns:
        float32 (TILE, TILE), mean 0, deviation 1.
    """
    frequency_y = np.fft.fftfreq(TILE).astype(np.float32)[:, None]
    frequency_x = np.fft.rfftfreq(TILE).astype(np.float32)[None, :]
    spectrum = np.fft.rfft2(rng.standard_normal((TILE, TILE), np.float32))
    exponent = (frequency_x * sigma_x) ** 2 + (frequency_y * sigma_y) ** 2
    spectrum *= np.exp(-2 * np.pi**2 * exponent)
    spectrum[0, 0] = 0
    field = np.fft.irfft2(spectrum, s=(TILE, TILE)).astype(np.float32)
    return np.asarray(field / field.std(), np.float32)


def as_bytes(concentration: Floats) -> Bytes:
    """Return concentrations as uint8, hundredths; above 2.55 they are clipped."""
    stored: Bytes = np.clip(concentration * UNIT, 0, 255).astype(np.uint8)
    return stored
