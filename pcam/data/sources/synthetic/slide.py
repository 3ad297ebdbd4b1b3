"""A synthetic slide: a lymph node on glass with planted metastases, whose outlines are known.

Each tile of 96x96 pixels is composed as a patch is, with the tumour where the metastases are. So a
slide has seams that tissue does not have, and no structure that is larger than a tile but these.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pcam.data.sources.synthetic.noise import SIDE, Bools, Bytes, Floats
from pcam.data.sources.synthetic.scene import Scene, Window
from pcam.data.sources.synthetic.sheets import SheetBank, sheet_bank
from pcam.data.sources.synthetic.stain import Stain, draw_stain, photograph
from pcam.data.sources.synthetic.tissue import add_benign_cells, add_stroma
from pcam.data.sources.synthetic.tumour import draw_cells

TEST_SHEETS = 2  # the sheets of the test split: no nucleus of a training patch is on a slide
NODE = 0.46  # half axes of the node, as a share of the slide's sides
OUTLINE_POINTS = 120
WAVES = ((2, 0.14), (3, 0.10), (5, 0.05))  # waves of an outline, and their largest amplitude
GLASS = 0.012  # concentration of both stains on glass

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Shape:
    """A round shape with an uneven outline.

    Attributes:
        x: of its middle, pixels.
        y: likewise.
        radius: along x and y, pixels.
        waves: float64 (3, 2), amplitude and phase of ``WAVES``.
    """

    x: float
    y: float
    radius: tuple[float, float]
    waves: Points

    @classmethod
    def draw(
        cls, rng: np.random.Generator, x: float, y: float, radius: tuple[float, float]
    ) -> "Shape":
        """Draw the outline of a shape."""
        rows = [(rng.uniform(-most, most), rng.uniform(0, 2 * np.pi)) for _, most in WAVES]
        return cls(x, y, radius, np.array(rows))

    def depth(self, x: NDArray[np.floating], y: NDArray[np.floating]) -> Points:
        """Return how far inside points are, about pixels; negative outside."""
        across, down = (x - self.x) / self.radius[0], (y - self.y) / self.radius[1]
        reach = self._reach(np.arctan2(down, across))
        return np.asarray((reach - np.hypot(across, down)) * min(self.radius), np.float64)

    def outline(self) -> Points:
        """Return the outline, x and y of its points: float64 (120, 2)."""
        angle = np.linspace(0, 2 * np.pi, OUTLINE_POINTS, endpoint=False)
        reach = self._reach(angle)
        x = self.x + self.radius[0] * reach * np.cos(angle)
        y = self.y + self.radius[1] * reach * np.sin(angle)
        return np.stack([x, y], axis=1)

    def _reach(self, angle: NDArray[np.floating]) -> Points:
        """Return the outline's distance from the middle by direction, in radii."""
        reach = np.ones_like(angle, np.float64)
        for (count, _), (amplitude, phase) in zip(WAVES, self.waves, strict=True):
            reach += amplitude * np.cos(count * angle + phase)
        return reach


@dataclass(frozen=True)
class SyntheticSlide:
    """A slide with its tumour.

    Attributes:
        pixels: uint8 (height, width, 3), RGB, 0.97 µm per pixel.
        mask: bool (height, width), the tumour's pixels.
        lesions: the outline of each metastasis.
    """

    pixels: Bytes
    mask: Bools
    lesions: list[Shape]


