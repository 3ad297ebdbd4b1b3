"""Near-equal patches: the same tissue turned, mirrored, encoded again, brighter or darker.

Candidates come from a perceptual hash, by multi-index hashing (Norouzi, Punjani & Fleet, "Fast search in Hamming space with
multi-index hashing", CVPR 2012): two hashes of 63 bits that differ in at most 7 have a group of 16, out of four, that
differs in at most one. Each candidate is then compared on pixels, so a coincidence of hashes is never reported. What is
shifted, or zoomed by more than a few per cent, is not found.
"""

from collections.abc import Callable, Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from pcam.data.base import Indices

RADIUS = 10  # bits of 63 by which candidates differ at most; by chance 31 or 32 differ
CANDIDATES = 1 << 20  # pairs of hashes compared at a time
PAIRS = 256  # pairs of patches compared on pixels at a time
SIDE = 48  # side of the luminance images they are compared as
WHOLE, DETAIL = (
    0.9,
    0.7,
)  # least correlation of luminance, and of its detail, from which two patches are near-equal

Floats = NDArray[np.float32]
Images = Callable[[Indices], Floats]
Signs = NDArray[np.uint16]
Pairs = NDArray[np.int64]  # (m, 3): i, j, the symmetry that lays i on j


def clusters(signs: Signs, thumbs: NDArray[np.uint8], images: Images) -> list[NDArray[np.int64]]:
    """Return the clusters of near-equal patches, each of at least two indices, ascending.

    Near-equal are two patches whose luminance, one of the square's eight symmetries applied, correlates by at least 0.9, and
    by at least 0.7 once what is coarser than about a tenth of the side is taken away and strong edges are cut off (so that
    an edge in common is not enough). A cluster is what such pairs connect.

    Args:
        signs: uint16 (n, 4), of `pcam.data.audit.survey.dct_signs`.
        thumbs: uint8 (n, 16, 16), luminance.
        images: returns patches by index, as luminance, float32 (m, 48, 48), 0 to 255.
    """
    forest = np.arange(len(signs))
    first, same = _collapse(signs)
    _connect(forest, _checked(same, thumbs), images)
    chosen = np.ascontiguousarray(signs[first])
    for found in _candidates(chosen):
        pairs = np.column_stack([first[found[:, 0]], first[found[:, 1]], found[:, 2]])
        pairs = pairs[_roots(forest)[pairs[:, 0]] != _roots(forest)[pairs[:, 1]]]
        _connect(forest, _checked(pairs, thumbs), images)
    roots = _roots(forest)
    order = np.argsort(roots, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(roots[order])) + 1)
    return [part for part in parts if len(part) > 1]


def transposed(signs: Signs) -> Signs:
    """Return the hashes of the transposed images."""
    return np.column_stack([_TRANSPOSED[signs[:, group]] for group in (0, 2, 1, 3)])


def rotate_images(images: Floats, symmetry: NDArray[np.int64]) -> Floats:
    """Return each image (n, S, S) under its symmetry: +4 transposes it, then +2 turns it upside down, +1 mirrors it."""
    out = np.where((symmetry & 4)[:, None, None] > 0, images.transpose(0, 2, 1), images)
    out = np.where((symmetry & 2)[:, None, None] > 0, out[:, ::-1], out)
    return np.where((symmetry & 1)[:, None, None] > 0, out[:, :, ::-1], out)


