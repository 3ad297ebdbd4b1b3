"""Height and width of patches."""

from collections.abc import Mapping

import numpy as np

from pcam.data.base import PatchSource
from pcam.errors import DataError


def patch_size(source: PatchSource) -> tuple[int, int]:
    """Return height and width of a source's patches, by reading the first."""
    height, width = source.read(np.arange(1)).shape[1:3]
    return height, width


def refuse_constant(name: str, sources: Mapping[str, PatchSource]) -> None:
    """Make sure that no split has one value in all of its pixels, as files do that were not copied.

    Reading stops at the first patch that is not of one value.

    Args:
        name: of the source, for messages.
        sources: of the splits, by name.

    Raises:
        DataError: a split has.
    """
    for split, source in sources.items():
        value = _only_value(source)
        if value is not None:
            raise DataError(
                f"data={name}: every pixel of {split} is {value}; its file was never written, or"
                " not copied whole: get it again"
            )


def _only_value(source: PatchSource) -> int | None:
    """Return the value of all pixels of a source; None if there are two."""
    value: int | None = None
    for index in range(len(source)):
        pixels = source.read(np.array([index]))
        if value is None and pixels.size:
            value = int(pixels.flat[0])
        if (pixels != value).any():
            return None
    return value


def common_size(name: str, sources: Mapping[str, PatchSource]) -> tuple[int, int]:
    """Return height and width of the patches of all splits.

    Args:
        name: of the source, for messages.
        sources: of the splits, by name; at least one.

    Raises:
        DataError: they differ.
    """
    sizes = {split: patch_size(source) for split, source in sources.items()}
    if len(set(sizes.values())) > 1:
        listed = [f"{split} {width}x{height}" for split, (height, width) in sizes.items()]
        raise DataError(
            f"data={name}: the splits have patches of different sizes"
            f" ({', '.join(listed)} pixels); all must have one"
        )
    return next(iter(sizes.values()))
