"""How much of the slide is in the features: a linear probe that predicts a patch's slide."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pcam.data.features import Features
from pcam.data.randomness import ProbeStream, Purpose, draw
from pcam.stats.intervals import Interval, interval_limits
from pcam.stats.metrics import Floats

LEAST_PATCHES = 10  # of a slide; one with fewer is left out
MOST_PATCHES = 100  # of a slide, drawn at random
FOLDS = 5  # over patches: each has patches of all slides
STRENGTH = 0.1  # scikit-learn's C, fixed: a choice in each fold would take many times as long
MOST_STEPS = 300  # of L-BFGS


@dataclass(frozen=True)
class SlidePatches:
    """The patches whose slide is predicted.

    Attributes:
        names: of the S slides.
        rows: int64 (n,), numbers of the patches, in random order within a slide.
        slide: int64 (n,), the slide of each, a number from 0.
    """

    names: list[str]
    rows: NDArray[np.int64]
    slide: NDArray[np.int64]

    @property
    def chance(self) -> float:
        """Balanced accuracy of a guess."""
        return 1 / len(self.names)

    @property
    def text(self) -> str:
        """What a table says of them."""
        return f"chance {self.chance:.4f}, {len(self.names)} slides"


def choose_slide_patches(groups: Sequence[str] | None, seed: int) -> SlidePatches | str:
    """Draw patches of each slide that has enough of them.

    Args:
        groups: N slide names, or None.
        seed: of the draw.

    Returns:
        The patches, or in a few words why there are none.
    """
    if groups is None:
        return "slides unknown"
    slides = np.asarray(groups)
    found, counts = np.unique(slides, return_counts=True)
    names = [str(name) for name in found[counts >= LEAST_PATCHES]]
    if len(names) < 2:
        return f"fewer than two slides have {LEAST_PATCHES} patches"
    generator = draw(seed, Purpose.PROBE, 0, ProbeStream.SLIDES)
    parts = [generator.permutation(np.flatnonzero(slides == name))[:MOST_PATCHES] for name in names]
    slide = np.repeat(np.arange(len(names)), [len(part) for part in parts])
    return SlidePatches(names, np.concatenate(parts), slide)


def predict_slides(features: Features, slide: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the slide that a logistic regression predicts for each patch, int64 (n,).

    Each patch is predicted by the regression that is fitted to the folds without it, on features
    that these folds standardise. Slides have equal weight.

    Args:
        features: float32 (n, F).
        slide: (n,), numbers from 0, in random order within a slide; at least ``FOLDS`` of each.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    regression = LogisticRegression(C=STRENGTH, max_iter=MOST_STEPS, class_weight="balanced")
    model = make_pipeline(StandardScaler(), regression)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        predicted = cross_val_predict(model, features, slide, cv=StratifiedKFold(FOLDS))
    return np.asarray(predicted, np.int64)


def balanced_accuracy(
    predicted: NDArray[np.int64], slide: NDArray[np.int64], resamples: int, seed: int
) -> Interval:
    """Return the mean share of each slide's patches that are predicted right, with its interval.

    The bootstrap draws the patches of each slide anew: the interval is about other patches of
    these slides, not about other slides, and the predictions are kept.

    Args:
        predicted: (n,), numbers of slides.
        slide: (n,), the right ones.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        {"value", "low", "high", "sd"}; sd is NaN.
    """
    counts = np.bincount(slide)
    shares: Floats = np.bincount(slide, predicted == slide) / counts
    generator = draw(seed, Purpose.PROBE, 0, ProbeStream.SLIDE_RESAMPLES)
    drawn = generator.binomial(counts, shares, size=(resamples, len(counts))) / counts
    # patches of equal slides that would give a mean of shares with the same variance
    effective = float(len(counts) ** 2 / np.sum(1 / counts))
    value = float(shares.mean())
    low, high = interval_limits(value, drawn.mean(axis=1), effective, level=0.95)
    return {"value": value, "low": low, "high": high, "sd": np.nan}
