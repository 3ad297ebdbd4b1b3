"""The patches that maps are measured on, and the maps that are measured."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from pcam.attribution.faithfulness import Explain
from pcam.attribution.measures import NetworkKind
from pcam.models.network import Network


@dataclass(frozen=True)
class Cases:
    """True positives, and the regions where their answer is known to be.

    Attributes:
        x: normalised patches (N, 3, H, W), on the network's device.
        index: (N,), in their split.
        regions: name ("centre", "tumour", "deciding") to bool (N, H, W).
        groups: N slide names, or None.
        repeated: number of patches, from the first, for measures that need many maps.
    """

    x: Tensor
    index: Tensor
    regions: Mapping[str, Tensor]
    groups: Sequence[str] | None
    repeated: int


@dataclass(frozen=True)
class Candidate:
    """One way to make maps, and its maps of the cases.

    Attributes:
        method: name of the method.
        network: whose maps they are.
        maps: of the cases, (N, H, W).
        explain: makes maps of other patches.
        factor: the maps (N, H, W) if all gradients were alike, whose share of a region is chance;
            None for even maps.
        on_network: makes maps on another network; None if they are not needed.
    """

    method: str
    network: NetworkKind
    maps: Tensor
    explain: Explain
    factor: Tensor | None = None
    on_network: Callable[[Network], Explain] | None = None
