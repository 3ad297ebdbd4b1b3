"""What a patch source is, a subset of one, and several joined into one."""

from collections.abc import Sequence
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from pcam.config.classes import UNNAMED, Classes, describe_positive
from pcam.data.file_state import FileState
from pcam.errors import DataError

Pixels = NDArray[np.uint8]
Masks = NDArray[np.bool_]
Indices = NDArray[np.int64]
Value = TypeVar("Value", bound=np.generic)


class PatchSource(Protocol):
    """Patches that are read by index.

    Attributes:
        labels: uint8 (N,), 1 for the positive class; None for unlabelled patches.
        ids: N unique names.
        groups: N slide names; None where slides are unknown.
    """

    @property
    def labels(self) -> NDArray[np.uint8] | None: ...  # noqa: D102
    @property
    def ids(self) -> Sequence[str]: ...  # noqa: D102
    @property
    def groups(self) -> Sequence[str] | None: ...  # noqa: D102
    def __len__(self) -> int: ...
    def read(self, indices: Indices) -> Pixels:
        """Return the patches, uint8 (n, H, W, 3), in the order of ``indices``."""
        ...


@runtime_checkable
class MaskedPatchSource(PatchSource, Protocol):
    """A source that also knows which pixels are tumour."""

    def masks(self, indices: Indices) -> Masks:
        """Return bool (n, H, W), True for tumour."""
        ...


@runtime_checkable
class DigestedPatchSource(PatchSource, Protocol):
    """A source that knows the SHA-1 of its pixels without reading them.

    Attributes:
        digests: uint8 (N, 20), of row-major RGB bytes.
    """

    @property
    def digests(self) -> NDArray[np.uint8]: ...  # noqa: D102


@runtime_checkable
class StainedPatchSource(PatchSource, Protocol):
    """A source that knows how its slides are stained.

    Attributes:
        stain: float64 (N,), how strongly the slide of each patch is stained: the mean optical
            density of its stains at concentration 1; None where it is not known.
    """

    @property
    def stain(self) -> NDArray[np.float64] | None: ...  # noqa: D102


@runtime_checkable
class WatchedPatchSource(PatchSource, Protocol):
    """A source whose files may not change while a training reads them.

    Attributes:
        file_states: of the files that patches are read from, as they were when they were opened.
    """

    @property
    def file_states(self) -> Sequence[FileState]: ...  # noqa: D102


class Subset:
    """The patches of a source at given indices."""

    def __init__(self, whole: PatchSource, indices: Indices) -> None:
        """Choose patches.

        Args:
            whole: the source.
            indices: (n,), of the patches, in the order of the subset.
        """
        self.whole = whole
        self.indices = np.asarray(indices, np.int64)
        self.ids = _choose(whole.ids, self.indices)
        self.labels: NDArray[np.uint8] | None = None
        self.groups: list[str] | None = None
        if whole.labels is not None:
            self.labels = whole.labels[self.indices]
        if whole.groups is not None:
            self.groups = _choose(whole.groups, self.indices)
        self.stain: NDArray[np.float64] | None = None
        if isinstance(whole, StainedPatchSource) and whole.stain is not None:
            self.stain = whole.stain[self.indices]

    def __len__(self) -> int:
        return len(self.indices)

    def read(self, indices: Indices) -> Pixels:
        """Return the patches, uint8 (n, H, W, 3)."""
        return self.whole.read(self.indices[indices])


class MaskedSubset(Subset):
    """A subset of a source that knows which pixels are tumour."""

    whole: MaskedPatchSource

    def masks(self, indices: Indices) -> Masks:
        """Return bool (n, H, W), True for tumour."""
        return self.whole.masks(self.indices[indices])


