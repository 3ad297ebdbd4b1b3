"""At most ``data.limit`` patches of each split, with both classes among them."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pcam.data.base import Indices, PatchSource, subset
from pcam.data.randomness import Purpose, draw


def limit_splits(
    splits: Mapping[str, PatchSource], limit: int | None, seed: int
) -> dict[str, PatchSource]:
    """Limit each split; seeds differ in the patches they train on, not in those they evaluate."""
    limited = {}
    for name, source in splits.items():
        limited[name] = limit_source(source, limit, seed if name == "train" else 0)
    return limited


def limit_source(source: PatchSource, limit: int | None, seed: int) -> PatchSource:
    """Return at most ``limit`` patches of a source, drawn by the seed, in the order of the source.

    From two patches on, each class of the source is among them: a draw that lacks one gets a random
    patch of it in place of one of the other class.

    Args:
        source: patches.
        limit: at least 1; None for all patches.
        seed: of the draw.
    """
    if limit is None or limit >= len(source):
        return source
    generator = draw(seed, Purpose.LIMIT)
    chosen = generator.choice(len(source), limit, replace=False)
    if source.labels is not None and limit > 1:
        _add_missing_class(chosen, source.labels, generator)
    return subset(source, np.sort(chosen))


def _add_missing_class(
    chosen: Indices, labels: NDArray[np.uint8], generator: np.random.Generator
) -> None:
    """Replace one chosen patch by one of the class that none of them has, in place.

    Args:
        chosen: (n,), of the chosen patches.
        labels: uint8 (N,), of all patches.
        generator: of the draw.
    """
    missing = np.setdiff1d(labels, labels[chosen])
    if len(missing):
        chosen[-1] = generator.choice(np.flatnonzero(labels == missing[0]))
