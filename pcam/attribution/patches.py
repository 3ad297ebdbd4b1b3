"""Which patches are explained, and where their answer is known to lie."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pcam.attribution.faithfulness import square
from pcam.data.base import Indices, MaskedPatchSource, PatchSource
from pcam.data.crop import Crop
from pcam.data.randomness import Purpose, draw
from pcam.errors import DataError, suggest

Probabilities = NDArray[np.float64]

CENTRE = 32  # pixels: side of the square that PatchCamelyon's label depends on
CENTRE_LABELLED = ("pcam", "kaggle", "synthetic")  # sources under that law
PICKS = ("outcomes", "certain", "uncertain", "random")
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
        regions: "centre", "tumour" and "deciding" (tumour in the centre), where they are known, to bool (N, H, W).
    """

    images: Tensor
    regions: Mapping[str, Tensor]

    @property
    def shown(self) -> NDArray[np.uint8]:
        """The patches as pictures, (N, H, W, 3)."""
        return np.asarray(self.images.permute(0, 2, 3, 1).numpy())

    @property
    def squares(self) -> NDArray[np.bool_] | None:
        """Where the label is decided, (N, H, W), if that is known."""
        centre = self.regions.get("centre")
        return None if centre is None else np.asarray(centre.numpy())


def read(source: PatchSource, indices: Indices, crop: Crop, name: str) -> Patches:
    """Read patches, and where their answer is known to lie.

    Args:
        source: of the patches.
        indices: (N,).
        crop: which square of a patch the network sees.
        name: of the source: some are under PatchCamelyon's law.
    """
    whole = source.read(indices)

    def cropped(region: NDArray[np.bool_]) -> Tensor:
        if crop.mode == "ring":  # hides the centre and moves nothing
            return torch.from_numpy(np.ascontiguousarray(region))
        return torch.from_numpy(
            crop(region[..., None].repeat(3, -1).astype(np.uint8), indices, 0)[..., 0] > 0
        )

    regions = {}
    if name in CENTRE_LABELLED:
        law = square(CENTRE, *whole.shape[1:3]).numpy()
        regions["centre"] = cropped(np.broadcast_to(law, whole.shape[:3]))
    if isinstance(source, MaskedPatchSource):
        regions["tumour"] = cropped(source.masks(indices))
    if len(regions) == 2:
        regions["deciding"] = regions["centre"] & regions["tumour"]
    images = torch.from_numpy(np.ascontiguousarray(crop(whole, indices, 0))).permute(0, 3, 1, 2)
    return Patches(images, regions)


@dataclass(frozen=True)
class Split:
    """A split of patches and what the network says of them.

    Attributes:
        source: of the patches.
        probability: (N,), of the positive class.
        crop: which square of a patch the network sees.
        data: name of the data.
    """

    source: PatchSource
    probability: Probabilities
    crop: Crop
    data: str

    def read(self, indices: Indices) -> Patches:
        """Read patches as the network sees them."""
        return read(self.source, indices, self.crop, self.data)


def indices_of_ids(ids: Sequence[object], source: PatchSource) -> Indices:
    """Return the indices of patches by their ids.

    Raises:
        DataError: an id is not there.
    """
    place = {name: i for i, name in enumerate(source.ids)}
    for name in map(str, ids):
        if name not in place:
            raise DataError(
                f"patches.ids: {name} is none of this split's {len(source):,} patches{suggest(name, source.ids)}"
            )
    return np.array([place[str(name)] for name in ids], np.int64)


def choose(
    asked: Mapping[str, Any], source: PatchSource, probability: Probabilities, seed: int
) -> Indices:
    """Return the indices of the patches that a person asked for.

    Args:
        asked: ``pick``, one of ``PICKS``, and ``n``.
        source: of the patches.
        probability: (N,), of the positive class.
        seed: of the draws.

    Raises:
        DataError: labels are needed that are not there.
    """
    n, pick, rng = asked["n"], asked["pick"], draw(seed, Purpose.ATTRIBUTION, 4)
    if pick == "random":
        return np.sort(rng.choice(len(source), min(n, len(source)), replace=False))
    certainty = np.abs(probability - 0.5)
    if pick in ("certain", "uncertain"):
        return np.argsort(-certainty if pick == "certain" else certainty, kind="stable")[:n]
    if source.labels is None:
        raise DataError(
            "patches.pick=outcomes needs labels; patches.pick=certain, uncertain or random does not"
        )
    parts = []
    for label, called in OUTCOMES:
        some = np.flatnonzero((source.labels == label) & ((probability >= 0.5) == bool(called)))
        parts.append(np.sort(rng.choice(some, min(n, len(some)), replace=False)))
    return np.concatenate(parts)


def outcome(label: int, probability: float) -> str:
    """Return "true positive" and the like, at a threshold of 0.5."""
    return OUTCOMES[label, int(probability >= 0.5)]


def caption(source: PatchSource, index: int, probability: float) -> str:
    """Return what a person reads beside a patch, in three lines or two."""
    if source.labels is None:
        return f"{source.ids[index]}\nprobability {probability:.3f}"
    label = int(source.labels[index])
    return f"{source.ids[index]}\n{outcome(label, probability)}\nlabel {label}, probability {probability:.3f}"
