"""Free-response ROC: how many lesions are found at how many false positives per slide.

The score is that of the Camelyon16 challenge (Ehteshami Bejnordi et al., JAMA 2017): the mean
sensitivity at 1/4, 1/2, 1, 2, 4 and 8 false positives per slide.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pcam.stats.intervals import RESAMPLES, Interval, interval_limits
from pcam.stats.metrics import Floats

RATES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)  # false positives per slide


@dataclass(frozen=True)
class SlideDetections:
    """The detections of one slide.

    Attributes:
        lesions: (L,), the highest score of the detections in each lesion; -inf if it has none.
        false_positives: (F,), the scores of the detections outside of all lesions.
    """

    lesions: Floats
    false_positives: Floats


def froc_sensitivities(slides: Sequence[SlideDetections], weights: Floats | None = None) -> Floats:
    """Return the sensitivity at each of ``RATES`` false positives per slide.

    Args:
        slides: S slides.
        weights: (S,), how often each slide counts; None for once.

    Returns:
        float64 (6,); NaN without a lesion.
    """
    counts = np.ones(len(slides)) if weights is None else weights
    lesions, lesion_weights = _join([one.lesions for one in slides], counts)
    errors, error_weights = _join([one.false_positives for one in slides], counts)
    total = lesion_weights.sum()
    if total == 0:
        return np.full(len(RATES), np.nan)
    order = np.argsort(-errors, kind="stable")
    errors = errors[order]
    rate = np.cumsum(error_weights[order]) / counts.sum()
    found: list[float] = []
    for allowed in RATES:
        excess = np.flatnonzero(rate > allowed)
        # The first score that is one false positive too many: only what is above it counts.
        limit = errors[excess[0]] if len(excess) else -np.inf
        found.append(float(lesion_weights[lesions > limit].sum() / total))
    return np.array(found)


def _join(parts: Sequence[Floats], counts: Floats) -> tuple[Floats, NDArray[np.float64]]:
    """Return the scores of all slides, and the weight of the slide of each."""
    sizes = [len(part) for part in parts]
    return np.concatenate([np.empty(0), *parts]), np.repeat(counts, sizes)


def bootstrap_froc(
    slides: Sequence[SlideDetections],
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """Compute the FROC score with its interval; whole slides are drawn.

    Args:
        slides: at least one.
        resamples: number of resamples.
        seed: of the draws.
        level: of confidence.

    Returns:
        {"value", "low", "high"}; low and high are NaN with one slide with lesions.
    """
    value = float(froc_sensitivities(slides).mean())
    generator = np.random.default_rng(seed)
    resampled = np.empty(resamples)
    for number in range(resamples):
        drawn = generator.integers(len(slides), size=len(slides))
        weights = np.bincount(drawn, minlength=len(slides)).astype(np.float64)
        resampled[number] = froc_sensitivities(slides, weights).mean()
    lesions = np.array([len(one.lesions) for one in slides], np.float64)
    squares = float((lesions**2).sum())
    count = float(lesions.sum()) ** 2 / squares if squares else 0.0
    low, high = interval_limits(value, resampled, count, level)
    return {"value": value, "low": low, "high": high}
