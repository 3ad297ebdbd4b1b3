"""What a patch source is, a part of one, and several as one."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from pcam.config.tables import check
from pcam.data.randomness import Purpose, draw
from pcam.errors import DataError

Pixels = NDArray[np.uint8]
Indices = NDArray[np.int64]


class PatchSource(Protocol):
    """Patches that are read by their index.

    Attributes:
        labels: uint8 (N,), 1 for the positive class; None where the patches have no labels.
        ids: N names, each once.
        groups: N slide names, or None where slides are not known.
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
    """A source that also knows the tumour's pixels."""

    def masks(self, indices: Indices) -> NDArray[np.bool_]:
        """Return bool (n, H, W), True where there is tumour."""
        ...


class Subset:
    """The patches of a source at given indices, as a source of its own."""

    def __init__(self, whole: PatchSource, indices: Indices) -> None:
        self.whole = whole
        self.indices = np.asarray(indices, np.int64)
        self.labels = None if whole.labels is None else whole.labels[self.indices]
        self.ids = [whole.ids[i] for i in self.indices]
        self.groups = None if whole.groups is None else [whole.groups[i] for i in self.indices]

    def __len__(self) -> int:
        return len(self.indices)

    def read(self, indices: Indices) -> Pixels:
        """Return the patches, uint8 (n, H, W, 3)."""
        return self.whole.read(self.indices[indices])


class MaskedSubset(Subset):
    """A part of a source that knows the tumour's pixels."""

    whole: MaskedPatchSource

    def masks(self, indices: Indices) -> NDArray[np.bool_]:
        """Return bool (n, H, W), True where there is tumour."""
        return self.whole.masks(self.indices[indices])


class Concatenated:
    """Several sources, one after the other, as one; patches of one size, slides known if all sources know them."""

    def __init__(self, parts: Sequence[PatchSource]) -> None:
        self.parts = parts
        self.starts = np.cumsum([0, *(len(subset) for subset in parts)])
        labels = [subset.labels for subset in parts if subset.labels is not None]
        self.labels = np.concatenate(labels) if len(labels) == len(parts) else None
        self.ids = [name for subset in parts for name in subset.ids]
        groups = [subset.groups for subset in parts if subset.groups is not None]
        self.groups = (
            [name for names in groups for name in names] if len(groups) == len(parts) else None
        )

    def __len__(self) -> int:
        return len(self.ids)

    def read(self, indices: Indices) -> Pixels:
        """Return the patches, uint8 (n, H, W, 3)."""
        return self._gathered("read", indices)

    def _gathered(self, what: str, indices: Indices) -> NDArray[Any]:
        of = np.searchsorted(self.starts, indices, side="right") - 1
        found = {
            k: getattr(self.parts[k], what)(indices[of == k] - self.starts[k])
            for k in np.unique(of)
        }
        sizes = {pixels.shape[1:] for pixels in found.values()}
        if len(sizes) > 1:
            raise DataError(
                f"the splits hold patches of different sizes ({', '.join(map(str, sorted(sizes)))})"
            )
        out = np.empty((len(indices), *sizes.pop()), next(iter(found.values())).dtype)
        for k, pixels in found.items():
            out[of == k] = pixels
        return out


class MaskedConcatenated(Concatenated):
    """Several sources that know the tumour's pixels, as one."""

    def masks(self, indices: Indices) -> NDArray[np.bool_]:
        """Return bool (n, H, W), True where there is tumour."""
        return self._gathered("masks", indices)


def subset(source: PatchSource, indices: Indices) -> PatchSource:
    """Return the patches of a source at ``indices`` as a source that knows what the whole knows."""
    return (
        MaskedSubset(source, indices)
        if isinstance(source, MaskedPatchSource)
        else Subset(source, indices)
    )


def concatenate(sources: Sequence[PatchSource]) -> PatchSource:
    """Return several sources as one that knows what all of them know."""
    if len(sources) == 1:
        return sources[0]
    return (
        MaskedConcatenated(sources)
        if all(isinstance(source, MaskedPatchSource) for source in sources)
        else Concatenated(sources)
    )


def limit_source(source: PatchSource, limit: int | None, seed: int) -> PatchSource:
    """Return at most ``limit`` patches of a source, drawn by the seed, in the source's order.

    Raises:
        DataError: ``limit`` is not positive.
    """
    check(limit, int | None, "data.limit")
    if limit is None or limit >= len(source):
        return source
    if limit < 1:
        raise DataError(f"data.limit={limit}: at least 1 patch per split is needed")
    chosen = np.sort(draw(seed, Purpose.LIMIT).choice(len(source), limit, replace=False))
    return subset(source, chosen)


def validate_labels(labels: NDArray[np.generic], where: str) -> NDArray[np.uint8]:
    """Return labels as uint8; anything but 0 and 1 is a DataError that names ``where``."""
    wrong = np.flatnonzero((labels != 0) & (labels != 1))
    if len(wrong):
        raise DataError(
            f"{where}: row {wrong[0]} has label {labels[wrong[0]]}; labels are 0 or 1 ({len(wrong)} are not)"
        )
    return labels.astype(np.uint8)


def describe_source(source: PatchSource, scale: str = "full") -> str:
    """Return "4,000 patches, 1,987 positive, 16 slides" of a source, and the scale where that is not the study's."""
    parts = [f"{len(source):,} patch{'es' if len(source) != 1 else ''}"]
    if source.labels is not None:
        parts.append(f"{int(source.labels.sum()):,} positive")
    parts.append(
        "slides unknown" if source.groups is None else _counted(len(set(source.groups)), "slide")
    )
    if scale != "full":
        parts.append(f"scale={scale}")
    return ", ".join(parts)


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' if count != 1 else ''}"
