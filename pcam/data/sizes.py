"""Height and width of patches."""

from collections.abc import Mapping

import numpy as np

from pcam.data.base import PatchSource
from pcam.errors import DataError


def patch_size(source: PatchSource) -> tuple[int, int]:
    """Return height and width of a source's patches, by reading the first."""
    height, width = source.read(np.arange(1)).shape[1:3]
    return height, width


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
