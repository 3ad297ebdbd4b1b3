"""The kinds of cells that synthetic tissue consists of."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CellKind:
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


LYMPHOCYTE = CellKind(6.9, (2.7, 3.9), 0.08, 0.14, (1.10, 1.35), pallor=0.12, clump=0.7, gap=0.2)
# Histiocytes and germinal centre cells: benign, pale, nearly as large as the smaller tumour cells.
HISTIOCYTES = (
    CellKind(
        11.0, (3.4, 5.0), 0.10, 0.28, (1.3, 2.2),
        pallor=0.60, clump=0.8, nucleoli=0.35, gap=0.4,
    ),
    CellKind(
        12.5, (4.0, 5.9), 0.08, 0.18, (1.3, 1.9),
        pallor=0.78, clump=0.9, nucleoli=0.60, gap=0.0, membrane=0.1,
    ),
)  # fmt: skip
SPINDLE = CellKind(
    7.5, (1.2, 1.9), 0.12, 0.10, (1.1, 1.3), stretch=3.4, pallor=0.25, clump=0.5, gap=0.4
)
# Three patterns of growth: small cells in tight sheets, mid-sized ones, and large pleomorphic ones
# with ample cytoplasm and clefts between them.
TUMOURS = (
    CellKind(
        12.8, (4.6, 6.3), 0.08, 0.18, (1.2, 1.7),
        pallor=0.72, clump=0.9, nucleoli=0.5, gap=0.0, membrane=0.10,
    ),
    CellKind(
        14.8, (4.8, 7.4), 0.10, 0.22, (1.3, 1.9),
        pallor=0.85, clump=0.9, nucleoli=0.8, gap=0.0, membrane=0.25,
    ),
    CellKind(
        18.0, (5.2, 9.0), 0.13, 0.26, (1.3, 2.0),
        pallor=0.90, clump=1.0, nucleoli=0.9, gap=0.7, membrane=0.20,
    ),
)  # fmt: skip
FAT = CellKind(44.0, (21.0, 27.0), 0.04, 0.12, (1.0, 1.0), gap=1.0)  # only its `cell` is used
