"""The tumour of a synthetic patch: which cells are tumour, and how they are drawn."""

import cv2
import numpy as np
from numpy.typing import NDArray

from pcam.data.sources.synthetic.cells import Sheet
from pcam.data.sources.synthetic.noise import CENTRE, HALF, SIDE, UNIT, Bools, Floats
from pcam.data.sources.synthetic.scene import Scene, Window

CENTRE_HALF = (CENTRE.stop - CENTRE.start) / 2


def add_tumour(scene: Scene, label: bool, place: str) -> None:
    """Add whole tumour cells: in the centre if and only if the patch is positive, or all over.

    Args:
        scene: With its stroma.
        label: Whether the patch is positive.
        place: Where a positive's tumour is; see `compose`.
    """
    rng = scene.rng
    sheet = scene.pick(scene.sheets.tumours)
    window = Window.draw(rng, 0.80, 1.12)
    number, centres = window.cell_numbers(sheet), window.cell_centres(sheet)
    x, y = centres[:, 0], centres[:, 1]
    decisive = np.zeros(len(centres), np.bool_)  # cells that decide the label
    decisive[number[CENTRE, CENTRE]] = True
    decisive[0] = False  # no cell
    if place == "anywhere":  # equally likely everywhere: no part of a patch differs
        share, scale = rng.uniform(0.25, 0.9), int(rng.integers(0, 3))
        chances = scene.keep_chances(sheet, window, share, scale, 6.0)
        kept = rng.random(len(x)) < chances
        decisive = np.isin(np.arange(len(x)), number[number > 0])
    elif place == "center" and label:
        distance = np.hypot(x - HALF, y - HALF)
        kept = distance < rng.uniform(6, 12)
        decisive &= distance == distance[decisive].min()
    else:
        kept = (lesion_depth(rng, label, x, y) + rng.normal(0, 1.5, len(x))) > 0
    if not label:
        kept &= ~decisive  # cells that would touch the centre are left out whole
    elif not (kept & decisive).any():
        kept[rng.choice(np.flatnonzero(decisive))] = True
    kept[0] = False
    draw_cells(scene, sheet, window, number, kept)


def draw_cells(
    scene: Scene, sheet: Sheet, window: Window, number: NDArray[np.int16], kept: Bools
) -> None:
    """Draw tumour cells over the stroma and set the mask.

    Args:
        scene: Of the patch.
        sheet: Of the cells.
        window: Which part of it.
        number: (96, 96), which cell each pixel belongs to.
        kept: (cells + 1,), which cells are drawn.
    """
    rng = scene.rng
    gain = np.where(kept, rng.uniform(0.8, 1.2, len(kept)), 0).astype(np.float32)[number]
    scene.mask[:] = gain > 0
    # Softened at its border, but only inward: what is painted is what the mask says.
    cover = cv2.blur(scene.mask.astype(np.float32), (3, 3)) * scene.mask
    darkness, basophilia, plasm = rng.uniform((0.75, 0.02, 0.15), (1.75, 0.26, 0.65))
    nucleus = window.cut(sheet.chromatin) * gain * np.float32(darkness / UNIT)
    body = window.cut(sheet.cytoplasm) * np.float32(1 / UNIT)
    scene.haematoxylin += cover * (nucleus + basophilia * body - scene.haematoxylin)
    scene.eosin += cover * (plasm * body + 0.12 + 0.40 * nucleus - scene.eosin)


def lesion_depth(rng: np.random.Generator, label: bool, x: Floats, y: Floats) -> Floats:
    """Return how many pixels inside the lesion points are: a whole sheet, a front, or nests.

    In a negative it keeps clear of the centre, so that few cells have to be left out there and no
    square hole is visible.

    Args:
        rng: The patch's random stream.
        label: Whether the patch is positive.
        x: (n,), of the points, patch pixels.
        y: (n,).
    """
    kind = rng.random()
    angle = rng.uniform(0, 2 * np.pi)
    if label and kind < 0.12:
        return np.full_like(x, SIDE)
    if kind < 0.5:
        return front_depth(rng, label, angle, x, y)
    return nests_depth(rng, label, angle, x, y)


def front_depth(
    rng: np.random.Generator, label: bool, angle: float, x: Floats, y: Floats
) -> Floats:
    """Return the depth behind a wavy front across the patch."""
    across, along = np.cos(angle), np.sin(angle)
    support = 16 * (abs(across) + abs(along))  # the centre's reach along the front's normal
    offset = rng.uniform(-support + 2, 34) if label else -support - rng.uniform(3, 24)
    phase = rng.uniform(0, 6.3) + (along * x - across * y) * rng.uniform(0.03, 0.15)
    wave = rng.uniform(2, 7) * np.sin(phase)
    return np.asarray(offset + wave - across * (x - HALF) - along * (y - HALF))


def nests_depth(
    rng: np.random.Generator, label: bool, angle: float, x: Floats, y: Floats
) -> Floats:
    """Return the depth inside round nests; in a positive the first one reaches into the centre."""
    depth = np.full_like(x, -SIDE)
    # Negatives have more nests, so that the amount of tumour, and so the colour, is no hint.
    for nest in range(int(rng.integers(1, 4 if label else 6))):
        radius = 4 + 24 * rng.beta(1.0, 1.5 if label else 0.8)
        if label and nest == 0:
            nest_x, nest_y = rng.uniform(CENTRE.start + 2, CENTRE.stop - 2, 2)
            shift = radius * np.sqrt(rng.random())
            nest_x, nest_y = nest_x + shift * np.cos(angle), nest_y + shift * np.sin(angle)
        else:
            nest_x, nest_y = rng.uniform(0, SIDE, 2)
            if not label:
                radius = min(radius, distance_to_centre(nest_x, nest_y) - 2)
        depth = np.maximum(depth, radius - np.hypot(x - nest_x, y - nest_y))
    return depth


def distance_to_centre(x: float, y: float) -> float:
    """Return the distance in pixels of a point from the centre 32x32; 0 inside."""
    outside_x = max(abs(x - HALF) - CENTRE_HALF, 0)
    outside_y = max(abs(y - HALF) - CENTRE_HALF, 0)
    return float(np.hypot(outside_x, outside_y))
