"""Composes the tissue of a synthetic patch: stroma, tumour, then benign cells."""

import cv2
import numpy as np

from pcam.data.sources.synthetic.noise import UNIT, Bools, Floats
from pcam.data.sources.synthetic.scene import Scene, Window
from pcam.data.sources.synthetic.sheets import SheetBank
from pcam.data.sources.synthetic.tumour import add_tumour

NEGATIVES_WITH_TUMOUR = 0.46  # share of negative patches with tumour outside of the centre


def compose(
    rng: np.random.Generator, sheets: SheetBank, label: bool, place: str = "pcam"
) -> tuple[Floats, Bools]:
    """Compose a patch's tissue.

    Args:
        rng: The patch's own random stream.
        sheets: What it is cut from.
        label: Whether the centre contains tumour; with place "anywhere", whether the patch does.
        place: "pcam"; "center": a positive's tumour is at the exact middle and nowhere else;
            "anywhere": all over a positive, and a negative has none.

    Returns:
        float32 (96, 96, 2), concentrations of haematoxylin and eosin, and bool (96, 96), the
        tumour's pixels: `mask[32:64, 32:64].any() == label`, except with "anywhere", where
        `mask.any() == label`.
    """
    scene = Scene(rng, sheets)
    add_stroma(scene)
    if label or (place != "anywhere" and rng.random() < NEGATIVES_WITH_TUMOUR):
        add_tumour(scene, label, place)
    add_benign_cells(scene)
    uneven = 1 + 0.14 * scene.crop(sheets.grain)  # tissue takes stain unevenly
    return np.stack([scene.haematoxylin * uneven, scene.eosin * uneven], -1), scene.mask


def add_stroma(scene: Scene) -> None:
    """Fill the patch with connective tissue, its spindle cells, and perhaps fat or a lumen."""
    rng = scene.rng
    window = Window.draw(rng)
    fibres = window.cut(scene.pick(scene.sheets.fibres))
    layers: Floats = np.moveaxis((fibres.astype(np.float32) - 128) / np.float32(40), -1, 0)
    style = rng.random()
    if style < 0.45:
        eosin = collagen(scene, layers)
    elif style < 0.70:
        eosin = loose_stroma(scene, layers)
    else:
        eosin = reticular_stroma(scene, layers)
    eosin *= 1 + 0.14 * scene.field(2)
    scene.eosin[:] = np.maximum(eosin, 0.015)
    scene.haematoxylin[:] = rng.uniform(0.04, 0.20) * scene.eosin + 0.01

    space = rng.random()
    if space < 0.12:
        add_fat(scene)
    elif space < 0.32:
        add_lumen(scene, grain=layers[3])

    sheet = scene.pick(scene.sheets.spindles)
    chances = np.full(len(sheet.centre), rng.beta(0.8, 2.0), np.float32)
    scene.add_cells(sheet, window, chances, darkness=rng.uniform(0.8, 1.4))


def collagen(scene: Scene, layers: Floats) -> Floats:
    """Return the eosin of dense fibres with narrow clefts, float32 (96, 96).

    Args:
        scene: Of the patch.
        layers: float32 (4, 96, 96): fine fibres, bundles, clefts, grain.
    """
    rng = scene.rng
    fine, bundle, cleft, grain = layers
    eosin = 1 + rng.uniform(0.12, 0.30) * fine + 0.10 * grain
    eosin += rng.uniform(0.05, 0.22) * bundle
    eosin *= np.clip(0.5 + 1.3 * (cleft + rng.uniform(1.0, 2.8)), 0.10, 1)
    eosin *= rng.uniform(0.30, 0.72)
    return np.asarray(eosin)


def loose_stroma(scene: Scene, layers: Floats) -> Floats:
    """Return the eosin of thin strands on a pale ground; the arguments are those of `collagen`."""
    rng = scene.rng
    fine, bundle, cleft, grain = layers
    strand = np.exp(-((cleft / 0.35) ** 2)) + 0.4 * np.exp(-(((fine - 0.6) / 0.6) ** 2))
    eosin = rng.uniform(0.05, 0.22) * (1 + 0.4 * bundle)
    eosin += rng.uniform(0.20, 0.45) * strand * (1 + 0.3 * grain)
    return np.asarray(eosin)


