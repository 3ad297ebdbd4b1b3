"""Near-equal patches: the same tissue rotated, mirrored, re-encoded, brighter or darker.

Candidates have similar perceptual hashes (`pcam.data.audit.hash_search`). Each candidate is then
compared on pixels, so a coincidence of hashes is never reported. Patches that are shifted, or
zoomed by more than a few per cent, are not found.
"""

from collections.abc import Callable, Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from pcam.data.audit.hash_search import Pairs, Signs, candidate_pairs, collapse_equal_hashes
from pcam.data.audit.measures import Floats
from pcam.data.base import Indices

PAIRS = 256  # pairs of patches compared on pixels at a time
THUMB_PAIRS = 1 << 14  # pairs of thumbs compared at a time
SIDE = 48  # side of the luminance images that are compared
MIN_CORRELATION = 0.9  # of the luminance of near-equal patches
MIN_DETAIL_CORRELATION = 0.7  # of its detail

Images = Callable[[Indices], Floats]


def find_clusters(
    signs: Signs, thumbs: NDArray[np.uint8], images: Images
) -> list[NDArray[np.int64]]:
    """Return the clusters of near-equal patches.

    Two patches are near-equal if their luminance, under one of the square's eight symmetries,
    correlates by at least 0.9, and its detail by at least 0.7. Detail is without what is coarser
    than about a tenth of the side and with strong edges cut off, so that a common edge does not
    suffice. A cluster is what such pairs connect.

    Args:
        signs: uint16 (n, 4), of `pcam.data.audit.measures.perceptual_hash`.
        thumbs: uint8 (n, 16, 16), luminance.
        images: Returns patches by index, as luminance, float32 (m, 48, 48), 0 to 255.

    Returns:
        Indices of each cluster, at least two, ascending.
    """
    forest = Forest(len(signs))
    distinct, equal_hashes = collapse_equal_hashes(signs)
    _connect(forest, _similar_thumbs(equal_hashes, thumbs), images)
    for found in candidate_pairs(np.ascontiguousarray(signs[distinct])):
        i, j = distinct[found[:, 0]], distinct[found[:, 1]]
        pairs = forest.unconnected(np.column_stack([i, j, found[:, 2]]))
        _connect(forest, _similar_thumbs(pairs, thumbs), images)
    return forest.clusters()


class Forest:
    """Sets of connected patches: each patch points to a parent, the root of a set to itself."""

    def __init__(self, size: int) -> None:
        self._parent: Indices = np.arange(size)

    def roots(self) -> Indices:
        """Return the root of every patch, (n,), and shorten every path to it."""
        while True:
            grandparent = self._parent[self._parent]
            if (grandparent == self._parent).all():
                return self._parent
            self._parent[:] = grandparent

    def unconnected(self, pairs: Pairs) -> Pairs:
        """Return the pairs whose patches are not in the same set."""
        roots = self.roots()
        separate: NDArray[np.bool_] = roots[pairs[:, 0]] != roots[pairs[:, 1]]
        return pairs[separate]

    def connect(self, i: int, j: int) -> None:
        """Join the sets of two patches; the smaller root is that of both."""
        first, second = sorted((self._root(i), self._root(j)))
        self._parent[second] = first

    def _root(self, patch: int) -> int:
        while self._parent[patch] != patch:
            patch = int(self._parent[patch])
        return patch

    def clusters(self) -> list[NDArray[np.int64]]:
        """Return the sets of at least two patches.

        Returns:
            Indices of each set, ascending.
        """
        roots = self.roots()
        order = np.argsort(roots, kind="stable")
        borders = np.flatnonzero(np.diff(roots[order])) + 1
        return [cluster for cluster in np.split(order, borders) if len(cluster) > 1]


def _connect(forest: Forest, pairs: Pairs, images: Images) -> None:
    """Connect the pairs that are near-equal on pixels; connected ones are not read again.

    Args:
        forest: Of all patches.
        pairs: Candidates.
        images: Returns patches by index, as for `find_clusters`.
    """
    for block in _blocks(pairs, PAIRS):
        unknown = forest.unconnected(block)
        if len(unknown):
            first, second = images(unknown[:, 0]), images(unknown[:, 1])
            near = are_near_equal(first, second, unknown[:, 2])
            for i, j, _ in unknown[near]:
                forest.connect(i, j)


def _similar_thumbs(pairs: Pairs, thumbs: NDArray[np.uint8]) -> Pairs:
    """Return the pairs whose thumbs correlate as those of near-equal patches do."""
    kept = [pairs[:0]]
    for block in _blocks(pairs, THUMB_PAIRS):
        first = apply_symmetries(thumbs[block[:, 0]].astype(np.float32), block[:, 2])
        second = thumbs[block[:, 1]].astype(np.float32)
        kept.append(block[correlation(first, second) >= MIN_CORRELATION])
    return np.concatenate(kept)


def _blocks(pairs: Pairs, size: int) -> Iterator[Pairs]:
    for start in range(0, len(pairs), size):
        yield pairs[start : start + size]


def apply_symmetries(images: Floats, symmetry: NDArray[np.int64]) -> Floats:
    """Return each image (n, S, S) under its symmetry.

    The bits of a symmetry, in this order: 4 transposes, 2 flips upside down, 1 mirrors.
    """
    out = np.where(_has_bit(symmetry, 4), images.transpose(0, 2, 1), images)
    out = np.where(_has_bit(symmetry, 2), out[:, ::-1], out)
    return np.where(_has_bit(symmetry, 1), out[:, :, ::-1], out)


def _has_bit(symmetry: NDArray[np.int64], bit: int) -> NDArray[np.bool_]:
    return (symmetry & bit)[:, None, None] > 0


def are_near_equal(first: Floats, second: Floats, symmetry: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which images (n, 48, 48), under their symmetries, are near-equal, bool (n,)."""
    whole, detail = similarity(first, second, symmetry)
    near: NDArray[np.bool_] = (whole >= MIN_CORRELATION) & (detail >= MIN_DETAIL_CORRELATION)
    return near


def similarity(first: Floats, second: Floats, symmetry: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return the correlations of images (n, 48, 48) and of their detail, float32 (n,) each."""
    first = apply_symmetries(first, symmetry)
    return correlation(first, second), correlation(_detail(first), _detail(second))


def _detail(images: Floats) -> Floats:
    """Return what is finer than 5 pixels.

    It is cut off at twice its mean, so that one strong edge does not outweigh the rest.
    """
    fine = np.stack([image - cv2.blur(image, (5, 5)) for image in images])
    limit = 2 * np.abs(fine).mean((1, 2), keepdims=True)
    return np.asarray(np.clip(fine, -limit, limit), np.float32)


def correlation(first: Floats, second: Floats) -> Floats:
    """Return Pearson's correlation of pairs of images (n, H, W), float32 (n,).

    It is 0 if one of the two is constant.
    """
    first = first - first.mean((1, 2), keepdims=True)
    second = second - second.mean((1, 2), keepdims=True)
    first_square = np.einsum("nhw,nhw->n", first, first)
    second_square = np.einsum("nhw,nhw->n", second, second)
    product = np.einsum("nhw,nhw->n", first, second)
    scale = np.sqrt(first_square * second_square)
    return np.asarray(product / np.maximum(scale, 1e-6), np.float32)
