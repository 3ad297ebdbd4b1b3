"""What an attribution of a run consists of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pcam.attribution.maps import TOLERANCE, Maps
from pcam.attribution.measures import Row
from pcam.attribution.options import Options
from pcam.attribution.patches import Patches

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Subject:
    """What is explained.

    Attributes:
        run: the run folder.
        split: train, valid or test.
        network: the network's label.
        data: name of the data.
        precision: of the network.
        positive: name of the class whose log-odds are explained.
    """

    run: str
    split: str
    network: str
    data: str
    precision: str
    positive: str

    @property
    def title(self) -> str:
        """The title of figures and tables."""
        return f"{self.network} on {self.data}, {self.split}; log-odds of {self.positive}"


@dataclass(frozen=True)
class ExplainedPatches:
    """The patches that are explained.

    Attributes:
        patches: their pixels and regions.
        ids: N names.
        labels: uint8 (N,), or None.
        probability: (N,), of the positive class.
        captions: N texts for figures.
    """

    patches: Patches
    ids: Sequence[str]
    labels: NDArray[np.uint8] | None
    probability: NDArray[np.float64]
    captions: Sequence[str]


@dataclass(frozen=True)
class FeatureMaps:
    """The output of a layer for some patches.

    Attributes:
        layer: its name.
        pictures: of the patches, uint8 (N, H, W, 3).
        values: float32 (N, C, h, w).
        captions: N texts.
    """

    layer: str
    pictures: NDArray[np.uint8]
    values: Floats
    captions: Sequence[str]


@dataclass(frozen=True)
class Faithfulness:
    """How faithful the maps of true positives are.

    Attributes:
        title: of the figure and the tables.
        patches: number of patches that are measured.
        rows: one per measure, method and network.
    """

    title: str
    patches: int
    rows: Sequence[Row]


@dataclass(frozen=True)
class Completeness:
    """How complete the maps of one method are.

    Attributes:
        patches: number of maps.
        short: number of maps whose gap is above ``TOLERANCE``.
        largest_gap: share of the change of the log-odds.
        most_steps: of integrated gradients; 0 for other methods.
    """

    patches: int
    short: int
    largest_gap: float
    most_steps: int


@dataclass(frozen=True)
class Attribution:
    """The maps of a run's patches.

    Attributes:
        subject: what is explained.
        scale: of the run.
        options: settings of the methods.
        layer: name of the layer that Grad-CAM and HiResCAM look at, None without one.
        explained: the patches.
        maps: of each method that applies.
        not_applicable: method to the reason why it does not apply.
        feature_maps: of a layer; None if not wanted or not possible.
        faithfulness: None if not measured.
        unit: what the intervals are over, "slides" or "patches".
    """

    subject: Subject
    scale: str
    options: Options
    layer: str | None
    explained: ExplainedPatches
    maps: Mapping[str, Maps]
    not_applicable: Mapping[str, str]
    feature_maps: FeatureMaps | None
    faithfulness: Faithfulness | None
    unit: str

    @property
    def completeness(self) -> dict[str, Completeness]:
        """How complete the maps are of each method that is complete by construction."""
        found = {}
        for name, maps in self.maps.items():
            if maps.complete:
                found[name] = measure_completeness(maps)
        return found


def measure_completeness(maps: Maps) -> Completeness:
    """Return how complete maps are."""
    incomplete = ~(maps.gap <= TOLERANCE)
    return Completeness(
        patches=len(maps.gap),
        short=int(incomplete.sum()),
        largest_gap=float(maps.gap.max()),
        most_steps=int(maps.steps.max()),
    )
