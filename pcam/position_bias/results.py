"""What the measurement of positional bias returns."""

from dataclasses import asdict, dataclass
from typing import TypedDict

from pcam.config.classes import Classes, describe_positive, title_suffix
from pcam.data.base import Pixels
from pcam.evaluation.compare import Comparison
from pcam.position_bias.views import Offsets, View
from pcam.stats.agreement import Change
from pcam.stats.intervals import Interval
from pcam.stats.metrics import Floats, Labels

Content = dict[str, object]  # of a JSON file


class LabellingRule(TypedDict):
    """What a shift changes for two readers of the true tumour masks."""

    centre_only: Interval  # change of AUROC of a reader of the centre of the view
    tumour_share: Interval  # change of AUROC of a reader who counts tumour in the whole view
    unchanged: Interval  # share of views whose centre keeps its label
    agreement_where_unchanged: Interval  # share of equal predictions among these
    agreement_where_changed: Interval  # and among the others


@dataclass(frozen=True)
class SwapRow:
    """How predictions change if a region is replaced.

    Attributes:
        region: "ring" or "centre".
        given: its replacement; "contrast" for the difference of two replacements.
        logodds: mean change of the "positive" and of the "negative" patches.
        change: all changes; None for a contrast.
    """

    region: str
    given: str
    logodds: dict[str, Interval]
    change: Change | None

    def summary(self) -> Content:
        """Return what summary.json holds."""
        changes = {"logodds": self.logodds} if self.change is None else self.change
        return {"region": self.region, "given": self.given, **changes}


class MapRow(TypedDict):
    """Predictions at one offset."""

    row: int
    column: int
    holds_centre: bool
    agreement: float
    auroc: float
    positives: float
    negatives: float


@dataclass(frozen=True)
class RunFacts:
    """A run and the patches that it was measured on, as in summary.json.

    Attributes:
        run: folder.
        network: label of its network.
        scale: "full", "sample" or "smoke".
        weights: what its training started from.
        data: name of the source.
        split: name of the split.
        patches: count.
        positive: count.
        classes: the names of the labels 0 and 1.
        over: "slides" or "patches", the units of the bootstrap.
        auroc: of the views in the middle.
        resamples: of the bootstrap.
        seed: of all draws.
        versions: of the libraries.
        commit: of the code.
    """

    run: str
    network: str
    scale: str
    weights: str
    data: str
    split: str
    patches: int
    positive: int
    classes: Classes
    over: str
    auroc: Interval
    resamples: int
    seed: int
    versions: dict[str, str]
    commit: str | None


@dataclass(frozen=True)
class Effects:
    """How a network's predictions depend on the view.

    Attributes:
        view: the part of a patch that the network sees.
        side: of the centre square that decides the label, pixels.
        offsets: (N, 2), of the shifted views.
        logodds: (N,) by kind of view, the unshifted "as_trained" first.
        changes: by kind of view.
        centre_visible: share of shifted views that contain the whole centre square of their patch.
        labelling_rule: None where it does not apply.
        swaps: a row for each replaced region; empty if the network sees no ring.
        shift_map: a row for each offset; empty if it was not asked for.
        map_patches: patches of the shift map.
        examples: a few views (n, h, w, 3) of each kind, by their title.
    """

    view: View
    side: int
    offsets: Offsets
    logodds: dict[str, Floats]
    changes: dict[str, Change]
    centre_visible: float
    labelling_rule: LabellingRule | None
    swaps: list[SwapRow]
    shift_map: list[MapRow]
    map_patches: int
    examples: dict[str, Pixels]

    def summary(self) -> Content:
        """Return what summary.json holds."""
        return {
            "moved": {
                "low": self.view.low.tolist(),
                "high": self.view.high.tolist(),
                "mirrored": self.view.size is None,
            },
            "views": self.changes,
            "centre_visible": self.centre_visible,
            "labelling_rule": self.labelling_rule,
            "swaps": [row.summary() for row in self.swaps],
            "map": self.shift_map,
            "map_patches": self.map_patches,
        }


@dataclass(frozen=True)
class PositionBias:
    """How much a run's predictions depend on the position of the view.

    Attributes:
        facts: the run and its patches.
        crop: what the network sees of a patch, in words.
        available: patches of the split, of which ``facts.patches`` were drawn.
        ids: N names.
        labels: (N,), 0 or 1.
        slides: N slide names, or None.
        logodds: (N,), of the unshifted views.
        trained_crop: mode and size of the crop in training.
        evaluated_crop: mode of the crop in evaluation.
        effects: None if the view cannot be shifted.
    """

    facts: RunFacts
    crop: str
    available: int
    ids: list[str]
    labels: Labels
    slides: list[str] | None
    logodds: Floats
    trained_crop: tuple[str, int | None]
    evaluated_crop: str
    effects: Effects | None

    @property
    def title(self) -> str:
        """Network, data and split."""
        facts = self.facts
        name = f"{facts.network} on {facts.data}, {facts.split}"
        return name + title_suffix(facts.classes)

    @property
    def patch_count(self) -> str:
        """How many patches, positives and slides were drawn."""
        slides = "slides unknown" if self.slides is None else f"{len(set(self.slides))} slides"
        drawn = f"{self.facts.patches:,} of {self.available:,} patches"
        return f"{drawn}, {self.facts.positive:,} {describe_positive(self.facts.classes)}, {slides}"

    def summary(self) -> Content:
        """Return what summary.json holds."""
        effects = {} if self.effects is None else self.effects.summary()
        return {**asdict(self.facts), **effects}


@dataclass(frozen=True)
class BiasComparison:
    """Several runs on the same patches.

    Attributes:
        names: of each run's subfolder of results.
        results: of each run.
        beyond_random: for each run the change of AUROC by the shift, beyond that of a run trained
            on random crops of the same size; None where there is no such run.
        compared: tests of the differences of AUROC; None for a single run.
    """

    names: list[str]
    results: list[PositionBias]
    beyond_random: list[Interval | None]
    compared: Comparison | None
