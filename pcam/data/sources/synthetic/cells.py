"""Sheets of cells: the Voronoi cells of jittered points, with an uneven nucleus in each."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pcam.data.sources.synthetic.kinds import CellKind
from pcam.data.sources.synthetic.noise import TILE, ZOOM, Bytes, Floats, as_bytes, smooth_noise


@dataclass(frozen=True)
class Sheet:
    """A sheet of cells.

    Attributes:
        chromatin: uint8 (TILE, TILE), concentration of haematoxylin, hundredths.
        cytoplasm: uint8 (TILE, TILE), hundredths.
        cell: int16 (TILE, TILE), the number of each pixel's cell from 1 on; 0 in clefts.
        centre: float32 (cells + 1, 2), x and y of each cell's nucleus in sheet pixels.
    """

    chromatin: Bytes
    cytoplasm: Bytes
    cell: NDArray[np.int16]
    centre: Floats


@dataclass(frozen=True)
class Territories:
    """A sheet divided into the Voronoi cells of `count` points.

    Attributes:
        count: Number of points.
        points: float32 (count, 2), x and y in sheet pixels.
        owner: int32 (TILE, TILE), the number of the nearest point, from 0 on.
        dx: float32 (TILE, TILE), from the nearest point along x, patch pixels.
        dy: Along y.
        distance: To the nearest point.
        border_distance: To the border of the pixel's cell.
    """

    count: int
    points: Floats
    owner: NDArray[np.int32]
    dx: Floats
    dy: Floats
    distance: Floats
    border_distance: Floats


def cell_sheet(rng: np.random.Generator, kind: CellKind) -> Sheet:
    """Draw a sheet of cells of one kind. The order of the draws decides what a patch looks like."""
    cells = divide_into_cells(rng, kind)
    edge = cells.border_distance - kind.gap * np.maximum(0.8 + 0.4 * smooth_noise(rng, 6, 6), 0.4)

    sizes = nucleus_sizes(rng, kind, cells.count)
    outline = nucleus_outline(rng, kind, cells)
    reach = cytoplasm_reach(rng, kind, cells, sizes, outline)
    edge = np.minimum(edge, reach - cells.distance)

    # Pixels inside the nucleus' outline; the smooth minimum rounds it where a neighbour is near.
    to_outline = sizes[cells.owner] * outline - cells.distance
    depth = -np.logaddexp(-1.6 * to_outline, -1.6 * (edge - 0.1)) / 1.6
    nucleus = np.clip(depth / 0.9 + 0.5, 0, 1)

    grain = smooth_noise(rng, 1.3 * ZOOM / 2, 1.3 * ZOOM / 2)
    coarse = smooth_noise(rng, 1.3 * ZOOM, 1.3 * ZOOM)
    density = chromatin_density(rng, kind, cells, sizes, depth, grain, coarse)
    plasm = cytoplasm_density(kind, edge, grain, coarse)

    number = np.where(edge > 0, cells.owner + 1, 0).astype(np.int16)
    centre = np.concatenate([np.zeros((1, 2)), cells.points]).astype(np.float32)
    return Sheet(as_bytes(nucleus * density), as_bytes(plasm * (1 - 0.6 * nucleus)), number, centre)


def divide_into_cells(rng: np.random.Generator, kind: CellKind) -> Territories:
    """Divide a sheet into the cells of jittered points on a hexagonal grid, with wavy borders."""
    spacing = kind.spacing * ZOOM
    y, x = np.mgrid[0:TILE, 0:TILE].astype(np.float32)
    wave = 0.11 * spacing
    x += wave * smooth_noise(rng, 0.5 * spacing, 0.5 * spacing)
    y += wave * smooth_noise(rng, 0.5 * spacing, 0.5 * spacing)
    x /= kind.stretch

    rows = int(TILE / spacing) + 6
    columns = int(TILE / kind.stretch / spacing) + 6
    point_x, point_y = jittered_points(rng, rows, columns, spacing)
    row = np.clip(np.rint(y / spacing).astype(np.int32) + 2, 1, rows - 2)
    column = np.clip(np.floor(x / spacing).astype(np.int32) + 2, 1, columns - 3)

    nearest = np.full((TILE, TILE), np.inf, np.float32)  # squared distances
    second = nearest.copy()
    owner = np.zeros((TILE, TILE), np.int32)
    for down in (-1, 0, 1):
        for right in (-1, 0, 1, 2):
            number = (row + down) * columns + (column + right)
            squared = np.square(x - point_x.take(number))
            squared += np.square(y - point_y.take(number))
            closer = squared < nearest
            np.minimum(second, np.maximum(squared, nearest), out=second)
            np.copyto(owner, number, where=closer)
            np.minimum(nearest, squared, out=nearest)

    return Territories(
        count=rows * columns,
        points=np.stack([point_x * kind.stretch, point_y], axis=1),
        owner=owner,
        dx=(x - point_x[owner]) / ZOOM,
        dy=(y - point_y[owner]) / ZOOM,
        distance=np.asarray(np.sqrt(nearest) / ZOOM, np.float32),
        border_distance=np.asarray((np.sqrt(second) - np.sqrt(nearest)) / 2 / ZOOM, np.float32),
    )


def jittered_points(
    rng: np.random.Generator, rows: int, columns: int, spacing: float
) -> tuple[Floats, Floats]:
    """Return x and y of jittered points, (rows * columns,) each; every second row is offset."""
    jitter = rng.uniform(-0.27, 0.27, (2, rows, columns)).astype(np.float32)
    point_y = (np.arange(rows, dtype=np.float32)[:, None] - 2 + jitter[0]) * spacing
    point_x = (np.arange(columns, dtype=np.float32)[None, :] - 2 + jitter[1]) * spacing
    point_x[::2] += 0.5 * spacing
    return point_x.ravel(), point_y.ravel()


def uniform(rng: np.random.Generator, low: float, high: float, count: int) -> Floats:
    """Return one uniform draw per cell, float32 (count,)."""
    return rng.uniform(low, high, count).astype(np.float32)


def nucleus_sizes(rng: np.random.Generator, kind: CellKind, count: int) -> Floats:
    """Return the nuclei's radii, (count,). Most are near the small end, a few are large."""
    low, high = kind.radius
    return np.asarray(low + (high - low) * rng.beta(1.6, 2.2, count), np.float32)


