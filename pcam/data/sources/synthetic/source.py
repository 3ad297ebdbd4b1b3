"""A source of synthetic H&E-like patches whose tumour pixels are known: for tests and bias studies.

The patches follow PatchCamelyon's labelling rule (Veeling et al., "Rotation Equivariant CNNs for
Digital Pathology", MICCAI 2018): the label is 1 if and only if at least one tumour pixel is in the
centre 32x32. Tumour outside of the centre occurs in both classes.

Every patch is a function of (seed, split, index) and the settings. It does not depend on the
source's size, on earlier reads, or on the other patches of a read.
"""

from collections.abc import Sequence
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from pcam.data.sources.synthetic.noise import SIDE, Bools, Bytes
from pcam.data.sources.synthetic.sheets import sheet_bank
from pcam.data.sources.synthetic.stain import Stain, draw_stain, photograph
from pcam.data.sources.synthetic.tissue import compose
from pcam.errors import DataError, suggest

SPLITS = ("train", "valid", "test")
PLACES = ("pcam", "center", "anywhere")
BLOCK = 4096  # labels and slides are drawn in blocks of this many patches
CACHE = ("_pixels", "_masks", "_rendered")  # attributes that are not pickled

Indices = NDArray[np.int64]


class Stream(IntEnum):
    """What a random stream is for: its key is (seed, split, stream, number)."""

    LABELS = 0  # labels and slides of a block of patches
    SLIDES = 1  # a slide's stain
    SCENE = 2  # a patch's tissue
    SCANNER = 3  # a patch's focus and noise
    SHARE = 4  # a slide's share of positives


