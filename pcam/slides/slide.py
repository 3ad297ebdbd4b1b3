"""What a slide is: a pyramid of pictures of one piece of glass, read by regions."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pcam.config.base import LARGEST_MPP, SMALLEST_MPP
from pcam.data.base import Pixels
from pcam.errors import ConfigError, DataError, format_override
from pcam.stats.formatting import pluralize

SQUARE = 1.02  # ratio of a pixel's sides up to which it counts as square


@dataclass(frozen=True)
class Level:
    """One picture of a slide's pyramid.

    Attributes:
        width: pixels.
        height: pixels.
        downsample: pixels of level 0 per pixel of this level.
    """

    width: int
    height: int
    downsample: float


class Slide(ABC):
    """A slide that is open for reading. It can be pickled, and used after a fork.

    Attributes:
        path: of the file.
        levels: of the pyramid, the largest first.
        stored_mpp: micrometres per pixel at level 0 as the file says, along x and y; None if it
            does not.
    """

    path: Path
    levels: Sequence[Level]
    stored_mpp: tuple[float, float] | None

    @abstractmethod
    def read(self, level: int, left: int, top: int, width: int, height: int) -> Pixels:
        """Return a region of a level, on white where the slide is transparent.

        Args:
            level: number in ``levels``.
            left: pixels of the level; so are the next three.
            top: likewise.
            width: likewise; the region is inside of the level.
            height: likewise.

        Returns:
            uint8 (height, width, 3).

        Raises:
            DataError: the file is damaged there.
        """

    @property
    def width(self) -> int:
        """Pixels of level 0."""
        return self.levels[0].width

    @property
    def height(self) -> int:
        """Pixels of level 0."""
        return self.levels[0].height


def resolve_mpp(slide: Slide, given: float | None) -> float:
    """Return a slide's micrometres per pixel at level 0.

    Args:
        slide: the slide.
        given: ``slide_mpp`` of the config, which replaces what the file says.

    Raises:
        ConfigError: neither says it.
        DataError: the file says that pixels are not square.
    """
    if given is not None:
        return given
    if slide.stored_mpp is None:
        example = format_override("slide_mpp", 0.25)
        raise ConfigError(
            f"{slide.path} does not say its resolution; give the micrometres per pixel of its"
            f" full size, such as {example}"
        )
    x, y = slide.stored_mpp
    if max(x, y) > SQUARE * min(x, y):
        example = format_override("slide_mpp", float(f"{x:.4g}"))
        raise DataError(
            f"{slide.path} has pixels of {x:.4g} x {y:.4g} micrometres, which are not square; give"
            f" {example} if the file is wrong, or resample the slide"
        )
    return (x + y) / 2


def plausible_mpp(x: float, y: float) -> tuple[float, float] | None:
    """Return a resolution if a slide can have it; None for what other programs write by default.

    Args:
        x: micrometres per pixel along the width.
        y: along the height.
    """
    is_plausible = all(SMALLEST_MPP <= mpp <= LARGEST_MPP for mpp in (x, y))
    return (x, y) if is_plausible else None


def refuse_channels(path: Path, channels: int) -> None:
    """Make sure that a slide is in colour, without further channels.

    Args:
        path: of the slide.
        channels: per pixel.

    Raises:
        DataError: it is not.
    """
    if channels != 3:
        raise DataError(
            f"{path} has {pluralize(channels, 'channel')} per pixel; a slide has 3 (red, green,"
            " blue): save it as RGB"
        )


def refuse_depth(path: Path, bits: int) -> None:
    """Make sure that a slide has 8 bits per channel.

    Args:
        path: of the slide.
        bits: per channel.

    Raises:
        DataError: it has not.
    """
    if bits != 8:
        raise DataError(
            f"{path} has {pluralize(bits, 'bit')} per channel; a slide has 8: save it as RGB of 8"
            " bits"
        )
