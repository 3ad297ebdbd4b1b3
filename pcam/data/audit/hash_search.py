"""Pairs of similar perceptual hashes, under any of the square's eight symmetries.

Multi-index hashing (Norouzi, Punjani & Fleet, "Fast search in Hamming space with multi-index
hashing", CVPR 2012): a hash is four groups of 16 bits. If two hashes differ in at most 7 of 63
bits, one of their groups differs in at most one.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

RADIUS = 10  # bits of 63 by which candidates differ at most; by chance 31 or 32 differ
CANDIDATES = 1 << 20  # pairs of hashes compared at a time
GROUP_BITS = 16
# Which groups of signs a mirror image inverts: none, left to right, upside down, both.
FLIPS = ((0, 0, 0, 0), (0, 1, 0, 1), (0, 0, 1, 1), (0, 1, 1, 0))
TRANSPOSED = 4  # added to the number of the flip for the symmetries that transpose

Signs = NDArray[np.uint16]  # (n, 4), of `pcam.data.audit.measures.perceptual_hash`
Indices = NDArray[np.int64]
Pairs = NDArray[np.int64]  # (m, 3): i, j, the symmetry that maps i to j


def transpose_signs(signs: Signs) -> Signs:
    """Return the hashes of the transposed images."""
    groups = [_TRANSPOSED_BITS[signs[:, group]] for group in (0, 2, 1, 3)]
    return np.column_stack(groups)


def _transposed_bits() -> NDArray[np.uint16]:
    """Return the value of each 4x4 matrix of bits, transposed, uint16 (65536,)."""
    values = np.arange(1 << GROUP_BITS, dtype=np.uint16)
    transposed = np.zeros_like(values)
    for bit in range(GROUP_BITS):
        transposed |= (values >> bit & 1) << (bit % 4 * 4 + bit // 4)
    return transposed


_TRANSPOSED_BITS = _transposed_bits()


def hash_distance(first: Signs, second: Signs) -> tuple[NDArray[np.uint8], Indices]:
    """Return how many bits hashes differ by under the best flip, and which flip that is.

    Args:
        first: (m, 4).
        second: (m, 4).

    Returns:
        The distances, (m,), and the numbers of the flips in `FLIPS`, (m,).
    """
    differing = np.bitwise_count(first ^ second)
    inverted = GROUP_BITS - differing
    by_flip = []
    for flip in FLIPS:
        columns = []
        for group in (1, 2, 3):
            counts = inverted if flip[group] else differing
            columns.append(counts[:, group])
        by_flip.append(columns[0] + columns[1] + columns[2])
    distances = np.stack(by_flip)
    return differing[:, 0] + distances.min(0), distances.argmin(0)


def collapse_equal_hashes(signs: Signs) -> tuple[Indices, Pairs]:
    """Return one patch per distinct hash (up to symmetry), and pairs that connect the others.

    Each other patch is paired with the first of its hash and with the one before it. So the search
    sees every hash once, however many patches share it.
    """
    canonical = _canonical_hashes(signs)
    order = np.argsort(canonical, kind="stable")
    is_first = np.ones(len(order), np.bool_)
    is_first[1:] = np.diff(canonical[order]) != 0
    first_position = np.maximum.accumulate(np.where(is_first, np.arange(len(order)), 0))
    first = order[first_position]
    others = np.flatnonzero(~is_first)
    i = np.concatenate([first[others], order[others - 1]])
    j = np.concatenate([order[others], order[others]])

    distance, flip = hash_distance(signs[i], signs[j])
    transposed_distance, transposed_flip = hash_distance(transpose_signs(signs)[i], signs[j])
    closer = transposed_distance < distance
    symmetry = np.where(closer, TRANSPOSED + transposed_flip, flip)
    pairs = np.unique(np.column_stack([i, j, symmetry]), axis=0)
    return np.sort(order[is_first]), pairs


def _canonical_hashes(signs: Signs) -> NDArray[np.uint64]:
    """Return the smallest of a hash's eight symmetric forms.

    Args:
        signs: (n, 4).

    Returns:
        uint64 (n,); equal for hashes that differ by a symmetry only.
    """
    forms = []
    for form in (signs, transpose_signs(signs)):
        for flip in FLIPS:
            mask = np.uint16(0xFFFF) * np.array(flip, np.uint16)
            forms.append(_as_integers(form ^ mask))
    return np.asarray(np.min(forms, axis=0))


def _as_integers(signs: Signs) -> NDArray[np.uint64]:
    return np.ascontiguousarray(signs).view(np.uint64)[:, 0]


def candidate_pairs(signs: Signs) -> Iterator[Pairs]:
    """Yield pairs of hashes within the radius, each at least once, some at a time.

    A group of signs and its inverse have one key, as a flip at most inverts a group. Transposition
    is searched with the transposed hash.
    """
    forms = (signs, transpose_signs(signs))
    targets = _as_integers(signs)
    for group in range(4):
        index = _GroupIndex(_key(signs[:, group], group))
        for number, form in enumerate(forms):
            queries = _as_integers(form)
            for change in _single_bits(group):
                probes = _key(form[:, group] ^ np.uint16(change), group)
                for i, j in index.matches(probes):
                    near = _may_be_near(queries[i], targets[j])
                    i, j = i[near], j[near]
                    distance, flip = hash_distance(form[i], signs[j])
                    close = np.flatnonzero(distance <= RADIUS)
                    if len(close):
                        yield np.column_stack([i, j, TRANSPOSED * number + flip])[close]


def _key(group: Signs, number: int) -> NDArray[np.uint16]:
    """Return the key of a group of signs: the smaller of it and its inverse.

    Args:
        group: uint16 (n,).
        number: Of the group, 0 to 3; no flip inverts the first one, which is its own key.
    """
    return group if number == 0 else np.minimum(group, ~group)


def _single_bits(group: int) -> list[int]:
    """Return the changes to search: none, and each bit; the mean's own sign is no bit."""
    first_bit = 1 if group == 0 else 0
    return [0, *(1 << bit for bit in range(first_bit, GROUP_BITS))]


