"""The stain of a slide, and the photograph of stained tissue.

Colours come from the concentrations of two stains by the Beer-Lambert law, RGB = I0 exp(-OD).
Optical densities are around those of Ruifrok and Johnston, "Quantification of histochemical
staining by color deconvolution", Anal. Quant. Cytol. Histol. 23 (2001).
"""

from dataclasses import dataclass

import cv2
import numpy as np

from pcam.data.sources.synthetic.noise import SIDE, TILE, Bytes, Floats

# Optical density of R, G, B at the two ends between which slides are: a bluer scanner, with Ruifrok
# and Johnston's haematoxylin, and a browner one, as PCam's slides come from two hospitals.
HAEMATOXYLIN = np.array([[0.65, 0.70, 0.29], [0.54, 0.70, 0.47]])
EOSIN = np.array([[0.11, 0.94, 0.30], [0.19, 0.80, 0.56]])
# Stray light in the optics, per channel: even the densest nucleus is not black.
GLARE = np.array([0.07, 0.04, 0.10], np.float32)


@dataclass(frozen=True)
class Stain:
    """How a slide is stained and scanned.

    Attributes:
        density: float32 (2, 3), optical density of haematoxylin and eosin at concentration 1.
        light: float32 (3,), the white of the empty slide, 0 to 255.
        blur: Deviation of the optics' Gaussian, pixels.
        sharpen: Gain of the scanner's unsharp mask.
        noise: Deviation of the sensor's noise, grey values.
    """

    density: Floats
    light: Floats
    blur: float
    sharpen: float
    noise: float


def draw_stain(rng: np.random.Generator, spread: float) -> Stain:
    """Draw a slide's stain.

    Args:
        rng: The slide's own random stream.
        spread: How much slides differ; 0 gives every slide the same stain. Limits keep any spread
            within what still looks like tissue.
    """
    # Beta(0.6, 0.6): most slides are near one of the two ends.
    mix = np.clip(0.5 + spread * (rng.beta(0.6, 0.6) - 0.5), -0.2, 1.2)
    strength = np.exp(np.clip(spread * rng.normal(0, (0.22, 0.30)), -0.8, 0.8))
    strength *= (1.0 + 0.25 * mix, 0.85)
    density = np.stack([(1 - mix) * ends[0] + mix * ends[1] for ends in (HAEMATOXYLIN, EOSIN)])
    density += np.clip(spread * rng.normal(0, 0.025, (2, 3)), -0.1, 0.1)
    density = np.maximum(density, 0.02) * strength[:, None]
    light = np.clip(245 + spread * (rng.normal(0, 4) + rng.normal(0, 1.2, 3)), 215, 254)

    def draw_near(middle: float, span: float, low: float, high: float) -> float:
        return float(np.clip(middle + spread * rng.uniform(-span, span), low, high))

    return Stain(
        density=density.astype(np.float32),
        light=light.astype(np.float32),
        blur=draw_near(0.45, span=0.20, low=0.2, high=0.9),
        sharpen=draw_near(0.70, span=0.35, low=0.0, high=1.4),
        noise=draw_near(2.6, span=1.2, low=0.5, high=5.0),
    )


def photograph(rng: np.random.Generator, stain: Stain, stains: Floats, grain: Floats) -> Bytes:
    """Photograph concentrations of the two stains.

    Args:
        rng: The patch's random stream of the scanner.
        stain: The slide's.
        stains: float32 (96, 96, 2), concentrations of haematoxylin and eosin.
        grain: float32 (TILE, TILE), noise of deviation 1, from which the sensor's noise is cut.

    Returns:
        uint8 (96, 96, 3), RGB.
    """
    rgb: Floats = np.exp(np.asarray(cv2.transform(stains, -stain.density.T), np.float32))
    rgb = stain.light * (rgb + (1 - rgb) * GLARE)
    blur = stain.blur * rng.uniform(0.75, 1.5)  # a slide is not in focus everywhere
    rgb = np.asarray(cv2.GaussianBlur(rgb, (5, 5), blur), np.float32)
    rgb = rgb + np.float32(stain.sharpen) * (rgb - cv2.GaussianBlur(rgb, (5, 5), 1.1))
    corners = rng.integers(0, TILE - SIDE, (4, 2))
    grey, *colours = [grain[top : top + SIDE, left : left + SIDE] for top, left in corners]
    for channel, colour in enumerate(colours):
        rgb[..., channel] += np.float32(stain.noise) * (0.9 * grey + 0.4 * colour)
    return np.clip(np.rint(rgb), 0, 255).astype(np.uint8)