def reticular_stroma(scene: Scene, layers: Floats) -> Floats:
    """Return the eosin between a lymph node's cells, with pale specks; arguments as `collagen`."""
    rng = scene.rng
    fine, _, _, grain = layers
    eosin = 0.6 + 0.16 * grain + 0.08 * fine + 0.12 * scene.field(0)
    speck = 0.7 * grain + 1.1 * scene.field(0) + rng.uniform(0.3, 2.0)
    eosin *= np.clip(0.6 + 0.6 * speck, 0.10, 1)
    eosin *= rng.uniform(0.45, 0.95)
    return np.asarray(eosin)


def add_fat(scene: Scene) -> None:
    """Replace some of the stroma by whole fat cells: empty, with a thin membrane."""
    rng, sheet = scene.rng, scene.sheets.fat
    window = Window.draw(rng, 0.6, 1.1)
    number = window.cell_numbers(sheet)
    level = scene.field_at(3, window.cell_centres(sheet))
    kept = level > rng.uniform(-1.5, 0.8)
    kept[0] = False
    scene.blocked = kept[number]
    empty = cv2.GaussianBlur(scene.blocked.astype(np.float32), (5, 5), 0.8)
    membrane = np.clip(4 * empty * (1 - empty), 0, 1)
    scene.eosin *= 1 - empty
    scene.eosin += membrane * rng.uniform(0.15, 0.5) + 0.012
    scene.haematoxylin *= 1 - empty
    scene.haematoxylin += 0.15 * membrane + 0.01


def add_lumen(scene: Scene, grain: Floats) -> None:
    """Empty a part of the stroma, such as a vessel or a tear."""
    rng = scene.rng
    hole = scene.field(int(rng.integers(1, 4))) + 0.10 * grain - rng.uniform(0.3, 1.8)
    solid = np.clip(0.5 - 5 * hole, 0.02, 1)
    scene.eosin *= solid
    scene.haematoxylin *= solid
    scene.blocked = solid < 0.4


def add_benign_cells(scene: Scene) -> None:
    """Add red blood cells, histiocytes, lymphocytes; their densities do not depend on the label."""
    if scene.rng.random() < 0.2:
        add_red_cells(scene)
    if scene.rng.random() < 0.6:
        add_histiocytes(scene)
    add_lymphocytes(scene)


def add_red_cells(scene: Scene) -> None:
    """Add red blood cells: round, dark in eosin, without a nucleus."""
    rng = scene.rng
    sheet = scene.pick(scene.sheets.lymphocytes)
    window = Window.draw(rng, 0.85, 1.0)
    number = window.cell_numbers(sheet)
    share = rng.uniform(0.02, 0.3)
    kept = scene.keep_cells(sheet, number, scene.keep_chances(sheet, window, share, 2, 6.0))
    cover = kept[number] * window.cut(sheet.chromatin) * np.float32(1 / UNIT)
    scene.eosin += cover * (rng.uniform(0.9, 1.4) - 0.6 * scene.eosin)
    scene.haematoxylin *= 1 - 0.9 * np.clip(cover, 0, 1)


def add_histiocytes(scene: Scene) -> None:
    """Add histiocytes: pale cells, nearly as large as the smaller tumour cells."""
    rng = scene.rng
    sheet = scene.pick(scene.sheets.histiocytes)
    window = Window.draw(rng, 0.9, 1.15)
    share = float(np.clip(rng.beta(0.7, 0.7), 0.03, 0.99))
    chances = scene.keep_chances(sheet, window, share, 2, 4.0)
    darkness, cytoplasm = rng.uniform((1.0, 0.2), (1.7, 0.6))
    scene.add_cells(sheet, window, chances, darkness, cytoplasm, bleach=0.9)


def add_lymphocytes(scene: Scene) -> None:
    """Add lymphocytes: small, dark, often crowded."""
    rng = scene.rng
    sheet = scene.pick(scene.sheets.lymphocytes)
    window = Window.draw(rng, 0.88, 1.12)
    share = float(np.clip(rng.beta(0.65, 0.8), 0.01, 0.985))
    scale, sharpness = int(rng.integers(0, 4)), rng.uniform(1.0, 6.0)
    chances = scene.keep_chances(sheet, window, share, scale, sharpness)
    darkness, cytoplasm, bleach = rng.uniform((1.3, 0.2, 0.3), (2.1, 0.6, 0.8))
    scene.add_cells(sheet, window, chances, darkness, cytoplasm, bleach)
