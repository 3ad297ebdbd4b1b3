"""The figure of the most confident wrong predictions."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pcam.evaluation.evaluate import Evaluation
from pcam.runs.figures import canvas, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SQUARE = 32  # pixels: side of the centre that decides a PatchCamelyon label
MOST_ERRORS = 16  # patches in the figure
COLUMNS = 4
GAP = 0.08  # between columns, widths of a patch
ABOVE = 0.27  # room for a caption, heights of a patch


def draw_errors(evaluation: Evaluation) -> bytes:
    """Draw the most confident wrong predictions.

    Args:
        evaluation: of one network on one split, with at least one wrong prediction.

    Returns:
        A PNG.
    """
    indices = evaluation.largest_errors[:MOST_ERRORS]
    captions = []
    for i in indices:
        actual = evaluation.classes[evaluation.label[i]]
        probability = evaluation.probability[i]
        of = f"probability of {evaluation.classes[1]} {probability:.3f}"
        captions.append(f"{evaluation.source.ids[i]}\n{actual}, {of}")
    square = SQUARE if evaluation.centre_labelled else None
    title = f"{evaluation.network} on {evaluation.data}, {evaluation.split}: the largest errors"
    return _draw_patches(evaluation.source.read(indices), captions, title, square)


def _draw_patches(
    patches: NDArray[np.uint8], captions: Sequence[str], title: str, square: int | None
) -> bytes:
    """Draw patches below their captions.

    Args:
        patches: uint8 (n, H, W, 3).
        captions: of each patch.
        title: of the figure.
        square: side of the outline around the centre, pixels; None for no outline.

    Returns:
        A PNG.
    """
    height, width = patches.shape[1:3]
    rows = -(-len(patches) // COLUMNS)
    figure = canvas(9, 2.55 * rows + 0.3, 120)
    figure.suptitle(title, fontsize=9)
    axes = figure.subplots()  # one for all: each takes matplotlib a tenth of a second
    axes.set_axis_off()
    for number, (patch, caption) in enumerate(zip(patches, captions, strict=True)):
        row, column = divmod(number, COLUMNS)
        left, top = column * (1 + GAP) * width, row * (1 + ABOVE) * height
        axes.imshow(patch, extent=(left, left + width, top + height, top), interpolation="nearest")
        middle = left + width / 2
        axes.text(middle, top - 0.03 * height, caption, ha="center", va="bottom", fontsize=7.5)
        if square is not None:
            _outline_centre(axes, middle, top + height / 2, square)
    axes.set_xlim(0, (COLUMNS * (1 + GAP) - GAP) * width)
    axes.set_ylim((rows * (1 + ABOVE) - ABOVE) * height, -ABOVE * height)
    return png(figure)


def _outline_centre(axes: "Axes", x: float, y: float, side: int) -> None:
    """Draw a square around a point."""
    from matplotlib.patches import Rectangle

    corner = (x - side / 2, y - side / 2)
    outline = Rectangle(corner, side, side, fill=False, edgecolor="black", linewidth=1)
    axes.add_patch(outline)
