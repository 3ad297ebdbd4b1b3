"""The picture of a patch in a gallery: the patch, and its maps beside it."""

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pcam.attribution.overlay import draw_overlay
from pcam.data.base import Pixels

Map = NDArray[np.float32]  # (H, W)

PANEL = 192  # pixels of a panel's longer side, about
GAP = 8  # pixels between panels
QUALITY = 80
WHITE = 255


def draw_panels(patch: Pixels, maps: Sequence[Map], square: int | None) -> bytes:
    """Draw a patch and its maps side by side.

    Args:
        patch: uint8 (H, W, 3).
        maps: of the patch, each of its size. A map's colours reach to its own largest values.
        square: side of the outline around the centre, pixels; None for no outline.

    Returns:
        A JPEG.
    """
    from PIL import Image

    panels = [patch, *[draw_overlay(patch, values) for values in maps]]
    shown = [_outline(_resize(panel), panel.shape[0], square) for panel in panels]
    gap = np.full((shown[0].shape[0], GAP, 3), WHITE, np.uint8)
    row = [shown[0]]
    for panel in shown[1:]:
        row += [gap, panel]
    buffer = io.BytesIO()
    picture = Image.fromarray(np.concatenate(row, axis=1))
    picture.save(buffer, "jpeg", quality=QUALITY, subsampling=0)
    return buffer.getvalue()


def _resize(panel: Pixels) -> Pixels:
    """Return a panel enlarged by a whole number, or reduced, to about ``PANEL`` pixels."""
    from PIL import Image

    longer = max(panel.shape[:2])
    if longer <= PANEL:
        factor = PANEL // longer
        return panel.repeat(factor, axis=0).repeat(factor, axis=1)
    image = Image.fromarray(panel)
    image.thumbnail((PANEL, PANEL), Image.Resampling.LANCZOS)
    return np.array(image)


def _outline(panel: Pixels, height: int, square: int | None) -> Pixels:
    """Draw the outline of the centre square.

    Args:
        panel: at the size that is shown.
        height: of the patch, pixels.
        square: side in pixels of the patch; None for no outline.
    """
    if square is None:
        return panel
    side = square * panel.shape[0] // height
    top, left = (panel.shape[0] - side) // 2, (panel.shape[1] - side) // 2
    if top < 1 or left < 1:  # the whole patch
        return panel
    drawn = panel.copy()
    rows, columns = slice(top - 1, top + side + 1), slice(left - 1, left + side + 1)
    for row in (top - 1, top + side):
        drawn[row, columns] = 0
    for column in (left - 1, left + side):
        drawn[rows, column] = 0
    return drawn


def size_of(picture: bytes) -> tuple[int, int]:
    """Return width and height of a picture, pixels."""
    from PIL import Image

    with Image.open(io.BytesIO(picture)) as image:
        return image.size
