"""The results of probes."""

from dataclasses import dataclass

from pcam.evaluation.pairs import Test
from pcam.probing.projection import Projection, ShownPatches
from pcam.probing.slides import SlidePatches
from pcam.stats.intervals import Interval
from pcam.stats.metrics import Floats

PROBE_METRICS = ("auroc", "accuracy", "balanced_accuracy")
SLIDE_PROBE = "slide"  # name of its rows


@dataclass(frozen=True)
class ProbeRow:
    """One probe of one backbone.

    Attributes:
        backbone: its name.
        probe: its name in tables.
        detail: what was chosen for it, as text.
        metrics: name to {"value", "low", "high", "sd"}; means over draws, if there are several.
            The slide probe has the balanced accuracy over slides only.
        score: float64 (D, N), of each draw and test patch; the slide probe has none (D = 0).
    """

    backbone: str
    probe: str
    detail: str
    metrics: dict[str, Interval]
    score: Floats


@dataclass(frozen=True)
class ProbePair:
    """Two backbones compared by one probe.

    Attributes:
        probe: its name.
        first: a backbone.
        second: another.
        auroc: {"value": first minus second, "low", "high", "p", "p_holm"}.
    """

    probe: str
    first: str
    second: str
    auroc: Test


@dataclass(frozen=True)
class Probes:
    """Probes of several backbones.

    Attributes:
        data: name of the source.
        patches: of each split, their number.
        unit: what the bootstrap resamples: "slides" or "patches".
        classes: names of the labels 0 and 1.
        weights: of each backbone, where they come from.
        widths: of each backbone, the number of its features.
        rows: backbone by backbone.
        slides: the patches whose slide is predicted, in a few words why there are none, or None if
            that is not asked for.
        shown: the patches in the pictures.
        projections: of each backbone, its features in two dimensions.
        pairs: probe by probe.
        resamples: number of bootstrap resamples.
        seed: of the bootstrap, of draws and of random weights.
    """

    data: str
    patches: dict[str, int]
    unit: str
    classes: tuple[str, str]
    weights: dict[str, str]
    widths: dict[str, int]
    rows: list[ProbeRow]
    slides: SlidePatches | str | None
    shown: ShownPatches
    projections: dict[str, Projection]
    pairs: list[ProbePair]
    resamples: int
    seed: int