class Concatenated:
    """Several sources of patches of one size, one after the other.

    Labels and slides are known if every source knows them.
    """

    def __init__(self, parts: Sequence[PatchSource]) -> None:
        """Join sources.

        Args:
            parts: at least one source.
        """
        self.parts = parts
        self.starts = np.cumsum([0, *map(len, parts)])
        self.ids = _join([part.ids for part in parts])
        self.labels: NDArray[np.uint8] | None = None
        self.groups: list[str] | None = None
        labels = [part.labels for part in parts if part.labels is not None]
        if len(labels) == len(parts):
            self.labels = np.concatenate(labels)
        groups = [part.groups for part in parts if part.groups is not None]
        if len(groups) == len(parts):
            self.groups = _join(groups)

    def __len__(self) -> int:
        return len(self.ids)

    def read(self, indices: Indices) -> Pixels:
        """Return the patches, uint8 (n, H, W, 3)."""
        part_of = self.part_of(indices)
        found = {
            int(k): self.parts[k].read(indices[part_of == k] - self.starts[k])
            for k in np.unique(part_of)
        }
        return _gather(found, part_of)

    def part_of(self, indices: Indices) -> Indices:
        """Return the number of the source that each patch belongs to, (n,)."""
        part: Indices = np.searchsorted(self.starts, indices, side="right") - 1
        return part


class MaskedConcatenated(Concatenated):
    """Several sources that know which pixels are tumour, one after the other."""

    parts: Sequence[MaskedPatchSource]

    def masks(self, indices: Indices) -> Masks:
        """Return bool (n, H, W), True for tumour."""
        part_of = self.part_of(indices)
        found = {
            int(k): self.parts[k].masks(indices[part_of == k] - self.starts[k])
            for k in np.unique(part_of)
        }
        return _gather(found, part_of)


def _choose(names: Sequence[str], indices: Indices) -> list[str]:
    return [names[index] for index in indices]


def _join(names: Sequence[Sequence[str]]) -> list[str]:
    joined: list[str] = []
    for part in names:
        joined.extend(part)
    return joined


def _gather(found: dict[int, NDArray[Value]], part_of: Indices) -> NDArray[Value]:
    """Put arrays that were read from several sources in the order that was asked for.

    Args:
        found: number of a source to its values, in order.
        part_of: (n,), the source of each of the n values.
    """
    arrays = list(found.values())
    sizes: set[tuple[int, ...]] = {values.shape[1:] for values in arrays}
    if len(sizes) > 1:
        listed = ", ".join(map(str, sorted(sizes)))
        raise DataError(f"the splits contain patches of different sizes ({listed})")
    out = np.empty((len(part_of), *arrays[0].shape[1:]), arrays[0].dtype)
    for k, values in found.items():
        out[part_of == k] = values
    return out


def subset(source: PatchSource, indices: Indices) -> PatchSource:
    """Return the patches of a source at ``indices``; it knows all that the whole source knows."""
    if isinstance(source, MaskedPatchSource):
        return MaskedSubset(source, indices)
    return Subset(source, indices)


def concatenate(sources: Sequence[PatchSource]) -> PatchSource:
    """Return several sources as one; it knows what all of them know."""
    if len(sources) == 1:
        return sources[0]
    masked = [source for source in sources if isinstance(source, MaskedPatchSource)]
    if len(masked) == len(sources):
        return MaskedConcatenated(masked)
    return Concatenated(sources)


def validate_labels(labels: NDArray[np.generic], where: str) -> NDArray[np.uint8]:
    """Return labels as uint8.

    Raises:
        DataError: a label is neither 0 nor 1; the message names ``where``.
    """
    wrong = np.flatnonzero((labels != 0) & (labels != 1))
    if len(wrong):
        raise DataError(
            f"{where}: row {wrong[0]} has label {labels[wrong[0]]}; labels are 0 or 1"
            f" ({len(wrong)} are not)"
        )
    return labels.astype(np.uint8)


def describe_source(source: PatchSource, classes: Classes = UNNAMED, scale: str = "full") -> str:
    """Return "4,000 patches, 1,987 positive (tumour), 16 slides" for a source.

    Args:
        source: patches.
        classes: the names of its labels 0 and 1.
        scale: the run's ``scale``, added unless it is "full".
    """
    patches = "patch" if len(source) == 1 else "patches"
    parts = [f"{len(source):,} {patches}"]
    if source.labels is not None:
        parts.append(f"{int(source.labels.sum()):,} {describe_positive(classes)}")
    if source.groups is None:
        parts.append("slides unknown")
    else:
        slides = len(set(source.groups))
        parts.append(f"{slides:,} slide{'' if slides == 1 else 's'}")
    if scale != "full":
        parts.append(f"scale={scale}")
    return ", ".join(parts)
