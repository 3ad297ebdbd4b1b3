"""The canvas of one synthetic patch, and how cells of the sheets are added to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from pcam.data.sources.synthetic.cells import Sheet
from pcam.data.sources.synthetic.noise import HALF, SIDE, TILE, UNIT, ZOOM, Bools, Floats
from pcam.data.sources.synthetic.sheets import SheetBank

Item = TypeVar("Item")
Value = TypeVar("Value", bound=np.generic)


@dataclass(frozen=True)
class Window:
    """A rotated, scaled, perhaps mirrored view of a sheet.

    Attributes:
        map: float64 (2, 3), from patch pixels to sheet pixels.
    """

    map: NDArray[np.float64]

    @classmethod
    def draw(cls, rng: np.random.Generator, low: float = 0.88, high: float = 1.15) -> "Window":
        """Draw a window within the sheet; things look low to high times as large."""
        angle = rng.uniform(0, 2 * np.pi)
        scale = ZOOM / rng.uniform(low, high)
        mirror = 1 if rng.random() < 0.5 else -1
        cos, sin = scale * np.cos(angle), scale * np.sin(angle)
        linear = np.array([[cos, -sin * mirror], [sin, cos * mirror]])
        reach = HALF * (abs(cos) + abs(sin)) + 1
        middle = rng.uniform(reach, TILE - reach, 2)
        offset = middle - linear @ (HALF, HALF)
        return cls(np.hstack([linear, offset[:, None]]))

    def cut(self, sheet: NDArray[Value], flags: int = cv2.INTER_LINEAR) -> NDArray[Value]:
        """Return the (96, 96, ...) window of a sheet's array."""
        window: NDArray[Value] = cv2.warpAffine(
            sheet, self.map, (SIDE, SIDE), flags=flags | cv2.WARP_INVERSE_MAP
        )
        return window

    def cell_numbers(self, sheet: Sheet) -> NDArray[np.int16]:
        """Return int16 (96, 96): which cell each pixel belongs to, 0 for none."""
        return self.cut(sheet.cell, cv2.INTER_NEAREST)

    def cell_centres(self, sheet: Sheet) -> Floats:
        """Return float32 (cells + 1, 2): x and y of the cells' centres in patch pixels."""
        inverse = np.linalg.inv(self.map[:, :2])
        return np.asarray((sheet.centre - self.map[:, 2]) @ inverse.T, np.float32)


class Scene:
    """The tissue of one patch, which is composed layer by layer.

    The order of the draws is part of what a patch is.

    Attributes:
        rng: The patch's own random stream.
        sheets: What the tissue is cut from.
        haematoxylin: float32 (96, 96), concentration.
        eosin: float32 (96, 96), concentration.
        mask: bool (96, 96), the tumour's pixels.
        blocked: bool (96, 96), where no cell may be, such as in fat.
    """

    def __init__(self, rng: np.random.Generator, sheets: SheetBank) -> None:
        self.rng = rng
        self.sheets = sheets
        self.haematoxylin = np.empty((SIDE, SIDE), np.float32)
        self.eosin = np.empty((SIDE, SIDE), np.float32)
        self.mask = np.zeros((SIDE, SIDE), np.bool_)
        self.blocked = np.zeros((SIDE, SIDE), np.bool_)

    def crop(self, noise: Floats) -> Floats:
        """Return a random piece of a sheet of noise, float32 (96, 96)."""
        top, left = self.rng.integers(0, TILE - SIDE, 2)
        return noise[top : top + SIDE, left : left + SIDE]

    def field(self, scale: int) -> Floats:
        """Return slow noise, float32 (96, 96); scale 0 is the fastest and 3 the slowest."""
        return self.crop(self.sheets.fields[scale])

    def pick(self, sheets: Sequence[Item]) -> Item:
        """Return one of several sheets."""
        return sheets[int(self.rng.integers(len(sheets)))]

    def field_at(self, scale: int, points: Floats) -> Floats:
        """Return slow noise at points; those outside of the patch get the nearest border's.

        Args:
            scale: Of the noise.
            points: (n, 2), x and y in patch pixels.
        """
        pixel = np.clip(points, 0, SIDE - 1).astype(np.int64)
        return self.field(scale)[pixel[:, 1], pixel[:, 0]]

    def keep_chances(
        self, sheet: Sheet, window: Window, share: float, scale: int, sharpness: float
    ) -> Floats:
        """Return how likely each cell is kept, (cells + 1,): in flocks of slow noise.

        Args:
            sheet: Of the cells.
            window: Which part of it.
            share: About how many of the cells are kept, 0 to 1, exclusive.
            scale: Of the noise.
            sharpness: How sharp the flocks' borders are.
        """
        level = self.field_at(scale, window.cell_centres(sheet))
        # The logistic of normal noise has about the mean `share` if its offset grows with the
        # noise: logit(share) * sqrt(1 + 0.35 sharpness²) / sharpness (the probit's approximation).
        offset = np.log(share / (1 - share)) * np.sqrt(1 / sharpness**2 + 0.35)
        return np.asarray(1 / (1 + np.exp(-sharpness * (level + offset))), np.float32)

    def keep_cells(self, sheet: Sheet, number: NDArray[np.int16], chances: Floats) -> Bools:
        """Draw which cells are kept, bool (cells + 1,); none on the tumour or a blocked pixel.

        Args:
            sheet: Of the cells.
            number: (96, 96), which cell each pixel belongs to.
            chances: (cells + 1,), how likely each is kept.
        """
        kept: Bools = self.rng.random(len(sheet.centre)) < chances
        kept[number[self.mask | self.blocked]] = False
        kept[0] = False  # no cell
        return kept

    def add_cells(
        self,
        sheet: Sheet,
        window: Window,
        chances: Floats,
        darkness: float,
        cytoplasm: float = 0.0,
        bleach: float = 0.0,
    ) -> None:
        """Add whole cells.

        Args:
            sheet: Where the cells come from.
            window: Which part of it.
            chances: (cells + 1,), how likely each cell is kept, 0 to 1.
            darkness: Gain of the chromatin.
            cytoplasm: Concentration of eosin in the cytoplasm.
            bleach: How much of what is below the cytoplasm is bleached, 0 to 1.
        """
        number = window.cell_numbers(sheet)
        kept = self.keep_cells(sheet, number, chances)
        shade = darkness / UNIT * self.rng.uniform(0.78, 1.22, len(kept))
        gain = np.where(kept, shade, 0).astype(np.float32)[number]
        nucleus = window.cut(sheet.chromatin) * gain
        np.maximum(self.haematoxylin, nucleus, out=self.haematoxylin)
        cover = cv2.blur((gain > 0).astype(np.float32), (3, 3))
        if bleach:
            cover *= ~self.mask
            body = window.cut(sheet.cytoplasm) * np.float32(cytoplasm / UNIT)
            self.eosin += cover * (body - bleach * self.eosin)
        self.eosin += 0.38 * nucleus