def compose_slide(
    width: int, height: int, radii: Sequence[float], seed: int = 0, stain: float = 1.0
) -> SyntheticSlide:
    """Compose a slide.

    Args:
        width: pixels; rounded down to whole tiles, as is the height.
        height: likewise.
        radii: of the metastases, pixels.
        seed: slides of different seeds differ.
        stain: how much slides differ in stain.
    """
    rng = np.random.default_rng([seed, width, height])
    rows, columns = height // SIDE, width // SIDE
    size = (columns * SIDE, rows * SIDE)
    node = Shape.draw(rng, size[0] / 2, size[1] / 2, (NODE * size[0], NODE * size[1]))
    lesions = place_lesions(rng, size, radii)
    painter = _Painter(sheet_bank(TEST_SHEETS), draw_stain(rng, stain), node, lesions)
    pixels = np.empty((rows * SIDE, columns * SIDE, 3), np.uint8)
    mask = np.zeros((rows * SIDE, columns * SIDE), np.bool_)
    for row in range(rows):
        for column in range(columns):
            tile = np.random.default_rng([seed, width, height, row, column])
            corner = (column * SIDE, row * SIDE)
            place = (slice(corner[1], corner[1] + SIDE), slice(corner[0], corner[0] + SIDE))
            pixels[place], mask[place] = painter.paint(tile, corner)
    return SyntheticSlide(pixels, mask, lesions)


def place_lesions(
    rng: np.random.Generator, size: tuple[int, int], radii: Sequence[float]
) -> list[Shape]:
    """Return metastases in the node, on a ring around its middle.

    Args:
        rng: of the draws.
        size: of the slide, width and height.
        radii: of the metastases, pixels.
    """
    start = rng.uniform(0, 2 * np.pi)
    lesions: list[Shape] = []
    for number, radius in enumerate(radii):
        angle = start + 2 * np.pi * number / len(radii)
        ring = 0.5 * NODE * rng.uniform(0.9, 1.2)
        x = size[0] * (0.5 + ring * np.cos(angle))
        y = size[1] * (0.5 + ring * np.sin(angle))
        lesions.append(Shape.draw(rng, x, y, (radius, radius * rng.uniform(0.7, 1.0))))
    return lesions


class _Painter:
    """Paints the tiles of one slide.

    Args:
        sheets: that the tissue is cut from.
        stain: of the slide.
        node: the tissue's outline.
        lesions: the metastases.
    """

    def __init__(
        self, sheets: SheetBank, stain: Stain, node: Shape, lesions: Sequence[Shape]
    ) -> None:
        self.sheets = sheets
        self.stain = stain
        self.node = node
        self.lesions = lesions

    def paint(self, rng: np.random.Generator, corner: tuple[int, int]) -> tuple[Bytes, Bools]:
        """Return the pixels and the tumour of a tile, uint8 (96, 96, 3) and bool (96, 96).

        Args:
            rng: of the tile's draws.
            corner: x and y of its upper left pixel.
        """
        y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float64)
        cover = np.clip(self.node.depth(x + corner[0], y + corner[1]) / 4 + 0.5, 0, 1)
        stains = np.full((SIDE, SIDE, 2), GLASS, np.float32)
        mask = np.zeros((SIDE, SIDE), np.bool_)
        if cover.any():
            scene = self._scene(rng, corner)
            tissue = np.stack([scene.haematoxylin, scene.eosin], axis=-1)
            stains += cover[..., None].astype(np.float32) * tissue
            mask = scene.mask & (cover > 0.5)
        return photograph(rng, self.stain, stains, self.sheets.grain), mask

    def _scene(self, rng: np.random.Generator, corner: tuple[int, int]) -> Scene:
        """Return the tissue of a tile."""
        scene = Scene(rng, self.sheets)
        add_stroma(scene)
        for number, lesion in enumerate(self.lesions):
            sheet = self.sheets.tumours[number % len(self.sheets.tumours)]
            window = Window.draw(rng, 0.80, 1.12)
            centres: Floats = window.cell_centres(sheet)
            kept = lesion.depth(centres[:, 0] + corner[0], centres[:, 1] + corner[1]) > 0
            kept[0] = False  # no cell
            numbers = window.cell_numbers(sheet)
            if kept[numbers].any():
                draw_cells(scene, sheet, window, numbers, kept)
        add_benign_cells(scene)
        uneven = 1 + 0.14 * scene.crop(self.sheets.grain)
        scene.haematoxylin *= uneven
        scene.eosin *= uneven
        return scene
