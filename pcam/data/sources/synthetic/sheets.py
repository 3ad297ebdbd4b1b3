"""The sheets that synthetic tissue is cut from: cells, fibres, fat and noise, generated once.

A patch is about 93 µm wide and shows up to two hundred cells. To draw it in a millisecond, no cell
is drawn individually: large sheets of cells are generated once (`sheet_bank`), each with a map of
which pixel belongs to which cell. A patch is a window onto them, rotated, scaled and mirrored, with
a table of which cells are kept and how dark each is. So cells are kept or left out whole.

Sheets contain concentrations of haematoxylin and eosin, in units of the optical density of a
stain's unit vector; `pcam.data.sources.synthetic.stain` turns them into colours.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from pcam.data.sources.synthetic import kinds
from pcam.data.sources.synthetic.cells import Sheet, cell_sheet
from pcam.data.sources.synthetic.noise import TILE, Bytes, Floats, smooth_noise

BANK_KEY = 20180612  # separates the sheets' random streams from all others
# Smoothing of the fibre layers along and across: fine fibres, bundles, clefts.
FIBRE_LAYERS = ((14, 1.5), (34, 5.0), (20, 2.2))
FIELD_SCALES = (9, 14, 20, 30)  # smoothing of the slow noise, sheet pixels


def fibre_sheet(rng: np.random.Generator) -> Bytes:
    """Draw wavy fibres along x.

    Returns:
        uint8 (TILE, TILE, 4), each 128 + 40 per deviation: fine fibres, bundles, clefts, and grain
        without a direction.
    """
    y, x = np.indices((TILE, TILE))
    shift = 12 * smooth_noise(rng, 50, 40)
    shift += 5 * smooth_noise(rng, 16, 16) + 1.2 * smooth_noise(rng, 5, 5)
    low = np.floor(shift).astype(np.int64)
    above, below = (y + low) % TILE, (y + low + 1) % TILE
    fraction = shift - low
    layers = []
    for along, across in FIBRE_LAYERS:
        straight = smooth_noise(rng, along, across)
        layers.append((1 - fraction) * straight[above, x] + fraction * straight[below, x])
    layers.append(smooth_noise(rng, 2.2, 2.2))
    stored: Bytes = np.clip(128 + 40 * np.stack(layers, -1), 0, 255).astype(np.uint8)
    return stored


@dataclass(frozen=True)
class SheetBank:
    """The sheets from which the patches of one split are cut.

    Attributes:
        lymphocytes: Sheets of cells; so are the next three.
        histiocytes: Two kinds.
        spindles: Of connective tissue.
        tumours: Three patterns of growth.
        fat: Only its `cell` is used.
        fibres: uint8 (TILE, TILE, 4) each.
        fields: float32 (4, TILE, TILE), slow noise that decides where something is.
        grain: float32 (TILE, TILE), noise of a little more than a pixel.
    """

    lymphocytes: list[Sheet]
    histiocytes: list[Sheet]
    spindles: list[Sheet]
    tumours: list[Sheet]
    fat: Sheet
    fibres: list[Bytes]
    fields: Floats
    grain: Floats


@lru_cache(maxsize=4)
def sheet_bank(key: int) -> SheetBank:
    """Generate the sheets of one key. Different keys share no cell."""
    rng = np.random.default_rng([key, BANK_KEY])
    return SheetBank(  # the arguments are drawn in this order
        lymphocytes=[cell_sheet(rng, kinds.LYMPHOCYTE) for _ in range(2)],
        histiocytes=[cell_sheet(rng, kind) for kind in kinds.HISTIOCYTES],
        spindles=[cell_sheet(rng, kinds.SPINDLE)],
        tumours=[cell_sheet(rng, kind) for kind in kinds.TUMOURS],
        fat=cell_sheet(rng, kinds.FAT),
        fibres=[fibre_sheet(rng) for _ in range(2)],
        fields=np.stack([smooth_noise(rng, scale, scale) for scale in FIELD_SCALES]),
        grain=smooth_noise(rng, 0.7, 0.7),
    )
