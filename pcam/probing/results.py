"""The results of probes."""

from dataclasses import dataclass

from pcam.evaluation.pairs import Test
from pcam.stats.intervals import Interval
from pcam.stats.metrics import Floats

PROBE_METRICS = ("auroc", "accuracy", "balanced_accuracy")


@dataclass(frozen=True)
class ProbeRow:
    """One probe of one backbone.

    Attributes:
        backbone: its name.
        probe: its name in tables.
        detail: what was chosen for it, as text.
        metrics: name to {"value", "low", "high", "sd"}; means over draws, if there are several.
        score: float64 (D, N), of each draw and test patch.
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
        positive: name of the positive class.
        weights: of each backbone, where they come from.
        widths: of each backbone, the number of its features.
        rows: backbone by backbone.
        pairs: probe by probe.
        resamples: number of bootstrap resamples.
        seed: of the bootstrap, of draws and of random weights.
    """

    data: str
    patches: dict[str, int]
    unit: str
    positive: str
    weights: dict[str, str]
    widths: dict[str, int]
    rows: list[ProbeRow]
    pairs: list[ProbePair]
    resamples: int
    seed: int
