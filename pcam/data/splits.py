"""Which patch is for training and which for validation, where nobody has said so."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcam.data.randomness import Purpose, draw
from pcam.data.storage.csv import read_rows
from pcam.errors import ConfigError, DataError

TRIES = 400  # random orders of the slides of which the best balanced is kept
Keys = Sequence[str] | NDArray[Any]
Sides = NDArray[np.bool_]


def stratified(labels: NDArray[np.uint8], keys: Keys, share: float, seed: int) -> Sides:
    """Split patches, each class apart; patches of equal ``keys`` stay together.

    Args:
        labels: uint8 (N,).
        keys: N sortable values; equal patches have equal ones (the SHA-1 of the pixels).
        share: of the patches that goes to valid, in (0, 1).
        seed: of the draw.

    Returns:
        bool (N,), True for valid.

    Raises:
        DataError: ``share`` leaves a side without patches.
    """
    first = np.unique(np.asarray(keys), return_index=True, return_inverse=True)
    stratum = labels[first[1]]  # a key's class is that of its first patch
    rng = draw(seed, Purpose.SPLIT)
    valid = np.zeros(len(stratum), bool)
    for value in (0, 1):
        members = rng.permutation(np.flatnonzero(stratum == value))
        valid[members[: round(_checked(share) * len(members))]] = True
    return _both(valid[first[2]], share)


def by_slide(labels: NDArray[np.uint8], slides: Keys, share: float, seed: int) -> Sides:
    """Split patches so that no slide is on both sides, True for valid.

    Of many random orders of the slides the one is kept whose valid side comes nearest to the wanted share of each class.
    """
    slide, count = _counted(labels, slides)
    wanted = _checked(share) * count.sum(1, keepdims=True)
    rng = draw(seed, Purpose.SPLIT)
    best, least = np.zeros(count.shape[1], bool), np.inf
    for _ in range(TRIES):
        order = rng.permutation(count.shape[1])
        reached = count[:, order].cumsum(1)
        distance = (np.abs(reached - wanted) / np.maximum(wanted, 1)).sum(0)[:-1]
        size = int(distance.argmin()) + 1
        if distance[size - 1] < least:
            least = distance[size - 1]
            best = np.isin(np.arange(count.shape[1]), order[:size])
    return _both(best[slide], share)


def folds_by_slide(
    labels: NDArray[np.uint8], slides: Keys, folds: int, seed: int
) -> NDArray[np.int64]:
    """Deal whole slides to k folds, each class as evenly as that allows.

    Large slides first, in an order that the seed varies, each goes to the fold that then has the least squared deviation.

    Returns:
        int64 (N,), each patch's fold, from 0.

    Raises:
        ConfigError: ``folds`` is less than 2 or more than there are slides.
    """
    slide, count = _counted(labels, slides)
    known = count.shape[1]
    if not isinstance(folds, int) or not 2 <= folds <= known:
        raise ConfigError(
            f"splits.folds={folds}; with {known} slides it is a count from 2 to {known}"
        )
    share = count / np.maximum(count.sum(1, keepdims=True), 1)
    order = np.argsort(-share.sum(0) * draw(seed, Purpose.SPLIT).uniform(0.7, 1.0, known))
    held, fold = np.zeros((2, folds)), np.zeros(known, np.int64)
    for name in order:
        # putting s into fold f adds (h + s)^2 - h^2 to the sum of squares, so the emptiest of the classes that s has wins
        fold[name] = int((held * share[:, [name]]).sum(0).argmin())
        held[:, fold[name]] += share[:, name]
    return fold[slide]


def joined_slides(slides: Sequence[str], keys: Keys) -> NDArray[np.int64]:
    """Return numbers for slides, int64 (N,), such that slides that share a patch have the same one."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    slide = np.unique(np.asarray(slides), return_inverse=True)[1]
    key = np.unique(np.asarray(keys), return_inverse=True)[1]
    size, first = int(slide.max()) + 1, int(slide.max()) + 1
    links = coo_array(
        (np.ones(len(slide), bool), (slide, first + key)), shape=(size + key.max() + 1,) * 2
    )
    number: NDArray[np.int64] = connected_components(links, directed=False)[1][:size].astype(
        np.int64
    )
    return number[slide]


def read_split(path: Path, ids: Sequence[str]) -> NDArray[Any]:
    """Return each patch's split, (N,) of "train", "valid", "test", or "" where the file does not list it.

    Raises:
        DataError: the file is missing, lacks a column, names an unknown patch or split, or a patch twice.
    """
    table = read_rows(path, ("id", "split"), "it is a csv of each patch's split (splits.file)")
    rows = [(row["id"], row["split"]) for row in table]
    place = {name: i for i, name in enumerate(ids)}
    result = np.full(len(ids), "", "<U5")
    for line, (name, split) in enumerate(rows, 2):
        if name not in place:
            raise DataError(
                f"{path}, line {line}: no patch has the id {name}; is it of other data (data.root)?"
            )
        if split not in ("train", "valid", "test"):
            raise DataError(f"{path}, line {line}: split '{split}' is none of train, valid, test")
        if result[place[name]]:
            raise DataError(f"{path}, line {line}: the id {name} stands there twice")
        result[place[name]] = split
    return result


def _counted(
    labels: NDArray[np.uint8], slides: Keys
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return each patch's slide as a number, (N,), and the patches of each class and slide, (2, slides)."""
    names, slide = np.unique(np.asarray(slides), return_inverse=True)
    if len(names) < 2:
        raise DataError(
            f"the patches are of {len(names)} slide; at least 2 are needed to split by slide; splits=random"
        )
    return slide, np.stack(
        [np.bincount(slide[labels == value], minlength=len(names)) for value in (0, 1)]
    )


def _checked(share: float) -> float:
    if not 0 < share < 1:
        raise ConfigError(f"splits.share={share} is not between 0 and 1")
    return share


def _both(valid: Sides, share: float) -> Sides:
    if valid.all() or not valid.any():
        raise DataError(
            f"splits.share={share} leaves {'train' if valid.all() else 'valid'} without patches"
        )
    return valid