def nucleus_outline(rng: np.random.Generator, kind: CellKind, cells: Territories) -> Floats:
    """Return the outline's radius in each pixel's direction, relative to the nucleus' radius."""
    angle = np.arctan2(cells.dy, cells.dx)
    outline = np.ones_like(angle)
    for waves, limit in ((2, kind.oval), (3, kind.uneven), (5, 0.5 * kind.uneven)):
        amplitude = uniform(rng, -1, 1, cells.count) * limit
        phase = uniform(rng, 0, 6.3, cells.count)
        outline += amplitude[cells.owner] * np.cos(waves * angle + phase[cells.owner])
    return outline


def cytoplasm_reach(
    rng: np.random.Generator, kind: CellKind, cells: Territories, sizes: Floats, outline: Floats
) -> Floats:
    """Return how far the cytoplasm reaches from the centre in each pixel's direction."""
    low, high = kind.body
    radius = sizes * uniform(rng, low, high, cells.count) + 0.7
    reach = radius[cells.owner] * (1 + 0.4 * (outline - 1)) + 0.4 * smooth_noise(rng, 5, 5)
    return np.asarray(reach)


def chromatin_density(
    rng: np.random.Generator,
    kind: CellKind,
    cells: Territories,
    sizes: Floats,
    depth: Floats,
    grain: Floats,
    coarse: Floats,
) -> Floats:
    """Return the chromatin's concentration inside nuclei: a dark rim, clumps, nucleoli.

    Args:
        rng: Source of the draws.
        kind: Of the cells.
        cells: Their territories.
        sizes: (count,), radii of the nuclei.
        depth: (TILE, TILE), distance from the nucleus' outline inward.
        grain: Fine noise.
        coarse: Coarse noise.
    """
    cell_pallor = np.clip(kind.pallor + 0.22 * rng.standard_normal(cells.count), 0, 1)
    pallor = cell_pallor.astype(np.float32)[cells.owner]
    rim = np.exp(-((depth - 0.5) ** 2) / 0.9)
    density = (1 - 0.70 * pallor) + 0.36 * pallor * rim
    density *= np.maximum(1 + kind.clump * (0.20 * grain + 0.22 * coarse), 0.2)

    spot_x = uniform(rng, -0.35, 0.35, cells.count) * sizes
    spot_y = uniform(rng, -0.35, 0.35, cells.count) * sizes
    has_nucleolus = rng.random(cells.count) < kind.nucleoli
    strength = (has_nucleolus * uniform(rng, 0.35, 0.9, cells.count)).astype(np.float32)
    to_spot = (cells.dx - spot_x[cells.owner]) ** 2 + (cells.dy - spot_y[cells.owner]) ** 2
    density += strength[cells.owner] * np.exp(-to_spot / 1.3)
    return np.asarray(density)


def cytoplasm_density(kind: CellKind, edge: Floats, grain: Floats, coarse: Floats) -> Floats:
    """Return the cytoplasm's concentration, from the distance to its edge."""
    density = np.clip(0.55 + edge / 1.6, 0, 1) * (1 + 0.16 * grain + 0.20 * coarse)
    density += kind.membrane * np.exp(-((edge - 0.5) ** 2) / 0.6)
    return np.asarray(density)
