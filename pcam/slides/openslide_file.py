"""Slides in the formats that OpenSlide reads."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pcam.data.base import Pixels
from pcam.errors import DataError, describe_error
from pcam.slides.slide import Level, Slide, plausible_mpp, refuse_channels, refuse_depth

if TYPE_CHECKING:
    from openslide import OpenSlide

GENERIC = "generic-tiff"  # OpenSlide's name for a tiled TIFF of no scanner's format
MOST_SIDE = 1 << 20  # pixels; a metre of glass at 1 µm per pixel
MOST_TILE = 1 << 28  # pixels of a tile (1 GiB); OpenSlide ends the process if it gets no memory


class OpenSlideFile(Slide):
    """A slide that OpenSlide reads.

    Args:
        path: of the file.

    Raises:
        OpenSlideUnsupportedFormatError: OpenSlide does not know the format.
        DataError: the file is damaged, or is not in colour of 8 bits per channel.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._process = -1
        self._open_file: OpenSlide | None = None
        file = self._file()
        self.levels = [
            Level(width, height, downsample)
            for (width, height), downsample in zip(
                file.level_dimensions, file.level_downsamples, strict=True
            )
        ]
        _check_sides(path, self.width, self.height)
        _check_tiles(path, file.properties, len(self.levels))
        self.stored_mpp = _read_mpp(file.properties)
        if file.properties.get("openslide.vendor") == GENERIC:
            channels, bits = _read_layout(path)
            refuse_channels(path, channels)
            refuse_depth(path, bits)

    def read(self, level: int, left: int, top: int, width: int, height: int) -> Pixels:
        """Return a region of a level, uint8 (height, width, 3); see ``Slide.read``."""
        from openslide import OpenSlideError
        from PIL import Image

        downsample = self.levels[level].downsample
        corner = (round(left * downsample), round(top * downsample))
        try:
            region = self._file().read_region(corner, level, (width, height))
        except OpenSlideError as error:
            raise DataError(
                f"{self.path} is damaged at {corner[0]}, {corner[1]} ({describe_error(error)})"
            ) from error
        picture = Image.new("RGB", region.size, "white")
        picture.paste(region, mask=region.getchannel("A"))
        return np.asarray(picture)

    def _file(self) -> "OpenSlide":
        """Return this process's own handle: a forked process would share the file's position."""
        if self._open_file is None or self._process != os.getpid():
            self._open_file = _open(self.path)
            self._process = os.getpid()
        return self._open_file

    def __getstate__(self) -> dict[str, object]:
        """Leave the handle out, which other processes cannot use."""
        return {**vars(self), "_open_file": None}


def _open(path: Path) -> "OpenSlide":
    from openslide import OpenSlide, OpenSlideError, OpenSlideUnsupportedFormatError

    try:
        return OpenSlide(str(path))
    except OpenSlideUnsupportedFormatError:
        raise
    except OpenSlideError as error:
        raise DataError(f"{path} is damaged ({describe_error(error)})") from error


def _read_mpp(properties: Mapping[str, str]) -> tuple[float, float] | None:
    """Return the micrometres per pixel along x and y; None where a file does not say it."""
    values = [properties.get(f"openslide.mpp-{axis}") for axis in ("x", "y")]
    try:
        known = [float(value) for value in values if value is not None]
    except ValueError:
        return None
    return plausible_mpp(*known) if len(known) == 2 else None


def _check_sides(path: Path, width: int, height: int) -> None:
    """Make sure that a slide has sides that glass can have.

    Raises:
        DataError: it has not.
    """
    if max(width, height) > MOST_SIDE:
        raise DataError(f"{path} is damaged (it says that it has {width}x{height} pixels)")


def _check_tiles(path: Path, properties: Mapping[str, str], levels: int) -> None:
    """Make sure that a tile, which OpenSlide decodes as a whole, can be in memory.

    Args:
        path: of the slide.
        properties: as OpenSlide has them.
        levels: how many there are.

    Raises:
        DataError: a level has larger tiles, which no scanner writes.
    """
    for level in range(levels):
        width = int(properties.get(f"openslide.level[{level}].tile-width", 0))
        height = int(properties.get(f"openslide.level[{level}].tile-height", 0))
        if width * height > MOST_TILE:
            raise DataError(f"{path} is damaged (tiles of {width}x{height} pixels)")


def _read_layout(path: Path) -> tuple[int, int]:
    """Return a TIFF's channels per pixel, and the bits of the deepest of them.

    OpenSlide would leave channels out, shorten 16 bits to 8, and fail at 32 while it reads.

    Raises:
        DataError: the file's tags cannot be read.
    """
    from tifffile import TiffFile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # it warns of each odd tag
    try:
        with TiffFile(path) as file:
            page = file.pages.first
            return int(page.samplesperpixel), int(np.max(page.bitspersample))
    except Exception as error:  # tifffile raises many kinds for a broken file
        raise DataError(
            f"{path} is damaged, or no TIFF that tifffile reads ({describe_error(error)}); save it"
            " anew as a tiled TIFF"
        ) from error
