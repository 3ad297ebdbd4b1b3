"""Which patches are explained, and the regions where their answer is known to be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from torch import Tensor

from pcam.attribution.randomness import draw
from pcam.config.classes import UNNAMED, Classes
from pcam.config.schema import PatchChoice
from pcam.data.base import Indices, MaskedPatchSource, PatchSource
from pcam.data.crop import Crop, centre_square
from pcam.data.randomness import AttributionStream
from pcam.errors import DataError, suggest

Logits = NDArray[np.float64]

CENTRE = 32  # pixels: side of the square that PatchCamelyon's label depends on
REFERENCES = 16  # patches that gradient SHAP compares with
THRESHOLD = 0.5  # of the probability, for captions and outcomes


# (label, predicted class) to its name, in the order of figures.
OUTCOMES = {
    (1, 1): "true positive",
    (0, 1): "false positive",
    (0, 0): "true negative",
    (1, 0): "false negative",
}


@dataclass(frozen=True)
class Patches:
    """Patches as the network sees them.

    Attributes:
        images: uint8 (N, 3, H, W), cropped.
        regions: "centre", "tumour" and "deciding" (tumour in the centre), if known, to bool
            (N, H, W).
    """

    images: Tensor
    regions: Mapping[str, Tensor]

    @property
    def pictures(self) -> NDArray[np.uint8]:
        """The patches as pictures, uint8 (N, H, W, 3)."""
        return np.asarray(self.images.permute(0, 2, 3, 1).numpy())

    @property
    def squares(self) -> NDArray[np.bool_] | None:
        """The centre that decides the label, bool (N, H, W), if the label depends on it."""
        region = self.regions.get("centre")
        return None if region is None else np.asarray(region.numpy())


@dataclass(frozen=True)
class Split:
    """A split of patches and what the network predicts for them.

    Attributes:
        source: of the patches.
        logit: (N,), log-odds of the positive class.
        crop: which square of a patch the network sees.
        centre_labelled: the label depends on the centre of a patch alone.
        classes: the names of the labels 0 and 1.
    """

    source: PatchSource
    logit: Logits
    crop: Crop
    centre_labelled: bool
    classes: Classes = UNNAMED

    @property
    def probability(self) -> Logits:
        """The probability of the positive class, (N,)."""
        return np.asarray(expit(self.logit))

    def read(self, indices: Indices) -> Patches:
        """Read patches as the network sees them, and their regions."""
        return read_patches(self.source, indices, self.crop, self.centre_labelled)


def read_patches(
    source: PatchSource, indices: Indices, crop: Crop, centre_labelled: bool
) -> Patches:
    """Read patches and the regions where their answer is known to be.

    Args:
        source: of the patches.
        indices: (N,).
        crop: which square of a patch the network sees.
        centre_labelled: the label depends on the centre of a patch alone.
    """
    whole = source.read(indices)
    regions = {}
    if centre_labelled:
        square = centre_square(CENTRE, *whole.shape[1:3])
        regions["centre"] = _crop_region(np.broadcast_to(square, whole.shape[:3]), indices, crop)
    if isinstance(source, MaskedPatchSource):
        regions["tumour"] = _crop_region(source.masks(indices), indices, crop)
    if len(regions) == 2:
        regions["deciding"] = regions["centre"] & regions["tumour"]
    cropped = np.ascontiguousarray(crop(whole, indices, 0))
    return Patches(torch.from_numpy(cropped).permute(0, 3, 1, 2), regions)


def _crop_region(region: NDArray[np.bool_], indices: Indices, crop: Crop) -> Tensor:
    """Return a region cropped as the patches are.

    Args:
        region: bool (N, H, W).
        indices: of the patches.
        crop: of the patches.
    """
    if crop.mode == "ring":  # it hides the centre and moves nothing
        return torch.from_numpy(np.ascontiguousarray(region))
    pixels = region[..., None].repeat(3, -1).astype(np.uint8)
    return torch.from_numpy(crop(pixels, indices, 0)[..., 0] > 0)


def find_ids(ids: Sequence[str], source: PatchSource) -> Indices:
    """Return the indices of patches by their ids.

    Args:
        ids: of the patches, in the order to return.
        source: whose ids are searched.

    Returns:
        int64, an index for each id.

    Raises:
        DataError: the source has no such id.
    """
    places = {name: place for place, name in enumerate(source.ids)}
    for name in ids:
        if name not in places:
            raise DataError(
                f"patches.ids: {name} is not among this split's {len(source):,} patches"
                f"{suggest(name, source.ids)}"
            )
    return np.array([places[name] for name in ids], np.int64)


def choose_patches(config: PatchChoice, source: PatchSource, logit: Logits, seed: int) -> Indices:
    """Return the indices of the patches to explain.

    Args:
        config: how many and which.
        source: of the patches.
        logit: (N,), log-odds of the positive class.
        seed: of the draws.

    Raises:
        DataError: labels are needed and the source has none.
    """
    rng = draw(seed, AttributionStream.PICK)
    if config.pick == "random":
        count = min(config.n, len(source))
        return np.sort(rng.choice(len(source), count, replace=False))
    certainty = np.abs(logit)
    if config.pick == "certain":
        return np.argsort(-certainty, kind="stable")[: config.n]
    if config.pick == "uncertain":
        return np.argsort(certainty, kind="stable")[: config.n]
    if source.labels is None:
        raise DataError(
            "patches.pick=outcomes needs labels; use patches.pick=certain, uncertain or random"
        )
    return _choose_outcomes(config.n, source.labels, logit, rng)


def _choose_outcomes(
    n: int, labels: NDArray[np.uint8], logit: Logits, rng: np.random.Generator
) -> Indices:
    """Return n patches of each outcome, at random."""
    predicted = logit >= 0
    parts = []
    for label, prediction in OUTCOMES:
        candidates = np.flatnonzero((labels == label) & (predicted == bool(prediction)))
        drawn = rng.choice(candidates, min(n, len(candidates)), replace=False)
        parts.append(np.sort(drawn))
    return np.concatenate(parts)


def draw_references(size: int, seed: int) -> Indices:
    """Return the patches of a split that gradient SHAP compares with, drawn by the seed."""
    count = min(REFERENCES, size)
    return draw(seed, AttributionStream.REFERENCES).choice(size, count, replace=False)


def caption(source: PatchSource, index: int, probability: float, classes: Classes = UNNAMED) -> str:
    """Return a patch's id, outcome, class and probability, on three lines or two."""
    figure = f"probability of {classes[1]} {probability:.3f}"
    if source.labels is None:
        return f"{source.ids[index]}\n{figure}"
    label = int(source.labels[index])
    outcome = OUTCOMES[label, int(probability >= THRESHOLD)]
    return f"{source.ids[index]}\n{outcome}\n{classes[label]}, {figure}"
