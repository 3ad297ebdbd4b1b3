"""Splitting patches into train and valid: stratified, by slide, in folds, or by a file."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pcam.data.randomness import Purpose, draw
from pcam.data.storage.csv import read_rows
from pcam.errors import ConfigError, DataError

TRIES = 400  # random orders of the slides, the best balanced of which is kept
SPLIT_NAMES = ("train", "valid", "test")
Keys: TypeAlias = Sequence[str] | NDArray[np.str_] | NDArray[np.void] | NDArray[np.int64]
IsValid = NDArray[np.bool_]


def split_stratified(labels: NDArray[np.uint8], keys: Keys, share: float, seed: int) -> IsValid:
    """Split patches, each class by itself; patches of equal ``keys`` stay together.

    Args:
        labels: uint8 (N,).
        keys: N sortable values, equal for equal patches (the SHA-1 of the pixels).
        share: of the patches that goes to valid, in (0, 1).
        seed: of the draw.

    Returns:
        bool (N,), True for valid.

    Raises:
        DataError: ``share`` leaves train or valid without patches.
    """
    _, first, number = np.unique(np.asarray(keys), return_index=True, return_inverse=True)
    stratum = labels[first]  # the class of a key is that of its first patch
    rng = draw(seed, Purpose.SPLIT)
    valid = np.zeros(len(stratum), bool)
    for value in (0, 1):
        members = rng.permutation(np.flatnonzero(stratum == value))
        valid[members[: round(share * len(members))]] = True
    return _require_both(valid[number], share)


def split_by_slide(labels: NDArray[np.uint8], slides: Keys, share: float, seed: int) -> IsValid:
    """Split patches by whole slides.

    Of many random orders of the slides, the one is kept whose first slides come nearest to the
    wanted share of each class.

    Args:
        labels: uint8 (N,).
        slides: N slide names.
        share: of the patches that goes to valid, in (0, 1).
        seed: of the draw.

    Returns:
        bool (N,), True for valid.

    Raises:
        DataError: there are fewer than two slides.
    """
    slide, count = _count_by_slide(labels, slides)
    slides_known = count.shape[1]
    wanted = share * count.sum(1, keepdims=True)
    rng = draw(seed, Purpose.SPLIT)
    best = np.zeros(slides_known, bool)
    least = np.inf
    for _ in range(TRIES):
        order = rng.permutation(slides_known)
        reached = count[:, order].cumsum(1)
        distance = (np.abs(reached - wanted) / np.maximum(wanted, 1)).sum(0)[:-1]
        size = int(distance.argmin()) + 1
        if distance[size - 1] < least:
            least = distance[size - 1]
            best = np.isin(np.arange(slides_known), order[:size])
    return _require_both(best[slide], share)


def fold_by_slide(
    labels: NDArray[np.uint8], slides: Keys, folds: int, seed: int
) -> NDArray[np.int64]:
    """Assign whole slides to k folds, each class as evenly as slides allow.

    Slides are taken from large to small, in an order that the seed varies. Each goes to the fold
    that then has the least squared deviation.

    Args:
        labels: uint8 (N,).
        slides: N slide names.
        folds: number of folds, at least 2.
        seed: of the order.

    Returns:
        int64 (N,), the fold of each patch, from 0.

    Raises:
        ConfigError: there are more folds than slides.
        DataError: there are fewer than two slides.
    """
    slide, count = _count_by_slide(labels, slides)
    slides_known = count.shape[1]
    if folds > slides_known:
        raise ConfigError(
            f"splits.folds={folds} must be from 2 to {slides_known}, the number of slides"
        )
    share = count / np.maximum(count.sum(1, keepdims=True), 1)
    jitter = draw(seed, Purpose.SPLIT).uniform(0.7, 1.0, slides_known)
    order = np.argsort(-share.sum(0) * jitter)
    assigned = np.zeros((2, folds))
    fold = np.zeros(slides_known, np.int64)
    for name in order:
        # a slide with share s adds (h + s)^2 - h^2 to the sum of squares of a fold with share h, so
        # the fold wins that has the least of the classes that s has
        fold[name] = int((assigned * share[:, [name]]).sum(0).argmin())
        assigned[:, fold[name]] += share[:, name]
    return fold[slide]


def join_slides(slides: Sequence[str], keys: Keys) -> NDArray[np.int64]:
    """Number slides such that slides that share a patch have the same number.

    Args:
        slides: N slide names.
        keys: N sortable values, equal for equal patches.

    Returns:
        int64 (N,).
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    _, slide = np.unique(np.asarray(slides), return_inverse=True)
    _, key = np.unique(np.asarray(keys), return_inverse=True)
    slides_known = int(slide.max()) + 1
    nodes = slides_known + int(key.max()) + 1  # slides first, then keys
    edges = (np.ones(len(slide), bool), (slide, slides_known + key))
    _, component = connected_components(coo_array(edges, shape=(nodes, nodes)), directed=False)
    number: NDArray[np.int64] = component[:slides_known].astype(np.int64)
    return number[slide]


def read_split(path: Path, ids: Sequence[str]) -> NDArray[np.str_]:
    """Return the split of each patch that a csv with the columns id and split gives.

    Args:
        path: of the csv.
        ids: N names.

    Returns:
        (N,), "train", "valid" or "test"; "" where the file does not list the patch.

    Raises:
        DataError: the file is missing or empty, lacks a column, names an unknown patch or split, or
            a patch twice.
    """
    hint = "splits.file is a csv with the split of each patch"
    rows = read_rows(path, ("id", "split"), hint)
    if not rows:
        raise DataError(f"{path} lists no patches; {hint}")
    place = {name: i for i, name in enumerate(ids)}
    result = np.full(len(ids), "", "<U5")
    for line, row in enumerate(rows, 2):
        name, split = row["id"], row["split"]
        if name not in place:
            raise DataError(
                f"{path}, line {line}: no patch has the id {name}; if the file belongs to other"
                " data, set data.root"
            )
        if split not in SPLIT_NAMES:
            raise DataError(
                f"{path}, line {line}: split '{split}' is not one of {', '.join(SPLIT_NAMES)}"
            )
        if result[place[name]]:
            raise DataError(f"{path}, line {line}: the id {name} is listed twice")
        result[place[name]] = split
    return result


def _count_by_slide(
    labels: NDArray[np.uint8], slides: Keys
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the slide of each patch as a number, (N,), and patches by class and slide, (2, S)."""
    names, slide = np.unique(np.asarray(slides), return_inverse=True)
    if len(names) < 2:
        raise DataError(
            f"the patches come from {len(names)} slide; at least 2 are needed to split by slide;"
            " set splits=random"
        )
    counts = [np.bincount(slide[labels == value], minlength=len(names)) for value in (0, 1)]
    return slide, np.stack(counts)


def _require_both(valid: IsValid, share: float) -> IsValid:
    if valid.all():
        raise DataError(f"splits.share={share} leaves train without patches")
    if not valid.any():
        raise DataError(f"splits.share={share} leaves valid without patches")
    return valid
