"""The scene that a patch of made tissue is: windows onto the sheets, in which whole cells are kept or left out."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pcam.data.sources.synthetic.sheets import (
    CENTRE,
    HALF,
    SIDE,
    TILE,
    UNIT,
    ZOOM,
    Bank,
    Bools,
    Floats,
    Sheet,
)


@dataclass(frozen=True)
class Window:
    """A turned, scaled, perhaps mirrored view of a sheet: the 2x3 map from its to sheet pixels."""

    map: NDArray[np.float64]

    @classmethod
    def draw(cls, rng: np.random.Generator, low: float = 0.88, high: float = 1.15) -> "Window":
        """Draws a window within the sheet; things look low to high times as large."""
        angle, scale = rng.uniform(0, 2 * np.pi), ZOOM / rng.uniform(low, high)
        mirror = 1 if rng.random() < 0.5 else -1
        c, s = scale * np.cos(angle), scale * np.sin(angle)
        turn = np.array([[c, -s * mirror], [s, c * mirror]])
        reach = HALF * (abs(c) + abs(s)) + 1
        middle = rng.uniform(reach, TILE - reach, 2)
        return cls(np.hstack([turn, (middle - turn @ (HALF, HALF))[:, None]]))

    def see(self, sheet: NDArray[Any], flags: int = cv2.INTER_LINEAR) -> NDArray[Any]:
        """The (96, 96, ...) window of a sheet's array."""
        window: NDArray[Any] = cv2.warpAffine(
            sheet, self.map, (SIDE, SIDE), flags=flags | cv2.WARP_INVERSE_MAP
        )
        return window

    def numbers(self, sheet: Sheet) -> NDArray[np.int16]:
        """int16 (96, 96): which cell each pixel belongs to, 0 for none."""
        return self.see(sheet.cell, cv2.INTER_NEAREST)

    def places(self, sheet: Sheet) -> Floats:
        """float32 (cells + 1, 2): x and y of the cells' centres in patch pixels."""
        back = np.linalg.inv(self.map[:, :2])
        return np.asarray((sheet.centre - self.map[:, 2]) @ back.T, np.float32)


def square_distance(x: float, y: float) -> float:
    """Distance in pixels of a point from the centre 32x32; 0 inside."""
    half = (CENTRE.stop - CENTRE.start) / 2
    return float(np.hypot(max(abs(x - HALF) - half, 0), max(abs(y - HALF) - half, 0)))


