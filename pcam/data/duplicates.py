"""Equal patches: found by the SHA-1 of their pixels, and dropped where that is asked for."""

import hashlib
import logging
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pcam.data.base import Concatenated, DigestedPatchSource, PatchSource, Pixels, Subset, subset
from pcam.errors import DataError

log = logging.getLogger(__name__)

BLOCK = 256  # patches read at a time: 7 MB of PatchCamelyon
Keys = NDArray[np.void]
Progress = Callable[[int, int], None]
Result = TypeVar("Result")


def digests(
    source: PatchSource, progress: Progress | None = None, threads: int | None = None
) -> NDArray[np.uint8]:
    """Return the SHA-1 of the pixels of each patch.

    Args:
        source: patches of one size.
        progress: called with (patches done, patches) after each block.
        threads: threads that calculate; by default one per core, at most 4.

    Returns:
        uint8 (N, 20); of row-major RGB bytes.
    """
    blocks = map_blocks(source, digest_block, progress, threads)
    return np.concatenate([np.empty((0, 20), np.uint8), *blocks])


def digest_block(patches: Pixels) -> NDArray[np.uint8]:
    """Return the SHA-1 of each of n patches, uint8 (n, 20)."""
    patches = np.ascontiguousarray(patches)
    joined = b"".join(hashlib.sha1(patch.data).digest() for patch in patches)
    return np.frombuffer(joined, np.uint8).reshape(-1, 20)


def digest_keys(sha1: NDArray[np.uint8]) -> Keys:
    """Return digests (N, 20) as one sortable, comparable value each, (N,)."""
    return np.ascontiguousarray(sha1).view("V20").reshape(-1)


def map_blocks(
    source: PatchSource,
    work: Callable[[Pixels], Result],
    progress: Progress | None = None,
    threads: int | None = None,
) -> Iterator[Result]:
    """Yield the result of ``work`` for each block of patches, in order.

    One thread reads, others work; hashlib, OpenCV and numpy release the interpreter's lock. At most
    as many blocks as threads, and two, are in memory.

    Args:
        source: patches of one size.
        work: from patches, uint8 (n, H, W, 3), to a result.
        progress: called with (patches done, patches) after each block.
        threads: threads that work; by default one per core, at most 4.
    """
    count = threads or min(4, os.cpu_count() or 1)
    size = len(source)
    waiting: deque[tuple[int, Future[Result]]] = deque()
    with ThreadPoolExecutor(count) as pool:
        for start in range(0, size, BLOCK):
            stop = min(start + BLOCK, size)
            patches = source.read(np.arange(start, stop))
            waiting.append((stop, pool.submit(work, patches)))
            limit = 0 if stop == size else count
            while len(waiting) > limit:
                done, future = waiting.popleft()
                yield future.result()
                if progress is not None:
                    progress(done, size)


class PatchKeys:
    """Keys that are equal for patches of equal pixels; each patch is read and digested once."""

    def __init__(self) -> None:
        self._known: dict[int, Keys] = {}

    def of(self, source: PatchSource) -> Keys:
        """Return one sortable value per patch, (N,): its SHA-1."""
        if isinstance(source, Subset):
            return self.of(source.whole)[source.indices]
        if isinstance(source, Concatenated):
            parts = [self.of(part) for part in source.parts]
            return np.concatenate(parts)
        return self._of_whole(source)

    def _of_whole(self, source: PatchSource) -> Keys:
        number = id(source)
        if number not in self._known:
            self._known[number] = digest_keys(_digests_of(source))
        return self._known[number]


def _digests_of(source: PatchSource) -> NDArray[np.uint8]:
    if isinstance(source, DigestedPatchSource):
        return source.digests
    return digests(source)


@dataclass(frozen=True)
class Deduplicated:
    """Splits of which each patch occurs once.

    Attributes:
        splits: name to the source of what is kept, in the order of the splits given.
        dropped: name to the number of patches that were dropped.
    """

    splits: dict[str, PatchSource]
    dropped: dict[str, int]


def drop_duplicates(splits: Mapping[str, PatchSource], keys: PatchKeys) -> Deduplicated:
    """Keep one of each set of equal patches: the first of test, else of valid, else of train.

    So no evaluated patch is also a training patch. Copies whose label differs from that of the
    patch that is kept are counted in a warning.

    Args:
        splits: name to labelled source, in the order train, valid, test.
        keys: of the patches.

    Raises:
        DataError: a split has no patch left.
    """
    kept_labels: dict[bytes, int] = {}
    kept: dict[str, PatchSource] = {}
    contradicting = 0
    for name in reversed(list(splits)):
        chosen, contradictions = _first_occurrences(splits[name], keys, kept_labels)
        if not chosen:
            raise DataError(
                f"data.duplicates=drop leaves {name} without patches: each is a copy of a patch of"
                " another split"
            )
        complete = len(chosen) == len(splits[name])
        indices = np.array(chosen, np.int64)
        kept[name] = splits[name] if complete else subset(splits[name], indices)
        contradicting += contradictions
    if contradicting:
        log.warning(
            "%d copies have another label than the patch that is kept (data.duplicates=drop)",
            contradicting,
        )
    dropped = {name: len(source) - len(kept[name]) for name, source in splits.items()}
    return Deduplicated({name: kept[name] for name in splits}, dropped)


def _first_occurrences(
    source: PatchSource, keys: PatchKeys, kept_labels: dict[bytes, int]
) -> tuple[list[int], int]:
    """Return the indices of patches that are new, and how many copies contradict; note new ones."""
    assert source.labels is not None
    chosen = []
    contradictions = 0
    rows = zip(keys.of(source).tolist(), source.labels.tolist(), strict=True)
    for index, (key, label) in enumerate(rows):
        if key not in kept_labels:
            kept_labels[key] = label
            chosen.append(index)
        elif kept_labels[key] != label:
            contradictions += 1
    return chosen, contradictions


def leave_out_copies(
    whole: PatchSource, test: PatchSource, keys: PatchKeys
) -> tuple[PatchSource, dict[str, int]]:
    """Leave out patches that are equal to a test patch: they may not move to train.

    Returns:
        The other patches, and how many were left out.
    """
    copied = np.isin(keys.of(whole), keys.of(test))
    if not copied.any():
        return whole, {}
    left_out = {"train and valid, as copies of test": int(copied.sum())}
    return subset(whole, np.flatnonzero(~copied)), left_out


def describe_duplicates(how: str, duplicates: str) -> str:
    """Return what is done with equal patches.

    Args:
        how: how the patches were split.
        duplicates: the config's ``data.duplicates``.
    """
    if duplicates == "drop":
        return "one of each set of equal patches is kept"
    if duplicates == "group" and how not in ("official", "file"):
        return "equal patches stay together"
    return "equal patches are kept, and not searched for"
