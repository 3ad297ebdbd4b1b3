"""Where a slide has tissue: Otsu's threshold on the saturation of its colours at low power."""

import logging

import cv2
import numpy as np
from numpy.typing import NDArray

from pcam.data.base import Masks, Pixels
from pcam.errors import DataError
from pcam.slides.slide import Slide
from pcam.slides.view import SlideView

LOW_POWER = 4.0  # micrometres per pixel of the picture that tissue is found in, at least
MOST_SIDE = 2048  # pixels of its longer side: 12 µm each of a slide of 25 mm
# Otsu's threshold splits any picture; saturations (0 to 255) that background and stain can have.
LEAST_SATURATION, MOST_SATURATION = 8, 40
PEN_HUES = (20, 112)  # yellow, green and blue; haematoxylin begins at about 120 (hues to 180)
BLACK = 45  # the largest value of black ink, 0 to 255
SMALLEST_PIECE = 10_000.0  # square micrometres; less is dirt
LARGEST_HOLE = 50_000.0  # square micrometres; more is no lumen
SMOOTHING = 5  # pixels of the median filter

log = logging.getLogger(__name__)


def low_power_view(slide: Slide, slide_mpp: float) -> SlideView:
    """Return a slide at the resolution at which tissue is found.

    Args:
        slide: the slide.
        slide_mpp: its micrometres per pixel at level 0.
    """
    longer = max(slide.width, slide.height) * slide_mpp
    return SlideView(slide, slide_mpp, max(LOW_POWER, longer / MOST_SIDE, slide_mpp))


def read_low_power(view: SlideView) -> Pixels:
    """Return the whole of a view, uint8 (height, width, 3).

    Raises:
        DataError: the slide is damaged, or has one colour only.
    """
    picture = view.read(0, 0, view.width, view.height)
    if (picture == picture[0, 0]).all():
        raise DataError(f"{view.slide.path} has one colour only; there is nothing to predict")
    return picture


def find_tissue(picture: Pixels, mpp: float) -> Masks:
    """Return which pixels of a slide are tissue.

    Tissue is more saturated than glass; the threshold is Otsu's (IEEE Trans. Syst. Man Cybern.
    1979) within limits. Ink of pens in green, blue, yellow and black is left out, holes of up to
    0.05 mm² are filled, and pieces of less than 0.01 mm² are left out.

    Args:
        picture: uint8 (H, W, 3), at low power.
        mpp: its micrometres per pixel.

    Returns:
        bool (H, W).
    """
    smooth = cv2.medianBlur(np.ascontiguousarray(picture), SMOOTHING)
    hue, saturation, value = cv2.split(cv2.cvtColor(smooth, cv2.COLOR_RGB2HSV))
    found, _ = cv2.threshold(saturation, 0, 255, cv2.THRESH_OTSU)
    threshold = min(max(found, LEAST_SATURATION), MOST_SATURATION)
    coloured = saturation > threshold
    inked = (hue >= PEN_HUES[0]) & (hue <= PEN_HUES[1])
    tissue = coloured & ~inked & (value > BLACK)
    pixel = mpp * mpp
    tissue = _without_small(tissue, SMALLEST_PIECE / pixel)
    return ~_without_small(~tissue, LARGEST_HOLE / pixel)


def _without_small(mask: Masks, smallest: float) -> Masks:
    """Return a mask without its connected parts of fewer pixels than ``smallest``."""
    count, part, statistics, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    kept: NDArray[np.bool_] = statistics[:count, cv2.CC_STAT_AREA] >= smallest
    kept[0] = False  # what is not in the mask
    result: Masks = kept[part]
    return result