class Scene:
    """Composes one patch's tissue. The order of the draws is part of what a patch is."""

    def __init__(self, rng: np.random.Generator, sheets: Bank) -> None:
        """Begins an empty scene."""
        self.rng, self.sheets = rng, sheets
        self.haematoxylin = np.empty((SIDE, SIDE), np.float32)
        self.eosin = np.empty((SIDE, SIDE), np.float32)
        self.mask = np.zeros((SIDE, SIDE), np.bool_)
        self.blocked = np.zeros((SIDE, SIDE), np.bool_)

    def crop(self, noise: Floats) -> Floats:
        """A random piece of a sheet of noise, float32 (96, 96)."""
        top, left = self.rng.integers(0, TILE - SIDE, 2)
        return noise[top : top + SIDE, left : left + SIDE]

    def field(self, scale: int) -> Floats:
        """Slow noise, float32 (96, 96); scale 0 is the quickest and 3 the slowest."""
        return self.crop(self.sheets.fields[scale])

    def pick(self, sheets: list[Any]) -> Any:
        """One sheet of several."""
        return sheets[self.rng.integers(len(sheets))]

    def stroma(self) -> None:
        """Fills the patch with connective tissue, its spindle cells, and perhaps fat or a lumen."""
        rng = self.rng
        window = Window.draw(rng)
        layers = (window.see(self.pick(self.sheets.fibres)).astype(np.float32) - 128) / 40
        fine, bundle, cleft, grain = np.moveaxis(layers, -1, 0)
        style = rng.random()
        if style < 0.45:  # collagen: dense fibres with narrow clefts
            eosin = 1 + rng.uniform(0.12, 0.30) * fine + 0.10 * grain
            eosin += rng.uniform(0.05, 0.22) * bundle
            eosin *= np.clip(0.5 + 1.3 * (cleft + rng.uniform(1.0, 2.8)), 0.10, 1)
            eosin *= rng.uniform(0.30, 0.72)
        elif style < 0.70:  # loose: thin strands on a pale ground
            strand = np.exp(-((cleft / 0.35) ** 2)) + 0.4 * np.exp(-(((fine - 0.6) / 0.6) ** 2))
            eosin = rng.uniform(0.05, 0.22) * (1 + 0.4 * bundle)
            eosin += rng.uniform(0.20, 0.45) * strand * (1 + 0.3 * grain)
        else:  # reticular: what lies between a lymph node's cells, with pale specks
            eosin = 0.6 + 0.16 * grain + 0.08 * fine + 0.12 * self.field(0)
            speck = 0.7 * grain + 1.1 * self.field(0) + rng.uniform(0.3, 2.0)
            eosin *= np.clip(0.6 + 0.6 * speck, 0.10, 1)
            eosin *= rng.uniform(0.45, 0.95)
        eosin *= 1 + 0.14 * self.field(2)
        self.eosin[:] = np.maximum(eosin, 0.015)
        self.haematoxylin[:] = rng.uniform(0.04, 0.20) * self.eosin + 0.01
        kind = rng.random()
        if kind < 0.12:
            self.fat()
        elif kind < 0.32:
            hole = self.field(int(rng.integers(1, 4))) + 0.10 * grain - rng.uniform(0.3, 1.8)
            solid = np.clip(0.5 - 5 * hole, 0.02, 1)
            self.eosin *= solid
            self.haematoxylin *= solid
            self.blocked = solid < 0.4
        sheet = self.pick(self.sheets.spindles)
        chance = np.full(len(sheet.centre), rng.beta(0.8, 2.0), np.float32)
        self.cells(sheet, window, chance, rng.uniform(0.8, 1.4))

    def fat(self) -> None:
        """Replaces some of the stroma by whole fat cells: empty, with a thin membrane."""
        rng, sheet = self.rng, self.sheets.fat[0]
        window = Window.draw(rng, 0.6, 1.1)
        number, where = window.numbers(sheet), window.places(sheet)
        at = np.clip(where, 0, SIDE - 1).astype(np.int64)
        kept = self.field(3)[at[:, 1], at[:, 0]] > rng.uniform(-1.5, 0.8)
        kept[0] = False
        self.blocked = kept[number]
        empty = cv2.GaussianBlur(self.blocked.astype(np.float32), (5, 5), 0.8)
        membrane = np.clip(4 * empty * (1 - empty), 0, 1)
        self.eosin *= 1 - empty
        self.eosin += membrane * rng.uniform(0.15, 0.5) + 0.012
        self.haematoxylin *= 1 - empty
        self.haematoxylin += 0.15 * membrane + 0.01

    def cells(
        self,
        sheet: Sheet,
        window: Window,
        chance: Floats,
        dark: float,
        plasm: float = 0.0,
        halo: float = 0.0,
    ) -> None:
        """Lays whole cells over the scene, but none on the tumour or where the scene is blocked.

        Args:
            sheet: where the cells come from.
            window: which part of it.
            chance: (cells + 1,) how likely each cell is kept, 0 to 1.
            dark: gain of the chromatin.
            plasm: concentration of eosin in the cytoplasm.
            halo: how much of what lies below the cytoplasm is bleached, 0 to 1.
        """
        number = window.numbers(sheet)
        count = len(sheet.centre)
        kept = self.rng.random(count) < chance
        kept[number[self.mask | self.blocked]] = False
        kept[0] = False
        shade = dark / UNIT * self.rng.uniform(0.78, 1.22, count)
        gain = np.where(kept, shade, 0).astype(np.float32)[number]
        nucleus = window.see(sheet.chromatin) * gain
        np.maximum(self.haematoxylin, nucleus, out=self.haematoxylin)
        cover = cv2.blur((gain > 0).astype(np.float32), (3, 3))
        if halo:
            cover *= ~self.mask
            body = window.see(sheet.plasm) * np.float32(plasm / UNIT)
            self.eosin += cover * (body - halo * self.eosin)
        self.eosin += 0.38 * nucleus

    def red_cells(self) -> None:
        """Adds red blood cells: round, dark in eosin, without a nucleus."""
        rng, sheet = self.rng, self.pick(self.sheets.lymphocytes)
        window = Window.draw(rng, 0.85, 1.0)
        number = window.numbers(sheet)
        chance = self.chances(sheet, window, rng.uniform(0.02, 0.3), 2, 6.0)
        kept = rng.random(len(sheet.centre)) < chance
        kept[number[self.mask | self.blocked]] = False
        kept[0] = False
        cover = kept[number] * window.see(sheet.chromatin) * np.float32(1 / UNIT)
        self.eosin += cover * (rng.uniform(0.9, 1.4) - 0.6 * self.eosin)
        self.haematoxylin *= 1 - 0.9 * np.clip(cover, 0, 1)

    def chances(
        self, sheet: Sheet, window: Window, share: float, scale: int, sharp: float
    ) -> Floats:
        """How likely each cell is kept: about `share` of them, in flocks of the scale's noise."""
        at = np.clip(window.places(sheet), 0, SIDE - 1).astype(np.int64)
        level = self.field(scale)[at[:, 1], at[:, 0]]
        # The logistic of normal noise has about the mean `share` when its offset grows with the
        # noise: logit(share) * sqrt(1 + 0.35 sharp²) / sharp (the probit's approximation).
        edge = np.log(share / (1 - share)) * np.sqrt(1 / sharp**2 + 0.35)
        return np.asarray(1 / (1 + np.exp(-sharp * (level + edge))), np.float32)

    def benign(self) -> None:
        """Adds histiocytes, lymphocytes, red blood cells; their densities do not know the label."""
        rng = self.rng
        if rng.random() < 0.2:
            self.red_cells()
        if rng.random() < 0.6:
            sheet, window = self.pick(self.sheets.histiocytes), Window.draw(rng, 0.9, 1.15)
            share = float(np.clip(rng.beta(0.7, 0.7), 0.03, 0.99))
            chance = self.chances(sheet, window, share, 2, 4.0)
            dark, plasm = rng.uniform((1.0, 0.2), (1.7, 0.6))
            self.cells(sheet, window, chance, dark, plasm, 0.9)
        sheet, window = self.pick(self.sheets.lymphocytes), Window.draw(rng, 0.88, 1.12)
        share = float(np.clip(rng.beta(0.65, 0.8), 0.01, 0.985))
        chance = self.chances(sheet, window, share, int(rng.integers(0, 4)), rng.uniform(1.0, 6.0))
        dark, plasm, halo = rng.uniform((1.3, 0.2, 0.3), (2.1, 0.6, 0.8))
        self.cells(sheet, window, chance, dark, plasm, halo)

    def tumour(self, label: bool, place: str = "law") -> None:
        """Lays whole tumour cells over the stroma: in the centre if and only if label, or all over."""
        rng = self.rng
        sheet, window = self.pick(self.sheets.tumours), Window.draw(rng, 0.80, 1.12)
        number, where = window.numbers(sheet), window.places(sheet)
        central = np.zeros(len(where), np.bool_)
        central[number[CENTRE, CENTRE]] = True
        central[0] = False
        x, y = where[:, 0], where[:, 1]
        if place == "anywhere":  # as likely here as there: no view of the patch is unlike another
            chance = self.chances(
                sheet, window, rng.uniform(0.25, 0.9), int(rng.integers(0, 3)), 6.0
            )
            kept, central = (
                rng.random(len(x)) < chance,
                np.isin(np.arange(len(x)), number[number > 0]),
            )
        elif place == "centre" and label:
            away = np.hypot(x - HALF, y - HALF)
            kept = away < rng.uniform(6, 12)
            central &= away == away[central].min()
        else:
            kept = (self.lesion(label, x, y) + rng.normal(0, 1.5, len(x))) > 0
        if not label:
            kept &= ~central  # cells that would touch the centre are left out whole
        elif not (kept & central).any():
            kept[rng.choice(np.flatnonzero(central))] = True
        kept[0] = False
        gain = np.where(kept, rng.uniform(0.8, 1.2, len(x)), 0).astype(np.float32)[number]
        self.mask[:] = gain > 0
        # Softened at its border, but only inward: what is painted is what the mask says.
        cover = cv2.blur(self.mask.astype(np.float32), (3, 3)) * self.mask
        dark, basophil, plasm = rng.uniform((0.75, 0.02, 0.15), (1.75, 0.26, 0.65))
        nucleus = window.see(sheet.chromatin) * gain * np.float32(dark / UNIT)
        body = window.see(sheet.plasm) * np.float32(1 / UNIT)
        self.haematoxylin += cover * (nucleus + basophil * body - self.haematoxylin)
        self.eosin += cover * (plasm * body + 0.12 + 0.40 * nucleus - self.eosin)

    def lesion(self, label: bool, x: Floats, y: Floats) -> NDArray[Any]:
        """How many pixels deep in the lesion points lie: a whole sheet, a front, or nests.

        Without the label it keeps clear of the centre, so that few cells must be left out there
        and no square hole is seen.
        """
        rng, kind = self.rng, self.rng.random()
        angle = rng.uniform(0, 2 * np.pi)
        across, along = np.cos(angle), np.sin(angle)
        if label and kind < 0.12:
            return np.full_like(x, SIDE)
        if kind < 0.5:
            support = 16 * (abs(across) + abs(along))  # the centre's reach along the normal
            offset = rng.uniform(-support + 2, 34) if label else -support - rng.uniform(3, 24)
            phase = rng.uniform(0, 6.3) + (along * x - across * y) * rng.uniform(0.03, 0.15)
            wave = rng.uniform(2, 7) * np.sin(phase)
            return np.asarray(offset + wave - across * (x - HALF) - along * (y - HALF))
        depth = np.full_like(x, -SIDE)
        # Negatives have more nests: as much tumour in all does away with the colour's hint.
        for nest in range(int(rng.integers(1, 4 if label else 6))):
            radius = 4 + 24 * rng.beta(1.0, 1.5 if label else 0.8)
            if label and nest == 0:  # the first one reaches into the centre
                px, py = rng.uniform(CENTRE.start + 2, CENTRE.stop - 2, 2)
                away = radius * np.sqrt(rng.random())
                px, py = px + away * across, py + away * along
            else:
                px, py = rng.uniform(0, SIDE, 2)
                if not label:
                    radius = min(radius, square_distance(px, py) - 2)
            depth = np.maximum(depth, radius - np.hypot(x - px, y - py))
        return depth


def compose(
    rng: np.random.Generator, sheets: Bank, label: bool, place: str = "law"
) -> tuple[Floats, Bools]:
    """Composes a patch's tissue.

    Args:
        rng: the patch's own random stream.
        sheets: what it is cut from.
        label: whether tumour lies in the centre; with place "anywhere", whether any does.
        place: "law"; "centre": a positive's tumour lies at the exact middle and nowhere else;
            "anywhere": all over a positive, and a negative has none.

    Returns:
        float32 (96, 96, 2), concentrations of haematoxylin and eosin, and bool (96, 96), the
        tumour's pixels: `mask[32:64, 32:64].any() == label`, always but with "anywhere", where
        `mask.any() == label`.
    """
    scene = Scene(rng, sheets)
    scene.stroma()
    if label or (place != "anywhere" and rng.random() < 0.46):
        scene.tumour(label, place)
    scene.benign()
    uneven = 1 + 0.14 * scene.crop(sheets.grain)  # tissue takes stain unevenly
    return np.stack([scene.haematoxylin * uneven, scene.eosin * uneven], -1), scene.mask
