"""A slide before it is predicted: its resolution, its grid, and its tissue."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pcam.config.schema import SlideConfig
from pcam.data.base import Masks, Pixels
from pcam.errors import ConfigError, DataError, PcamError
from pcam.evaluation.saved_run import SavedRun
from pcam.slides.grid import Grid, Places
from pcam.slides.opening import open_slide
from pcam.slides.slide import Slide, resolve_mpp
from pcam.slides.tissue import find_tissue, low_power_view, read_low_power
from pcam.slides.view import SlideView

PCAM_SIDE = 96  # pixels; of runs of versions that did not store the size of their patches


@dataclass(frozen=True)
class PatchGeometry:
    """How patches lie on a slide; lengths in pixels of the patches.

    Attributes:
        mpp: micrometres per pixel.
        patch: side of a patch.
        centre: side of the square that an answer holds for.
        stride: from one patch to the next.
    """

    mpp: float
    patch: int
    centre: int
    stride: int


@dataclass(frozen=True)
class PreparedSlide:
    """A slide whose header is read.

    Attributes:
        slide: the open file.
        slide_mpp: micrometres per pixel at level 0.
        view: the slide at the patches' resolution.
        grid: of its patches.
    """

    slide: Slide
    slide_mpp: float
    view: SlideView
    grid: Grid


@dataclass(frozen=True)
class Tissue:
    """Where a slide has tissue.

    Attributes:
        picture: the slide at low power, uint8 (h, w, 3).
        mpp: micrometres per pixel of the picture.
        mask: bool (h, w), its tissue.
        cells: bool (rows, columns), the cells of the grid with tissue.
        places: (N, 2), row and column of the patches to predict.
    """

    picture: Pixels
    mpp: float
    mask: Masks
    cells: Masks
    places: Places

    @property
    def area(self) -> float:
        """Square millimetres of tissue."""
        return float(self.mask.sum()) * self.mpp**2 / 1e6


def patch_geometry(config: SlideConfig, run: SavedRun) -> PatchGeometry:
    """Return how patches lie on a slide, with what the config leaves to the run.

    Raises:
        ConfigError: the run's patches are not square, or ``centre`` or ``stride`` do not fit them.
    """
    trained = run.model.patch_format
    height, width = (PCAM_SIDE, PCAM_SIDE) if trained is None else (trained.height, trained.width)
    if height != width:
        raise ConfigError(
            f"{run.folder} was trained on patches of {width}x{height} pixels; slides are predicted"
            " in square ones"
        )
    centre = max(1, height // 3) if config.centre is None else config.centre
    stride = centre if config.stride is None else config.stride
    if centre > height:
        raise ConfigError(f"centre={centre} must be at most {height}, the side of a patch")
    if stride < centre and centre % stride:
        raise ConfigError(f"stride={stride} must divide centre={centre}, or be larger")
    return PatchGeometry(config.mpp, height, centre, stride)


def prepare_slide(path: Path, geometry: PatchGeometry, slide_mpp: float | None) -> PreparedSlide:
    """Open a slide and lay the grid of patches over it.

    Args:
        path: of the file.
        geometry: of the patches.
        slide_mpp: micrometres per pixel at level 0; None for what the file says.

    Raises:
        ConfigError: the resolution of the slide is not known.
        DataError: it cannot be read, or is smaller than a patch.
    """
    slide = open_slide(path)
    resolution = resolve_mpp(slide, slide_mpp)
    view = SlideView(slide, resolution, geometry.mpp)
    if min(view.width, view.height) < geometry.patch:
        raise DataError(
            f"{path} is {view.width}x{view.height} pixels at {view.mpp:.4g} micrometres per pixel,"
            f" smaller than a patch of {geometry.patch}x{geometry.patch}"
        )
    grid = Grid(
        width=view.width,
        height=view.height,
        patch=geometry.patch,
        centre=geometry.centre,
        stride=geometry.stride,
        scale=view.scale,
    )
    return PreparedSlide(slide, resolution, view, grid)


def ensure_usable(paths: Sequence[Path], geometry: PatchGeometry, slide_mpp: float | None) -> None:
    """Make sure that slides can be prepared, see ``prepare_slide``; none is kept open.

    Raises:
        DataError: some cannot be used; one line for each.
    """
    faults: list[str] = []
    for path in paths:
        try:
            prepare_slide(path, geometry, slide_mpp)
        except PcamError as error:
            faults += error.faults
    if faults:
        raise DataError(*dict.fromkeys(faults))


def locate_tissue(prepared: PreparedSlide, method: str) -> Tissue:
    """Return where a slide has tissue, and with that which patches are predicted.

    Args:
        prepared: the slide.
        method: otsu, or all for the whole slide.

    Raises:
        DataError: the slide has no tissue, or one colour only.
    """
    view = low_power_view(prepared.slide, prepared.slide_mpp)
    picture = read_low_power(view)
    mask = np.ones(picture.shape[:2], np.bool_)
    if method == "otsu":
        mask = find_tissue(picture, view.mpp)
    if not mask.any():
        raise DataError(f"{prepared.slide.path} has no tissue; tissue=all predicts all of it")
    cells = prepared.grid.cells_with(mask)
    places = prepared.grid.places(cells, prepared.view.block_side)
    return Tissue(picture, view.mpp, mask, cells, places)
