"""Attribution of a slide: maps of its patches with the highest probability, in their place."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pcam.attribution.explainer import explain
from pcam.attribution.overlay import draw_overlay
from pcam.data.base import Pixels
from pcam.evaluation.saved_run import crop_for_split
from pcam.runs.figures import ORANGE, canvas, png
from pcam.slides.grid import Floats, Places
from pcam.slides.predict import SlidePrediction

METHOD = "integrated_gradients"
AROUND = 3  # sides of a patch that are shown around it, the patch included
PER_ROW = 4
SIZE = 2.6  # inches of a picture's side
DPI = 110


@dataclass(frozen=True)
class ExplainedPatches:
    """Patches of a slide with their maps.

    Attributes:
        corners: int64 (K, 2), y and x of the upper left pixel in the view.
        probability: float64 (K,).
        context: uint8 (K, 3 P, 3 P, 3), the patches of side P with what is around them.
        maps: float32 (K, H, W), of the part of a patch that the network sees.
    """

    corners: Places
    probability: Floats
    context: Pixels
    maps: NDArray[np.float32]


def explain_highest(prediction: SlidePrediction, count: int) -> ExplainedPatches:
    """Explain the patches with the highest probability that do not overlap.

    Args:
        prediction: of the slide.
        count: how many patches, at most.

    Raises:
        ConfigError: the method does not apply to the network.
    """
    prepared, run = prediction.prepared, prediction.run
    side = prepared.grid.patch
    corners = prepared.grid.corners(prediction.tissue.places)
    chosen = highest_apart(prediction.logit, corners, side, count)
    wide = AROUND * side
    margin = (wide - side) // 2
    context = np.empty((len(chosen), wide, wide, 3), np.uint8)
    for number, (top, left) in enumerate(corners[chosen]):
        context[number] = prepared.view.read(int(left) - margin, int(top) - margin, wide, wide)
    patches = context[:, margin : margin + side, margin : margin + side]
    crop = crop_for_split(run.config, "test")
    seen = np.ascontiguousarray(crop(patches, np.arange(len(patches)), 0))
    maps = explain(run.model, seen, METHOD)
    probability = prediction.probability[chosen]
    return ExplainedPatches(corners[chosen], probability, context, maps.values.numpy())


def highest_apart(score: Floats, corners: Places, side: int, count: int) -> NDArray[np.int64]:
    """Return the patches with the highest scores of which no two overlap.

    Args:
        score: (N,).
        corners: (N, 2), y and x of their upper left pixels.
        side: of a patch, pixels.
        count: how many, at most.

    Returns:
        int64 (K,), the highest first.
    """
    free = np.ones(len(score), np.bool_)
    chosen: list[int] = []
    for number in np.argsort(-score, kind="stable"):
        if len(chosen) == count:
            break
        if free[number]:
            chosen.append(int(number))
            free &= (np.abs(corners - corners[number]) >= side).any(axis=1)
    return np.array(chosen, np.int64)


def draw_explained(explained: ExplainedPatches, scale: float) -> bytes:
    """Draw each patch with what is around it, and its map in its place.

    Args:
        explained: at least one patch.
        scale: pixels of level 0 per pixel of the view, for the titles.

    Returns:
        A PNG. Red raises the probability, blue lowers it.
    """
    count = len(explained.maps)
    columns = min(count, PER_ROW)
    rows = -(-count // PER_ROW)
    figure = canvas(columns * SIZE, rows * (SIZE + 0.35), DPI)
    wide = explained.context.shape[1]
    height, width = explained.maps.shape[1:]
    left, top = (wide - width) // 2, (wide - height) // 2
    for number, axes in enumerate(figure.subplots(rows, columns, squeeze=False).ravel()):
        axes.set_axis_off()
        if number >= count:
            continue
        context = explained.context[number].copy()
        seen = context[top : top + height, left : left + width]
        seen[:] = draw_overlay(seen, explained.maps[number])
        axes.imshow(context, extent=(0, wide, wide, 0))
        corners_x = [left, left + width, left + width, left, left]
        corners_y = [top, top, top + height, top + height, top]
        axes.plot(corners_x, corners_y, color=ORANGE, linewidth=1)
        y, x = (explained.corners[number] * scale).round().astype(int)
        axes.set_title(f"{explained.probability[number]:.3f} at {x}, {y}", fontsize=8)
    return png(figure)
