"""What made tissue is drawn from: large sheets of cells, fibres and fat, made once.

A patch is about 93 µm wide and shows up to two hundred cells. To draw it in a millisecond, no cell
is drawn by itself: large sheets of cells are made once (`bank`), each with a map that says which
pixel belongs to which cell, and a patch is a window onto them, turned, scaled and mirrored, in
which a table per cell says what is kept and how dark it is. Cells are therefore kept or left out
whole, never cut.

What is drawn is concentrations of haematoxylin and eosin, in units of the optical density of a
stain's unit vector; `pcam.data.sources.synthetic.source` makes colours of them.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Bytes = NDArray[np.uint8]

SIDE = 96  # pixels of a patch's side, about 0.97 µm each
HALF = SIDE / 2
CENTRE = slice(32, 64)  # rows and columns that decide the label (Veeling et al. 2018)
TILE = 512  # pixels of a sheet's side
ZOOM = 2.0  # sheet pixels per patch pixel: a sheet is then turned by any angle without blur
UNIT = 100.0  # a stored byte of 100 is a concentration of 1


@dataclass(frozen=True)
class Kind:
    """How the cells of a sheet look; lengths in patch pixels (about 0.97 µm).

    Attributes:
        spacing: mean distance between neighbouring cells.
        radius: smallest and largest radius of a nucleus.
        uneven: relative amplitude of the outline's irregularity.
        oval: largest relative elongation.
        body: smallest and largest extent of the cytoplasm, in radii of the nucleus.
        stretch: how much longer than wide cell and nucleus are, along the sheet's x axis.
        pallor: 0 for a nucleus that is dark throughout, 1 for a vesicular one: empty but for its
            rim and clumps.
        clump: contrast of the chromatin's texture.
        nucleoli: share of the nuclei that show one.
        gap: width of the empty cleft between neighbours.
        membrane: how much darker the cytoplasm's edge is.
    """

    spacing: float
    radius: tuple[float, float]
    uneven: float
    oval: float
    body: tuple[float, float]
    stretch: float = 1.0
    pallor: float = 0.0
    clump: float = 0.3
    nucleoli: float = 0.0
    gap: float = 0.5
    membrane: float = 0.0


LYMPHOCYTE = Kind(6.9, (2.7, 3.9), 0.08, 0.14, (1.10, 1.35), pallor=0.12, clump=0.7, gap=0.2)
# Histiocytes and germinal centre cells: benign, pale, nearly as large as the smaller tumour cells.
HISTIOCYTES = (
    Kind(11.0, (3.4, 5.0), 0.10, 0.28, (1.3, 2.2), pallor=0.60, clump=0.8, nucleoli=0.35, gap=0.4),
    Kind(
        12.5, (4.0, 5.9), 0.08, 0.18, (1.3, 1.9),
        pallor=0.78, clump=0.9, nucleoli=0.60, gap=0.0, membrane=0.1,
    ),
)  # fmt: skip
SPINDLE = Kind(
    7.5, (1.2, 1.9), 0.12, 0.10, (1.1, 1.3), stretch=3.4, pallor=0.25, clump=0.5, gap=0.4
)
# Three patterns of growth: small cells in tight sheets, mid-sized ones, and large pleomorphic ones
# with ample cytoplasm and clefts between them.
TUMOURS = (
    Kind(
        12.8, (4.6, 6.3), 0.08, 0.18, (1.2, 1.7),
        pallor=0.72, clump=0.9, nucleoli=0.5, gap=0.0, membrane=0.10,
    ),
    Kind(
        14.8, (4.8, 7.4), 0.10, 0.22, (1.3, 1.9),
        pallor=0.85, clump=0.9, nucleoli=0.8, gap=0.0, membrane=0.25,
    ),
    Kind(
        18.0, (5.2, 9.0), 0.13, 0.26, (1.3, 2.0),
        pallor=0.90, clump=1.0, nucleoli=0.9, gap=0.7, membrane=0.20,
    ),
)  # fmt: skip
FAT = Kind(44.0, (21.0, 27.0), 0.04, 0.12, (1.0, 1.0), gap=1.0)  # only its `cell` is used


@dataclass(frozen=True)
class Sheet:
    """A sheet of cells.

    Attributes:
        chromatin: uint8 (TILE, TILE), hundredths of concentration of haematoxylin.
        plasm: uint8 (TILE, TILE), cytoplasm, hundredths.
        cell: int16 (TILE, TILE), the number of the pixel's cell from 1 on; 0 in clefts.
        centre: float32 (cells + 1, 2), x and y of each cell's nucleus in sheet pixels.
    """

    chromatin: Bytes
    plasm: Bytes
    cell: NDArray[np.int16]
    centre: Floats


def smooth_noise(rng: np.random.Generator, sigma_x: float, sigma_y: float) -> Floats:
    """Noise smoothed over the given sheet pixels: float32 (TILE, TILE), mean 0, deviation 1.

    It wraps around.
    """
    fy = np.fft.fftfreq(TILE).astype(np.float32)[:, None]
    fx = np.fft.rfftfreq(TILE).astype(np.float32)[None, :]
    spectrum = np.fft.rfft2(rng.standard_normal((TILE, TILE), np.float32))
    spectrum *= np.exp(-2 * np.pi**2 * ((fx * sigma_x) ** 2 + (fy * sigma_y) ** 2))
    spectrum[0, 0] = 0
    field = np.fft.irfft2(spectrum, s=(TILE, TILE)).astype(np.float32)
    return np.asarray(field / field.std(), np.float32)


def cell_sheet(rng: np.random.Generator, kind: Kind) -> Sheet:
    """Draws a sheet: the Voronoi cells of jittered points, an uneven nucleus in each."""
    spacing = kind.spacing * ZOOM
    y, x = np.mgrid[0:TILE, 0:TILE].astype(np.float32)
    wave = 0.11 * spacing
    x += wave * smooth_noise(rng, 0.5 * spacing, 0.5 * spacing)
    y += wave * smooth_noise(rng, 0.5 * spacing, 0.5 * spacing)
    x /= kind.stretch
    rows, columns = int(TILE / spacing) + 6, int(TILE / kind.stretch / spacing) + 6
    place = rng.uniform(-0.27, 0.27, (2, rows, columns)).astype(np.float32)
    point_y = (np.arange(rows, dtype=np.float32)[:, None] - 2 + place[0]) * spacing
    point_x = (np.arange(columns, dtype=np.float32)[None, :] - 2 + place[1]) * spacing
    point_x[::2] += 0.5 * spacing
    point_y, point_x = point_y.ravel(), point_x.ravel()
    row = np.clip(np.rint(y / spacing).astype(np.int32) + 2, 1, rows - 2)
    column = np.clip(np.floor(x / spacing).astype(np.int32) + 2, 1, columns - 3)
    near = np.full((TILE, TILE), np.inf, np.float32)
    second = near.copy()
    owner = np.zeros((TILE, TILE), np.int32)
    for down in (-1, 0, 1):
        for right in (-1, 0, 1, 2):
            number = (row + down) * columns + column + right
            away = (x - point_x[number]) ** 2 + (y - point_y[number]) ** 2
            closer = away < near
            second = np.where(closer, near, np.minimum(second, away))
            owner[closer] = number[closer]
            near = np.where(closer, away, near)
    edge = (np.sqrt(second) - np.sqrt(near)) / 2 / ZOOM  # patch pixels to the cell's border
    edge -= kind.gap * np.maximum(0.8 + 0.4 * smooth_noise(rng, 6, 6), 0.4)

    count = rows * columns

    def draw(low: float, high: float) -> Floats:
        return rng.uniform(low, high, count).astype(np.float32)

    dx, dy = (x - point_x[owner]) / ZOOM, (y - point_y[owner]) / ZOOM
    angle, distance = np.arctan2(dy, dx), np.sqrt(near) / ZOOM
    # Sizes are skewed: most nuclei are near the small end, a few are large.
    low, high = kind.radius
    size = (low + (high - low) * rng.beta(1.6, 2.2, count)).astype(np.float32)
    outline = np.ones_like(angle)
    for waves, amplitude in ((2, kind.oval), (3, kind.uneven), (5, 0.5 * kind.uneven)):
        outline += (draw(-1, 1) * amplitude)[owner] * np.cos(waves * angle + draw(0, 6.3)[owner])
    reach = size * draw(*kind.body) + 0.7
    reach = reach[owner] * (1 + 0.4 * (outline - 1)) + 0.4 * smooth_noise(rng, 5, 5)
    edge = np.minimum(edge, reach - distance)
    # Pixels inside the nucleus' outline; the smooth minimum rounds it where a neighbour is near.
    depth = -np.logaddexp(-1.6 * (size[owner] * outline - distance), -1.6 * (edge - 0.1)) / 1.6
    inside = np.clip(depth / 0.9 + 0.5, 0, 1)
    grain = smooth_noise(rng, 1.3 * ZOOM / 2, 1.3 * ZOOM / 2)
    coarse = smooth_noise(rng, 1.3 * ZOOM, 1.3 * ZOOM)
    pale = np.clip(kind.pallor + 0.22 * rng.standard_normal(count), 0, 1).astype(np.float32)[owner]
    rim = np.exp(-((depth - 0.5) ** 2) / 0.9)
    body = (1 - 0.70 * pale) + 0.36 * pale * rim
    body *= np.maximum(1 + kind.clump * (0.20 * grain + 0.22 * coarse), 0.2)
    spot_x, spot_y = draw(-0.35, 0.35) * size, draw(-0.35, 0.35) * size
    shows = (rng.random(count) < kind.nucleoli) * draw(0.35, 0.9)
    away = (dx - spot_x[owner]) ** 2 + (dy - spot_y[owner]) ** 2
    body += shows.astype(np.float32)[owner] * np.exp(-away / 1.3)
    plasm = np.clip(0.55 + edge / 1.6, 0, 1) * (1 + 0.16 * grain + 0.20 * coarse)
    plasm += kind.membrane * np.exp(-((edge - 0.5) ** 2) / 0.6)

    number = np.where(edge > 0, owner + 1, 0).astype(np.int16)
    centre = np.stack([np.r_[0, point_x * kind.stretch], np.r_[0, point_y]], 1).astype(np.float32)
    return Sheet(_bytes(inside * body), _bytes(plasm * (1 - 0.6 * inside)), number, centre)


def _bytes(concentration: Floats) -> Bytes:
    stored: Bytes = np.clip(concentration * UNIT, 0, 255).astype(np.uint8)
    return stored


def fibre_sheet(rng: np.random.Generator) -> Bytes:
    """Draws wavy fibres along x: uint8 (TILE, TILE, 4), each 128 + 40 per deviation.

    The channels are fine fibres, bundles, clefts, and grain without a direction.
    """
    y, x = np.indices((TILE, TILE))
    shift = 12 * smooth_noise(rng, 50, 40)
    shift += 5 * smooth_noise(rng, 16, 16) + 1.2 * smooth_noise(rng, 5, 5)
    low = np.floor(shift).astype(np.int64)
    above, below, part = (y + low) % TILE, (y + low + 1) % TILE, shift - low
    layers = []
    for along, across in ((14, 1.5), (34, 5.0), (20, 2.2)):
        straight = smooth_noise(rng, along, across)
        layers.append((1 - part) * straight[above, x] + part * straight[below, x])
    layers.append(smooth_noise(rng, 2.2, 2.2))
    stored: Bytes = np.clip(128 + 40 * np.stack(layers, -1), 0, 255).astype(np.uint8)
    return stored


@dataclass(frozen=True)
class Bank:
    """What the patches of one split are cut from."""

    lymphocytes: list[Sheet]
    histiocytes: list[Sheet]
    spindles: list[Sheet]
    tumours: list[Sheet]
    fat: list[Sheet]
    fibres: list[Bytes]
    fields: Floats  # (4, TILE, TILE) slow noise: where something lies
    grain: Floats  # (TILE, TILE) noise of a little more than a pixel


@lru_cache(maxsize=4)
def sheet_bank(key: int) -> Bank:
    """Makes the sheets of one key. Different keys share no cell."""
    rng = np.random.default_rng([key, 20180612])
    return Bank(
        [cell_sheet(rng, LYMPHOCYTE) for _ in range(2)],
        [cell_sheet(rng, kind) for kind in HISTIOCYTES],
        [cell_sheet(rng, SPINDLE)],
        [cell_sheet(rng, kind) for kind in TUMOURS],
        [cell_sheet(rng, FAT)],
        [fibre_sheet(rng) for _ in range(2)],
        np.stack([smooth_noise(rng, s, s) for s in (9, 14, 20, 30)]),
        smooth_noise(rng, 0.7, 0.7),
    )
