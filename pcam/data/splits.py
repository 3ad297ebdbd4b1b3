"""Which labelled patch is for training and which for validation, where nobody has said so."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pcam.data.draws import Purpose, draw
from pcam.data.source import Indices
from pcam.errors import DataError

TRIES = 400  # random orders of the slides of which the best balanced is kept


def stratified(labels: NDArray[np.uint8], keys: Sequence[str], share: float, seed: int) -> tuple[Indices, Indices]:
    """Split patches into (train, valid), each class apart; patches of equal ``keys`` stay together.

    Args:
        labels: uint8 (N,).
        keys: N names; equal patches have equal ones (the SHA-1 of the pixels).
        share: of the patches that goes to valid, in (0, 1).
        seed: of the draw.

    Raises:
        DataError: ``share`` leaves a side without patches.
    """
    first = np.unique(np.asarray(keys), return_index=True, return_inverse=True)
    stratum = labels[first[1]]  # a key's class is that of its first patch
    rng = draw(seed, Purpose.SPLIT)
    valid = np.zeros(len(stratum), bool)
    for value in (0, 1):
        members = rng.permutation(np.flatnonzero(stratum == value))
        valid[members[: round(share * len(members))]] = True
    return _sides(valid[first[2]], share)


def by_slide(labels: NDArray[np.uint8], slides: Sequence[str], share: float, seed: int) -> tuple[Indices, Indices]:
    """Split patches into (train, valid) with no slide on both sides.

    Of many random orders of the slides the one is kept whose valid side comes nearest to the wanted share of each class.
    """
    names, slide = np.unique(np.asarray(slides), return_inverse=True)
    if len(names) < 2:
        raise DataError(f"data.slide_csv names {len(names)} slide; at least 2 are needed to split by slide")
    count = np.stack([np.bincount(slide[labels == value], minlength=len(names)) for value in (0, 1)])
    wanted = share * count.sum(1, keepdims=True)
    rng = draw(seed, Purpose.SPLIT)
    best, least = np.zeros(len(names), bool), np.inf
    for _ in range(TRIES):
        order = rng.permutation(len(names))
        reached = count[:, order].cumsum(1)
        distance = (np.abs(reached - wanted) / np.maximum(wanted, 1)).sum(0)[:-1]
        size = int(distance.argmin()) + 1
        if distance[size - 1] < least:
            least = distance[size - 1]
            best = np.isin(np.arange(len(names)), order[:size])
    return _sides(best[slide], share)


def _sides(valid: NDArray[np.bool_], share: float) -> tuple[Indices, Indices]:
    if valid.all() or not valid.any():
        raise DataError(f"data.valid_share={share} leaves {'train' if valid.all() else 'valid'} without patches")
    return np.flatnonzero(~valid), np.flatnonzero(valid)
