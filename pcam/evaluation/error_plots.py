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
    rows = -(-len(patches) // COLUMNS)
    figure = canvas(9, 2.55 * rows + 0.3, 120)
    figure.suptitle(title, fontsize=9)
    panels = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axes in panels:
        axes.set_axis_off()
    for axes, patch, caption in zip(panels, patches, captions, strict=False):
        axes.imshow(patch, interpolation="nearest")
        axes.set_title(caption, fontsize=7.5)
        if square is not None:
            _outline_centre(axes, patch.shape[:2], square)
    return png(figure)


def _outline_centre(axes: "Axes", size: tuple[int, ...], side: int) -> None:
    from matplotlib.patches import Rectangle

    height, width = size
    corner = ((width - side) / 2 - 0.5, (height - side) / 2 - 0.5)
    outline = Rectangle(corner, side, side, fill=False, edgecolor="black", linewidth=1)
    axes.add_patch(outline)
