"""Maps and annotations of one or several slides: figures with intervals over slides."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pcam.slides.grid import Floats
from pcam.slides.measures import SlideMeasures
from pcam.slides.predict import SlidePrediction
from pcam.stats.froc import RATES, bootstrap_froc, froc_sensitivities
from pcam.stats.intervals import Interval, bootstrap_mean, bootstrap_metrics, interval_limits
from pcam.stats.metrics import RankedScores
from pcam.stats.resampling import effective_units, resample_weights, unit_numbers

NAMES = {
    "patch_auroc": "patch AUROC",
    "pixel_auroc": "pixel AUROC",
    "dice": "Dice",
    "froc": "FROC score",
}


@dataclass(frozen=True)
class AnnotatedSlide:
    """What the figures of an annotated slide are made of.

    Attributes:
        logit: float64 (N,), of its patches.
        probability: float64 (cells,), of the cells with an answer.
        share: float64 (cells,), of each that is tumour.
        measures: of the slide.
    """

    logit: Floats
    probability: Floats
    share: Floats
    measures: SlideMeasures

    @classmethod
    def of(cls, prediction: SlidePrediction, measures: SlideMeasures) -> "AnnotatedSlide":
        """Return what is kept of a prediction."""
        known = ~np.isnan(prediction.map)
        return cls(prediction.logit, prediction.map[known], measures.share[known], measures)


@dataclass(frozen=True)
class Agreement:
    """How maps agree with annotations.

    Attributes:
        slides: how many are annotated.
        lesions: how many there are, without isolated tumour cells.
        metrics: patch_auroc, pixel_auroc, dice and froc, each {"value", "low", "high"}.
        sensitivities: by the number of false positives per slide.
    """

    slides: int
    lesions: int
    metrics: dict[str, Interval]
    sensitivities: dict[str, float]

    def as_dict(self) -> dict[str, object]:
        """Return it as summary.json has it."""
        return {
            "slides": self.slides,
            "lesions": self.lesions,
            **self.metrics,
            "froc_sensitivities": self.sensitivities,
        }


def measure_agreement(slides: Mapping[str, AnnotatedSlide], resamples: int, seed: int) -> Agreement:
    """Measure how maps agree with annotations; whole slides are resampled.

    Args:
        slides: by name; at least one.
        resamples: of the bootstrap.
        seed: of its draws.
    """
    settings = {"resamples": resamples, "seed": seed}
    detections = [slide.measures.detections for slide in slides.values()]
    dice = np.array([slide.measures.dice for slide in slides.values()])
    overlap = bootstrap_mean(dice, list(slides), bounded=True, **settings)
    metrics = {
        "patch_auroc": _patch_auroc(slides, resamples, seed),
        "pixel_auroc": _pixel_auroc(slides, resamples, seed),
        "dice": {name: overlap[name] for name in ("value", "low", "high")},
        "froc": bootstrap_froc(detections, **settings),
    }
    sensitivities = froc_sensitivities(detections).tolist()
    return Agreement(
        slides=len(slides),
        lesions=sum(len(one.lesions) for one in detections),
        metrics=metrics,
        sensitivities={
            f"{rate:g}": value for rate, value in zip(RATES, sensitivities, strict=True)
        },
    )


def _patch_auroc(slides: Mapping[str, AnnotatedSlide], resamples: int, seed: int) -> Interval:
    """Return the AUROC of all patches, which are positive if their square has tumour."""
    logit = np.concatenate([slide.logit for slide in slides.values()])
    label = np.concatenate([slide.measures.label for slide in slides.values()])
    names = [name for name, slide in slides.items() for _ in slide.logit]
    found = bootstrap_metrics(
        logit,
        label,
        names,
        log_odds=True,
        metrics=("auroc",),
        resamples=resamples,
        seed=seed,
    )
    return found["auroc"]


def _pixel_auroc(slides: Mapping[str, AnnotatedSlide], resamples: int, seed: int) -> Interval:
    """Return the AUROC of the pixels of all slides; those of a cell have its probability."""
    score = np.concatenate([slide.probability for slide in slides.values()])
    share = np.concatenate([slide.share for slide in slides.values()])
    names = [name for name, slide in slides.items() for _ in slide.share]
    # Each cell is there twice: its tumour, and the rest of it.
    label = np.repeat([1, 0], len(score)).astype(np.uint8)
    areas = np.concatenate([share, 1 - share])
    units = unit_numbers(names * 2, len(areas))
    scores = RankedScores(np.tile(score, 2), label, metrics=("auroc",))
    value = float(scores.weigh(areas[None])["auroc"][0])
    blocks = resample_weights(units, resamples, seed)
    resampled = np.concatenate([scores.weigh(block * areas)["auroc"] for block in blocks])
    counts = effective_units((share > 0).astype(np.uint8), units[: len(share)])
    rarer = min(counts["positive"], counts["negative"])
    low, high = interval_limits(value, resampled, rarer, 0.95)
    return {"value": value, "low": low, "high": high}