def _transposition() -> NDArray[np.uint16]:
    """Return the value of each 4x4 matrix of bits, transposed, uint16 (65536,)."""
    values = np.arange(1 << 16, dtype=np.uint16)
    out = np.zeros_like(values)
    for bit in range(16):
        out |= (values >> bit & 1) << (bit % 4 * 4 + bit // 4)
    return out


_TRANSPOSED = _transposition()


def _collapse(signs: Signs) -> tuple[NDArray[np.int64], Pairs]:
    """Return the first patch of each hash (up to symmetry), and pairs of each other one with its first and its last before.

    However many patches share one hash, the search sees it once.
    """
    forms = []
    for form in (signs, transposed(signs)):
        for flip in ((0, 0, 0, 0), (0, 1, 0, 1), (0, 0, 1, 1), (0, 1, 1, 0)):
            forms.append(
                (form ^ (np.uint16(0xFFFF) * np.array(flip, np.uint16))).view(np.uint64)[:, 0]
            )
    canonical = np.min(forms, axis=0)
    order = np.argsort(canonical, kind="stable")
    new = np.ones(len(order), np.bool_)
    new[1:] = np.diff(canonical[order]) != 0
    first = order[np.maximum.accumulate(np.where(new, np.arange(len(order)), 0))]
    rest = np.flatnonzero(~new)
    i = np.concatenate([first[rest], order[rest - 1]])
    j = np.concatenate([order[rest], order[rest]])
    best = [_distance(form[i], signs[j]) for form in (signs, transposed(signs))]
    symmetry = np.where(best[1][0] < best[0][0], 4 + best[1][1], best[0][1])
    return np.sort(order[new]), np.unique(np.column_stack([i, j, symmetry]), axis=0)


def _distance(a: Signs, b: Signs) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return how many bits hashes (m, 4) differ by, the best of four flips, and which flip that is."""
    d = np.bitwise_count(a ^ b)
    f = 16 - d
    by_flip = np.stack([d[:, 1] + d[:, 2] + d[:, 3], f[:, 1] + d[:, 2] + f[:, 3], d[:, 1] + f[:, 2] + f[:, 3],
                        f[:, 1] + f[:, 2] + d[:, 3]])  # fmt: skip
    flip = by_flip.argmin(0)
    return d[:, 0] + by_flip.min(0), flip


def _candidates(signs: Signs) -> Iterator[Pairs]:
    """Yield pairs of hashes within the radius, each at least once, some at a time.

    A group of signs and its opposite are one key, as flips do no more to a group; transposition asks again with the
    transposed hash. Pairs are laid out flat, so a bucket of any size is cut where the block is full.
    """
    whole = signs.view(np.uint64)[:, 0]
    asking = [signs, transposed(signs)]
    asked = [np.ascontiguousarray(form).view(np.uint64)[:, 0] for form in asking]
    for group in range(4):
        key = _key(signs[:, group], group)
        order = np.argsort(key, kind="stable")
        start = np.concatenate([[0], np.cumsum(np.bincount(key, minlength=1 << 16))])
        for form in range(2):
            for flip in (0, *(1 << bit for bit in range(16) if group or bit)):
                probe = _key(asking[form][:, group] ^ np.uint16(flip), group).astype(np.int64)
                low, count = start[probe], np.diff(start)[probe]
                ends = np.cumsum(count)
                total = int(ends[-1]) if len(ends) else 0
                for begin in range(0, total, CANDIDATES):
                    place = np.arange(begin, min(begin + CANDIDATES, total))
                    a, b = np.searchsorted(ends, place[[0, -1]], side="right")
                    inside = np.minimum(ends[a : b + 1], place[-1] + 1) - np.maximum(
                        ends[a : b + 1] - count[a : b + 1], begin
                    )
                    i = np.repeat(np.arange(a, b + 1), inside)
                    j = order[low[i] + place - (ends[i] - count[i])]
                    later = np.flatnonzero(i < j)
                    i, j = i[later], j[later]
                    d = np.bitwise_count((asked[form][i] ^ whole[j]).view(np.uint16).reshape(-1, 4))
                    least = d[:, 0] + np.minimum(d[:, 1:], 16 - d[:, 1:]).sum(1, dtype=np.uint8)
                    close = np.flatnonzero(least <= RADIUS)
                    i, j = i[close], j[close]
                    distance, flips = _distance(asking[form][i], signs[j])
                    close = np.flatnonzero(distance <= RADIUS)
                    if len(close):
                        yield np.column_stack([i, j, form * 4 + flips])[close]


def _key(group: NDArray[np.uint16], number: int) -> NDArray[np.uint16]:
    """Return the key of a group of signs: the smaller of it and its opposite; flips leave the first group alone."""
    return group if number == 0 else np.minimum(group, ~group)


def _checked(pairs: Pairs, thumbs: NDArray[np.uint8]) -> Pairs:
    """Return the pairs whose thumbs correlate as near-equal patches do."""
    kept = [pairs[:0]]
    for begin in range(0, len(pairs), 1 << 14):
        some = pairs[begin : begin + (1 << 14)]
        a = rotate_images(thumbs[some[:, 0]].astype(np.float32), some[:, 2])
        kept.append(some[correlation(a, thumbs[some[:, 1]].astype(np.float32)) >= WHOLE])
    return np.concatenate(kept)


def _connect(forest: NDArray[np.int64], pairs: Pairs, images: Images) -> None:
    """Join in the forest what is near-equal on pixels; a pair that is connected already is not looked at."""
    for begin in range(0, len(pairs), PAIRS):
        some = pairs[begin : begin + PAIRS]
        roots = _roots(forest)
        some = some[roots[some[:, 0]] != roots[some[:, 1]]]
        if len(some) == 0:
            continue
        for i, j, _ in some[agreeing(images(some[:, 0]), images(some[:, 1]), some[:, 2])]:
            a, b = sorted((_root(forest, i), _root(forest, j)))
            forest[b] = a


def agreeing(a: Floats, b: Floats, symmetry: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which images of ``a`` (n, 48, 48), under their symmetries, are near-equal to those of ``b``."""
    whole, detail = similarity(a, b, symmetry)
    out: NDArray[np.bool_] = (whole >= WHOLE) & (detail >= DETAIL)
    return out


def similarity(a: Floats, b: Floats, symmetry: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return the correlations of images (n, 48, 48) and of their detail, float32 (n,) each."""
    a = rotate_images(a, symmetry)
    return correlation(a, b), correlation(_detail(a), _detail(b))


def _detail(images: Floats) -> Floats:
    """Return what is finer than 5 pixels; cut off at twice its mean, so that one strong edge does not outweigh the rest."""
    fine = np.stack([image - cv2.blur(image, (5, 5)) for image in images])
    limit = 2 * np.abs(fine).mean((1, 2), keepdims=True)
    return np.asarray(np.clip(fine, -limit, limit), np.float32)


def correlation(a: Floats, b: Floats) -> Floats:
    """Return Pearson's correlation of images (n, H, W), pair by pair, float32 (n,); 0 where one is constant."""
    a, b = (image - image.mean((1, 2), keepdims=True) for image in (a, b))
    scale = np.sqrt(np.einsum("nhw,nhw->n", a, a) * np.einsum("nhw,nhw->n", b, b))
    return np.asarray(np.einsum("nhw,nhw->n", a, b) / np.maximum(scale, 1e-6), np.float32)


def _roots(forest: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the root of every node, and shorten every path to it."""
    while ((up := forest[forest]) != forest).any():
        forest[:] = up
    return forest


def _root(forest: NDArray[np.int64], node: int) -> int:
    while forest[node] != node:
        node = int(forest[node])
    return node
