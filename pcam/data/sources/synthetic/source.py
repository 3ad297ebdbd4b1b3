"""A made source of H&E-like patches whose tumour pixels are known: for tests, trials, bias studies.

The patches follow PatchCamelyon's law (Veeling et al., "Rotation Equivariant CNNs for Digital
Pathology", MICCAI 2018): the label is 1 if and only if at least one tumour pixel lies in the centre
32x32. Tumour outside of the centre occurs in both classes. Colours come from the concentrations of
two stains by Beer and Lambert's law, RGB = I0 exp(-OD), with optical densities around those of
Ruifrok and Johnston, "Quantification of histochemical staining by color deconvolution", Anal.
Quant. Cytol. Histol. 23 (2001).

Every patch is a function of (seed, split, index) and the settings: nothing depends on the source's
size, on what was read before, or on what is read with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pcam.data.sources.synthetic.sheets import SIDE, TILE, Bools, Bytes, Floats, sheet_bank
from pcam.data.sources.synthetic.tissue import compose
from pcam.errors import DataError, suggest

SPLITS = ("train", "valid", "test")
PLACES = ("law", "centre", "anywhere")
BLOCK = 4096  # labels and slides are drawn in blocks of this many patches

# What a random stream is for: the last keys of a stream, after (seed, split).
LABELS, SLIDES, SCENE, SCANNER, SHARE = 0, 1, 2, 3, 4

# Optical density of R, G, B at the two ends between which slides lie: a bluer scanner, with Ruifrok
# and Johnston's haematoxylin, and a browner one, as PCam's slides come from two hospitals.
HAEMATOXYLIN = np.array([[0.65, 0.70, 0.29], [0.54, 0.70, 0.47]])
EOSIN = np.array([[0.11, 0.94, 0.30], [0.19, 0.80, 0.56]])
# Stray light in the optics, per channel: even the densest nucleus is not black.
GLARE = np.array([0.07, 0.04, 0.10], np.float32)


@dataclass(frozen=True)
class Stain:
    """How a slide is stained and scanned.

    Attributes:
        density: float32 (2, 3), optical density of haematoxylin and eosin at concentration 1.
        light: float32 (3,), the white of the empty slide, 0 to 255.
        blur: deviation of the optics' Gaussian, pixels.
        sharpen: gain of the scanner's unsharp mask.
        noise: deviation of the sensor's noise, grey values.
    """

    density: Floats
    light: Floats
    blur: float
    sharpen: float
    noise: float


def slide_stain(stream: Sequence[int], slide: int, spread: float) -> Stain:
    """Draws a slide's stain.

    Args:
        stream: seed and number of the split.
        slide: the slide's number.
        spread: how far slides differ; 0 gives every slide the same stain. Limits keep any spread
            within what still looks like tissue.
    """
    rng = np.random.default_rng([*stream, SLIDES, slide])
    # Beta(0.6, 0.6): most slides lie near one of the two ends.
    mix = np.clip(0.5 + spread * (rng.beta(0.6, 0.6) - 0.5), -0.2, 1.2)
    strength = np.exp(np.clip(spread * rng.normal(0, (0.22, 0.30)), -0.8, 0.8))
    strength *= (1.0 + 0.25 * mix, 0.85)
    density = np.stack([(1 - mix) * ends[0] + mix * ends[1] for ends in (HAEMATOXYLIN, EOSIN)])
    density += np.clip(spread * rng.normal(0, 0.025, (2, 3)), -0.1, 0.1)
    density = np.maximum(density, 0.02) * strength[:, None]
    light = np.clip(245 + spread * (rng.normal(0, 4) + rng.normal(0, 1.2, 3)), 215, 254)
    blur, sharpen, noise = (
        float(np.clip(middle + spread * rng.uniform(-span, span), low, high))
        for middle, span, low, high in (
            (0.45, 0.20, 0.2, 0.9),
            (0.70, 0.35, 0.0, 1.4),
            (2.6, 1.2, 0.5, 5.0),
        )
    )
    return Stain(density.astype(np.float32), light.astype(np.float32), blur, sharpen, noise)


def expose(rng: np.random.Generator, stain: Stain, stains: Floats, grain: Floats) -> Bytes:
    """Photographs concentrations of the two stains.

    Args:
        rng: the patch's own random stream.
        stain: the slide's.
        stains: float32 (96, 96, 2), concentrations of haematoxylin and eosin.
        grain: float32 (TILE, TILE) noise of deviation 1, of which the sensor's noise is cut.

    Returns:
        uint8 (96, 96, 3), RGB.
    """
    rgb: Floats = np.exp(np.asarray(cv2.transform(stains, -stain.density.T), np.float32))
    rgb = stain.light * (rgb + (1 - rgb) * GLARE)
    blur = stain.blur * rng.uniform(0.75, 1.5)  # a slide is not in focus everywhere
    rgb = np.asarray(cv2.GaussianBlur(rgb, (5, 5), blur), np.float32)
    rgb = rgb + np.float32(stain.sharpen) * (rgb - cv2.GaussianBlur(rgb, (5, 5), 1.1))
    corners = rng.integers(0, TILE - SIDE, (4, 2))
    grey, *colours = (grain[top : top + SIDE, left : left + SIDE] for top, left in corners)
    for channel, colour in enumerate(colours):
        rgb[..., channel] += np.float32(stain.noise) * (0.9 * grey + 0.4 * colour)
    return np.clip(np.rint(rgb), 0, 255).astype(np.uint8)


class SyntheticSource:
    """Made patches of one split.

    Attributes:
        labels: uint8 (N,), 1 if and only if a tumour pixel lies in rows and columns 32..63.
        ids: N strings such as "train-000012".
        groups: N slide names such as "train-slide-03"; no two splits share a slide or a nucleus.
    """

    labels: NDArray[np.uint8]
    ids: Sequence[str]
    groups: Sequence[str]

    def __init__(
        self,
        split: str,
        size: int,
        seed: int = 0,
        slides: int = 16,
        stain: float = 1.0,
        prevalence: float = 0.0,
        cache: bool = True,
        place: str = "law",
    ) -> None:
        """Draws labels and slides; nothing is rendered before it is read.

        Args:
            split: "train", "valid" or "test".
            size: number of patches. A smaller source is the beginning of a larger one.
            seed: patches of different seeds differ.
            slides: number of slides that the patches come from.
            stain: how much slides differ in stain and scanner: 0 makes them alike, 1 is usual.
            prevalence: how much slides differ in their share of positives: each slide's is drawn evenly from
                0.5 - prevalence / 2 to 0.5 + prevalence / 2; 0 makes them alike, 1 has slides without any.
            cache: keep what was rendered, 29 kB per patch that was read, in arrays that a forked
                worker inherits; a pickled source leaves it behind.
            place: where a positive's tumour lies. "law": PatchCamelyon's. "centre": at the exact middle and nowhere else,
                while a negative's lies around it, so that only its place tells: a planted position bias. "anywhere": all
                over, while a negative has none: the label is whether the patch has any, and place tells nothing.

        Raises:
            DataError: for a setting out of range.
        """
        if split not in SPLITS:
            raise DataError(f"synthetic data: split={split!r} is none of {', '.join(SPLITS)}")
        if size < 0 or slides < 1 or not 0 <= stain < float("inf"):
            raise DataError(
                f"synthetic data: needs size >= 0, slides >= 1 and stain >= 0, but {size=}, {slides=}, {stain=}"
            )
        if not 0 <= prevalence <= 1:
            raise DataError(f"data.prevalence={prevalence} is not in [0, 1]")
        if place not in PLACES:
            raise DataError(f"data.place={place} is not known{suggest(str(place), PLACES)}")
        self.split, self.seed, self.cache, self.place = split, seed, cache, place
        self._stream = (seed % 2**64, SPLITS.index(split))
        self._stains = [slide_stain(self._stream, slide, stain) for slide in range(slides)]
        draws = [
            np.random.default_rng([*self._stream, LABELS, block]).random((2, BLOCK))
            for block in range(-(-size // BLOCK))
        ]
        label, slide = np.concatenate([np.empty((2, 0)), *draws], axis=1)[:, :size]
        self._slides = (slide * slides).astype(np.int64)
        spread = np.array(
            [
                np.random.default_rng([*self._stream, SHARE, slide]).uniform(-0.5, 0.5)
                for slide in range(slides)
            ]
        )
        self.labels = (label < (0.5 + prevalence * spread)[self._slides]).astype(np.uint8)
        names = [f"{split}-slide-{number:02d}" for number in range(slides)]
        self.ids = [f"{split}-{index:06d}" for index in range(size)]
        self.groups = [names[number] for number in self._slides]
        self._forget()

    def __len__(self) -> int:
        """Number of patches."""
        return len(self.labels)

    def __getstate__(self) -> dict[str, Any]:
        """Leaves the cache behind: a spawned worker is not sent gigabytes."""
        return {k: v for k, v in vars(self).items() if k not in ("_pixels", "_masks", "_done")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Begins with an empty cache."""
        vars(self).update(state)
        self._forget()

    def read(self, indices: NDArray[Any]) -> Bytes:
        """Patches by index.

        Args:
            indices: integers (n,), 0 <= index < N, in any order.

        Returns:
            uint8 (n, 96, 96, 3), RGB.

        Raises:
            IndexError: for an index out of range, or one that is no integer.
        """
        chosen = self._checked(indices)
        if self.cache:
            self._fill(chosen)
            return self._pixels[chosen]
        patches = np.empty((len(chosen), SIDE, SIDE, 3), np.uint8)
        for row, index in enumerate(chosen):
            patches[row] = self._render(int(index))[0]
        return patches

    def masks(self, indices: NDArray[Any]) -> Bools:
        """The tumour's pixels, bool (n, 96, 96); indices and errors are those of `read`."""
        chosen = self._checked(indices)
        if self.cache:
            self._fill(chosen)
            return np.unpackbits(self._masks[chosen], axis=-1).astype(np.bool_)
        masks = np.empty((len(chosen), SIDE, SIDE), np.bool_)
        for row, index in enumerate(chosen):
            masks[row] = self._render(int(index))[1]
        return masks

    def _checked(self, indices: NDArray[Any]) -> NDArray[np.int64]:
        asked = np.atleast_1d(np.asarray(indices))
        if asked.size and (asked.ndim > 1 or asked.dtype.kind not in "iu"):
            raise IndexError(f"patches are read by a vector of integers, not {asked.dtype}")
        if asked.size and (asked.min() < 0 or asked.max() >= len(self)):
            raise IndexError(
                f"patch {asked.min() if asked.min() < 0 else asked.max()} asked of a source that holds 0 to {len(self) - 1}"
            )
        return asked.astype(np.int64)

    def _render(self, index: int) -> tuple[Bytes, Bools]:
        sheets = sheet_bank(self._stream[1])
        rng = np.random.default_rng([*self._stream, SCENE, index])
        stains, mask = compose(rng, sheets, bool(self.labels[index]), self.place)
        # A stream of its own: the scanner's noise is no part of the tissue.
        rng = np.random.default_rng([*self._stream, SCANNER, index])
        return expose(rng, self._stains[self._slides[index]], stains, sheets.grain), mask

    def _fill(self, indices: NDArray[np.int64]) -> None:
        for index in indices[~self._done[indices]]:
            pixels, mask = self._render(int(index))
            self._pixels[index], self._masks[index] = pixels, np.packbits(mask, axis=-1)
            self._done[index] = True  # last, so that nobody finds half a patch

    def _forget(self) -> None:
        kept = len(self) if self.cache else 0
        # Zeros are virtual memory until they are written to.
        self._pixels = np.zeros((kept, SIDE, SIDE, 3), np.uint8)
        self._masks = np.zeros((kept, SIDE, SIDE // 8), np.uint8)
        self._done = np.zeros(kept, np.bool_)