def _may_be_near(first: NDArray[np.uint64], second: NDArray[np.uint64]) -> Indices:
    """Return which pairs of hashes (m,) may be within the radius: each group at its best flip."""
    differing = np.bitwise_count((first ^ second).view(np.uint16).reshape(-1, 4))
    best = np.minimum(differing[:, 1:], GROUP_BITS - differing[:, 1:]).sum(1, dtype=np.uint8)
    return np.flatnonzero(differing[:, 0] + best <= RADIUS)


class _GroupIndex:
    """Hashes by the key of one of their groups."""

    def __init__(self, keys: NDArray[np.uint16]) -> None:
        counts = np.bincount(keys, minlength=1 << GROUP_BITS)
        self._order = np.argsort(keys, kind="stable")
        self._start = np.concatenate([[0], np.cumsum(counts)])
        self._count = np.diff(self._start)

    def matches(self, probes: NDArray[np.uint16]) -> Iterator[tuple[Indices, Indices]]:
        """Yield i and j > i, some at a time, of hashes i whose probe is the key of hash j.

        The matches of all probes are numbered one after the other, so that a block can end within
        a key of any size.
        """
        keys = probes.astype(np.int64)
        start, count = self._start[keys], self._count[keys]
        match_end = np.cumsum(count)  # number of the match after the last one of each probe
        match_start = match_end - count
        total = int(match_end[-1]) if len(match_end) else 0
        for begin in range(0, total, CANDIDATES):
            number = np.arange(begin, min(begin + CANDIDATES, total))
            first, last = np.searchsorted(match_end, number[[0, -1]], side="right")
            probe = np.arange(first, last + 1)
            block_end = np.minimum(match_end[probe], number[-1] + 1)
            block_start = np.maximum(match_start[probe], begin)
            i = np.repeat(probe, block_end - block_start)
            j = self._order[start[i] + number - match_start[i]]
            later = np.flatnonzero(i < j)
            yield i[later], j[later]
