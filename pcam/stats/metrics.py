"""Metrics of a binary classifier, for one sample or for many weightings of it at once."""

from collections.abc import Collection, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from pcam.stats.formulas import (
    bin_index,
    calibration_metrics,
    log_losses,
    ranking_metrics,
    threshold_metrics,
)

Floats = NDArray[np.float64]
Labels = NDArray[np.uint8]

RANKING_METRICS = ("auroc", "average_precision")
THRESHOLD_METRICS = (
    "accuracy",
    "balanced_accuracy",
    "f1",
    "precision",
    "sensitivity",
    "specificity",
)
CALIBRATION_METRICS = ("brier", "nll", "ece")  # need probabilities, not just scores
METRICS = (*RANKING_METRICS, *THRESHOLD_METRICS, *CALIBRATION_METRICS)

BINS = 15  # equal-width bins of the expected calibration error
BLOCK_CELLS = 1 << 18  # weights processed at a time, so that they stay in a core's cache
COUNT_COLUMNS = 4  # patches, positives, predicted positives, true positives


class RankedScores:
    """One vector of scores with its labels, sorted once, to be weighted many times.

    A bootstrap resample is a weighting of the patches by counts. So resamples need no sorting of
    their own: cumulative sums of the weights, in the order of the scores, give every metric.

    Attributes:
        metrics: The metrics to compute, in the order of ``METRICS``.
        mean_names: Names of the additional means.
        log_odds: Whether the scores are log-odds.
        threshold: A patch is predicted positive from this score on; NaN if it is not known.
        finite: Whether every score is finite; log-odds of a certain patch may be infinite.
        score: float64 (N,), descending.
        run_ends: int64 (L,), the last patch of each run of equal scores; None without ties.
    """

    def __init__(
        self,
        score: Floats,
        label: Labels,
        threshold: float | None = None,
        bins: int = BINS,
        metrics: Collection[str] = METRICS,
        means: Mapping[str, Floats] | None = None,
        log_odds: bool = False,
    ) -> None:
        """Sort the scores.

        Args:
            score: (N,), probabilities of the positive class, or their log-odds; ties are allowed.
                Other scores than probabilities have no Brier score, NLL and calibration error.
            label: (N,), 0 or 1.
            threshold: A patch is predicted positive from this score on. None: a probability of 0.5.
                NaN: not known.
            bins: Equal-width bins of [0, 1] for the expected calibration error.
            metrics: Which of ``METRICS``.
            means: Further values of each patch, (N,), by the name of their mean.
            log_odds: The scores are log-odds. They rank patches whose probability rounds to 1.

        Raises:
            ValueError: no patches, different lengths, or an unknown metric.
        """
        means = means or {}
        _validate(score, label, metrics, means)
        self.metrics = [name for name in METRICS if name in metrics]
        self.mean_names = list(means)
        self.log_odds = log_odds
        self.threshold = _threshold(threshold, log_odds)
        scores = np.asarray(score, np.float64)
        undefined = np.isnan(scores) if log_odds else ~np.isfinite(scores)
        self.finite = not bool(undefined.any())
        self._order = np.argsort(-scores, kind="stable")
        self.score = scores[self._order]
        self._positive = (np.asarray(label)[self._order] == 1).astype(np.float64)
        self.run_ends = _run_ends(self.score)
        columns = self._count_columns()
        columns += [np.asarray(values)[self._order] for values in means.values()]
        columns += self._calibration_columns(bins)
        self._columns = np.stack(columns, axis=1)

    def _count_columns(self) -> list[Floats]:
        """Return per patch: 1, positive, predicted positive, true positive."""
        predicted = (self.score >= self.threshold).astype(np.float64)
        return [np.ones_like(predicted), self._positive, predicted, predicted * self._positive]

    def _calibration_columns(self, bins: int) -> list[Floats]:
        """Return what the calibration metrics are sums of.

        Args:
            bins: Number of bins of the calibration error.

        Returns:
            Per patch: squared error, negative log-likelihood, and its error in each bin. Nothing
            if no calibration metric is asked for, or a score is not a probability.
        """
        if not self._includes(CALIBRATION_METRICS) or not self._have_probabilities():
            return []
        probability = expit(self.score) if self.log_odds else self.score
        gap = self._positive - probability
        losses = log_losses(self.score, self._positive, self.log_odds)
        columns = [gap**2, losses]
        if "ece" in self.metrics:
            bin_number = bin_index(probability, bins)
            columns += [np.where(bin_number == number, gap, 0.0) for number in range(bins)]
        return columns

    def _have_probabilities(self) -> bool:
        """Return whether all scores are probabilities, from 0 to 1, or log-odds."""
        if self.log_odds:
            return self.finite
        inside = (self.score >= 0) & (self.score <= 1)
        return self.finite and bool(inside.all())

    def _includes(self, names: Collection[str]) -> bool:
        return not set(names).isdisjoint(self.metrics)

    def weigh(self, weights: Floats) -> dict[str, Floats]:
        """Compute every metric under each of R weightings.

        Args:
            weights: (R, N), not negative, in the order of the patches.

        Returns:
            Each mean and metric, (R,): auroc (ties count half), average_precision (step-wise, as
            scikit-learn's), accuracy, balanced_accuracy, f1, precision, sensitivity, specificity,
            brier, nll (natural logarithm; probabilities, unlike log-odds, are clipped to
            ``EPSILON`` from 0 and 1), ece (mean distance between probability and share of positives
            over bins, weighted by their counts: Naeini et al. 2015, for the positive class).
            NaN where a metric is not defined: one class only (auroc, average_precision,
            balanced_accuracy; sensitivity without positives, specificity without negatives), no
            patch predicted positive (precision), a score that is not finite.
        """
        parts: dict[str, list[Floats]] = {name: [] for name in (*self.mean_names, *self.metrics)}
        for block in self.sorted_blocks(weights):
            for name, values in self._weigh_block(block).items():
                parts[name].append(values)
        return {name: np.concatenate([np.empty(0), *values]) for name, values in parts.items()}

    def sorted_blocks(self, weights: Floats) -> Iterator[Floats]:
        """Yield a few weightings at a time, their patches from the highest score down.

        Args:
            weights: (R, N), in the order of the patches.
        """
        rows = max(1, BLOCK_CELLS // max(1, len(self._order)))
        for start in range(0, len(weights), rows):
            block = np.asarray(weights[start : start + rows], np.float64)
            yield block.take(self._order, axis=1)

    def cumulative_counts(self, block: Floats) -> tuple[Floats, Floats]:
        """Return true and false positives (R, L) of a threshold at each of the L distinct scores.

        Args:
            block: (R, N), weights of ``sorted_blocks``.
        """
        predicted = block.cumsum(1)
        true_positives = (block * self._positive).cumsum(1)
        if self.run_ends is not None:
            predicted = predicted[:, self.run_ends]
            true_positives = true_positives[:, self.run_ends]
        return true_positives, predicted - true_positives

    def _weigh_block(self, block: Floats) -> dict[str, Floats]:
        """Compute every metric under each of R weightings.

        Args:
            block: (R, N), weights of ``sorted_blocks``.

        Returns:
            Each mean and metric, (R,); NaN where a metric is not defined.
        """
        sums = (block @ self._columns).T
        total, positives, predicted, true_positives = sums[:COUNT_COLUMNS]
        calibration_start = COUNT_COLUMNS + len(self.mean_names)
        mean_sums = sums[COUNT_COLUMNS:calibration_start]
        calibration_sums = sums[calibration_start:]
        found: dict[str, Floats] = {}
        with np.errstate(divide="ignore", invalid="ignore"):
            means = dict(zip(self.mean_names, mean_sums / total, strict=True))
            if self.finite and not np.isnan(self.threshold):
                found |= threshold_metrics(total, positives, predicted, true_positives)
            if self.finite and self._includes(RANKING_METRICS):
                true, false = self.cumulative_counts(block)
                found |= ranking_metrics(true, false, positives, total - positives)
            if len(calibration_sums):
                found |= calibration_metrics(calibration_sums, total)
        undefined = np.full(len(block), np.nan)
        return means | {name: found.get(name, undefined) for name in self.metrics}


def _threshold(given: float | None, log_odds: bool) -> float:
    """Return the threshold on the scores' scale; by default that of the probability 0.5."""
    if given is not None:
        return given
    return 0.0 if log_odds else 0.5


def _validate(
    score: Floats, label: Labels, metrics: Collection[str], means: Mapping[str, Floats]
) -> None:
    """Check the arguments of ``RankedScores``.

    Raises:
        ValueError: no patches, different lengths, or an unknown metric.
    """
    for values in (score, *means.values()):
        if np.shape(values) != (len(label),):
            raise ValueError("scores, labels and means have different lengths")
    if not len(label):
        raise ValueError("no patches")
    unknown = set(metrics) - set(METRICS)
    if unknown:
        names = ", ".join(sorted(unknown))
        raise ValueError(f"unknown metrics: {names}")


def _run_ends(score: Floats) -> NDArray[np.int64] | None:
    ends = np.append(np.flatnonzero(score[1:] != score[:-1]), len(score) - 1)
    return ends if len(ends) < len(score) else None


def classification_metrics(
    score: Floats,
    label: Labels,
    threshold: float | None = None,
    bins: int = BINS,
    metrics: Collection[str] = METRICS,
    means: Mapping[str, Floats] | None = None,
    log_odds: bool = False,
) -> dict[str, float]:
    """Compute every metric of one sample, each patch once: see ``RankedScores``."""
    scores = RankedScores(score, label, threshold, bins, metrics, means, log_odds)
    found = scores.weigh(np.ones((1, len(label))))
    return {name: float(value[0]) for name, value in found.items()}