class SyntheticSource:
    """Synthetic patches of one split.

    Attributes:
        labels: uint8 (N,), 1 if and only if a tumour pixel is in rows and columns 32..63.
        ids: N strings such as "train-000012".
        groups: N slide names such as "train-slide-03"; no two splits share a slide or a nucleus.
        stain: float64 (N,), mean optical density of both stains of each patch's slide.
    """

    labels: NDArray[np.uint8]
    ids: Sequence[str]
    groups: Sequence[str]
    stain: NDArray[np.float64]

    def __init__(
        self,
        split: str,
        size: int,
        seed: int = 0,
        slides: int = 16,
        stain: float = 1.0,
        prevalence: float = 0.0,
        cache: bool = True,
        place: str = "pcam",
    ) -> None:
        """Draw labels and slides; a patch is rendered when it is read.

        Args:
            split: "train", "valid" or "test".
            size: Number of patches. A smaller source is the beginning of a larger one.
            seed: Patches of different seeds differ.
            slides: Number of slides that the patches come from.
            stain: How much slides differ in stain and scanner: 0 for not at all, 1 is usual.
            prevalence: How much slides differ in their share of positives. Each slide's share is
                drawn uniformly from 0.5 - prevalence / 2 to 0.5 + prevalence / 2: with 0 all
                slides have the same, with 1 some have no positives.
            cache: Keep rendered patches, 29 kB each, in arrays that a forked worker inherits; they
                are not pickled.
            place: Where a positive's tumour is. "pcam": PatchCamelyon's rule. "center": at the
                exact middle and nowhere else, while a negative's is around it, so only the place
                distinguishes them: a planted position bias. "anywhere": all over, while a negative
                has none: the label is whether the patch has any, and the place has no meaning.

        Raises:
            DataError: A setting is out of range.
        """
        _validate(split, size, slides, stain, prevalence, place)
        self.split = split
        self.seed = seed
        self.cache = cache
        self.place = place
        self._key = (seed % 2**64, SPLITS.index(split))
        self._stains = self._draw_stains(slides, stain)
        self._slides, self.labels = self._draw_labels(size, slides, prevalence)
        self.ids = [f"{split}-{index:06d}" for index in range(size)]
        self.groups = [f"{split}-slide-{number:02d}" for number in self._slides]
        densities = np.array([stain.density.mean() for stain in self._stains], np.float64)
        self.stain = densities[self._slides]
        self._clear_cache()

    def _rng(self, stream: Stream, number: int) -> np.random.Generator:
        return np.random.default_rng([*self._key, stream, number])

    def _draw_stains(self, slides: int, spread: float) -> list[Stain]:
        return [draw_stain(self._rng(Stream.SLIDES, slide), spread) for slide in range(slides)]

    def _draw_labels(
        self, size: int, slides: int, prevalence: float
    ) -> tuple[Indices, NDArray[np.uint8]]:
        """Return the slide and the label of each patch, (size,) each."""
        draws = [np.empty((2, 0))]
        for block in range(-(-size // BLOCK)):
            draws.append(self._rng(Stream.LABELS, block).random((2, BLOCK)))
        label_draw, slide_draw = np.concatenate(draws, axis=1)[:, :size]
        slide = (slide_draw * slides).astype(np.int64)
        offsets = [self._rng(Stream.SHARE, number).uniform(-0.5, 0.5) for number in range(slides)]
        share = 0.5 + prevalence * np.array(offsets)
        return slide, (label_draw < share[slide]).astype(np.uint8)

    def __len__(self) -> int:
        """Return the number of patches."""
        return len(self.labels)

    def __getstate__(self) -> dict[str, object]:
        """Leave the cache out: a spawned worker does not receive gigabytes."""
        return {name: value for name, value in vars(self).items() if name not in CACHE}

    def __setstate__(self, state: dict[str, object]) -> None:
        """Start with an empty cache."""
        vars(self).update(state)
        self._clear_cache()

    def read(self, indices: Indices) -> Bytes:
        """Return patches by index.

        Args:
            indices: Integers (n,), 0 <= index < N, in any order.

        Returns:
            uint8 (n, 96, 96, 3), RGB.

        Raises:
            IndexError: An index is out of range, or not an integer.
        """
        chosen = self._validate_indices(indices)
        if self.cache:
            self._render_into_cache(chosen)
            return self._pixels[chosen]
        patches = np.empty((len(chosen), SIDE, SIDE, 3), np.uint8)
        for row, index in enumerate(chosen):
            patches[row] = self._render(int(index))[0]
        return patches

    def masks(self, indices: Indices) -> Bools:
        """Return the tumour's pixels, bool (n, 96, 96); indices and errors are those of `read`."""
        chosen = self._validate_indices(indices)
        if self.cache:
            self._render_into_cache(chosen)
            return np.unpackbits(self._masks[chosen], axis=-1).astype(np.bool_)
        masks = np.empty((len(chosen), SIDE, SIDE), np.bool_)
        for row, index in enumerate(chosen):
            masks[row] = self._render(int(index))[1]
        return masks

    def _validate_indices(self, indices: Indices) -> Indices:
        chosen = np.atleast_1d(np.asarray(indices))
        if not chosen.size:
            return chosen.astype(np.int64)
        if chosen.ndim > 1 or chosen.dtype.kind not in "iu":
            raise IndexError(f"indices are a vector of integers, not {chosen.dtype}")
        outside = chosen[(chosen < 0) | (chosen >= len(self))]
        if outside.size:
            raise IndexError(
                f"index {outside[0]} is out of range: the source has patches 0 to {len(self) - 1}"
            )
        return chosen.astype(np.int64)

    def _render(self, index: int) -> tuple[Bytes, Bools]:
        sheets = sheet_bank(self._key[1])
        label, stain = bool(self.labels[index]), self._stains[self._slides[index]]
        stains, mask = compose(self._rng(Stream.SCENE, index), sheets, label, self.place)
        # The scanner has a stream of its own: its noise does not depend on the tissue.
        pixels = photograph(self._rng(Stream.SCANNER, index), stain, stains, sheets.grain)
        return pixels, mask

    def _render_into_cache(self, indices: Indices) -> None:
        for index in indices[~self._rendered[indices]]:
            pixels, mask = self._render(int(index))
            self._pixels[index] = pixels
            self._masks[index] = np.packbits(mask, axis=-1)
            self._rendered[index] = True  # last, so that no other thread reads half a patch

    def _clear_cache(self) -> None:
        size = len(self) if self.cache else 0
        # Zeros are virtual memory until they are written to.
        self._pixels = np.zeros((size, SIDE, SIDE, 3), np.uint8)
        self._masks = np.zeros((size, SIDE, SIDE // 8), np.uint8)
        self._rendered = np.zeros(size, np.bool_)


def _validate(
    split: str, size: int, slides: int, stain: float, prevalence: float, place: str
) -> None:
    if split not in SPLITS:
        raise DataError(f"synthetic data: split={split!r} is none of {', '.join(SPLITS)}")
    if size < 0:
        raise DataError(f"synthetic data: size={size} is negative")
    if slides < 1:
        raise DataError(f"data.slides={slides}: at least 1 slide is needed")
    if not 0 <= stain < float("inf"):
        raise DataError(f"data.stain={stain} is not a number from 0 on")
    if not 0 <= prevalence <= 1:
        raise DataError(f"data.prevalence={prevalence} is not in [0, 1]")
    if place not in PLACES:
        raise DataError(f"data.place={place} is not known{suggest(str(place), PLACES)}")
