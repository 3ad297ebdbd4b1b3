"""Metrics of a binary classifier, for one sample or for many weightings of it at once."""

from collections.abc import Collection, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

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
EPSILON = float(np.finfo(np.float64).eps)  # the NLL clips probabilities to this far from 0 and 1
BLOCK_CELLS = 1 << 18  # weights processed at a time, so that they stay in a core's cache
COUNT_COLUMNS = 4  # patches, positives, predicted positives, true positives


class RankedScores:
    """One vector of scores with its labels, sorted once, to be weighted many times.

    A bootstrap resample is a weighting of the patches by counts. So resamples need no sorting of
    their own: cumulative sums of the weights, in the order of the scores, give every metric.

    Attributes:
        metrics: The metrics to compute, in the order of ``METRICS``.
        mean_names: Names of the additional means.
        finite: Whether every score is finite.
        score: float64 (N,), descending.
        run_ends: int64 (L,), the last patch of each run of equal scores; None without ties.
    """

    def __init__(
        self,
        probability: Floats,
        label: Labels,
        threshold: float = 0.5,
        bins: int = BINS,
        metrics: Collection[str] = METRICS,
        means: Mapping[str, Floats] | None = None,
    ) -> None:
        """Sort the scores.

        Args:
            probability: (N,), of the positive class; ties are allowed. Scores outside [0, 1] have
                no Brier score, NLL and calibration error.
            label: (N,), 0 or 1.
            threshold: A patch is predicted positive from this probability on. NaN: not known.
            bins: Equal-width bins of [0, 1] for the expected calibration error.
            metrics: Which of ``METRICS``.
            means: Further values of each patch, (N,), by the name of their mean.

        Raises:
            ValueError: no patches, different lengths, or an unknown metric.
        """
        means = means or {}
        _validate(probability, label, metrics, means)
        self.metrics = [name for name in METRICS if name in metrics]
        self.mean_names = list(means)
        scores = np.asarray(probability, np.float64)
        self.finite = bool(np.isfinite(scores).all())
        self._has_threshold = not np.isnan(threshold)
        self._order = np.argsort(-scores, kind="stable")
        self.score = scores[self._order]
        self._positive = (np.asarray(label)[self._order] == 1).astype(np.float64)
        self.run_ends = _run_ends(self.score)
        columns = self._count_columns(threshold)
        columns += [np.asarray(values)[self._order] for values in means.values()]
        columns += self._calibration_columns(bins)
        self._columns = np.stack(columns, axis=1)

    def _count_columns(self, threshold: float) -> list[Floats]:
        """Return per patch: 1, positive, predicted positive, true positive."""
        predicted = (self.score >= threshold).astype(np.float64)
        return [np.ones_like(predicted), self._positive, predicted, predicted * self._positive]

    def _calibration_columns(self, bins: int) -> list[Floats]:
        """Return what the calibration metrics are sums of.

        Args:
            bins: Number of bins of the calibration error.

        Returns:
            Per patch: squared error, negative log-likelihood, and its error in each bin. Nothing
            if no calibration metric is asked for, or a score is not a probability.
        """
        if not self._includes(CALIBRATION_METRICS) or not self._are_probabilities():
            return []
        gap = self._positive - self.score
        likelihood = np.where(self._positive == 1, self.score, 1 - self.score)
        columns = [gap**2, -np.log(np.clip(likelihood, EPSILON, 1 - EPSILON))]
        if "ece" in self.metrics:
            bin_number = bin_index(self.score, bins)
            columns += [np.where(bin_number == number, gap, 0.0) for number in range(bins)]
        return columns

    def _are_probabilities(self) -> bool:
        """Return whether all scores are from 0 to 1."""
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
            brier, nll (natural logarithm, probabilities clipped to ``EPSILON`` from 0 and 1), ece
            (mean distance between probability and share of positives over bins, weighted by their
            counts: Naeini et al. 2015, for the positive class). NaN where a metric is not defined:
            one class only (auroc, average_precision, balanced_accuracy; sensitivity without
            positives, specificity without negatives), no patch predicted positive (precision), a
            score that is not finite.
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
            if self.finite and self._has_threshold:
                found |= _threshold_metrics(total, positives, predicted, true_positives)
            if self.finite and self._includes(RANKING_METRICS):
                found |= self._ranking_metrics(block, positives, total - positives)
            if len(calibration_sums):
                found |= _calibration_metrics(calibration_sums, total)
        undefined = np.full(len(block), np.nan)
        return means | {name: found.get(name, undefined) for name in self.metrics}

    def _ranking_metrics(
        self, block: Floats, positives: Floats, negatives: Floats
    ) -> dict[str, Floats]:
        true_positives, false_positives = self.cumulative_counts(block)
        new_true = np.diff(true_positives, axis=1, prepend=0.0)
        new_false = np.diff(false_positives, axis=1, prepend=0.0)
        # Each negative is below the positives before it, and level with half of those it ties with.
        area = np.einsum("rl,rl->r", new_false, true_positives - new_true / 2)
        predicted = true_positives + false_positives
        np.maximum(predicted, 1e-300, out=predicted)  # no weight so far: no new positives either
        precision_sum = np.einsum("rl,rl->r", new_true, true_positives / predicted)
        return {
            "auroc": area / (positives * negatives),
            "average_precision": np.where(negatives > 0, precision_sum / positives, np.nan),
        }


def _validate(
    probability: Floats, label: Labels, metrics: Collection[str], means: Mapping[str, Floats]
) -> None:
    """Check the arguments of ``RankedScores``.

    Raises:
        ValueError: no patches, different lengths, or an unknown metric.
    """
    for values in (probability, *means.values()):
        if np.shape(values) != (len(label),):
            raise ValueError("scores, labels and means have different lengths")
    if not len(label):
        raise ValueError("no patches")
    unknown = set(metrics) - set(METRICS)
    if unknown:
        names = ", ".join(sorted(unknown))
        raise ValueError(f"unknown metrics: {names}")


def _run_ends(score: Floats) -> NDArray[np.int64] | None:
    ends = np.append(np.flatnonzero(np.diff(score)), len(score) - 1)
    return ends if len(ends) < len(score) else None


def _threshold_metrics(
    total: Floats, positives: Floats, predicted: Floats, true_positives: Floats
) -> dict[str, Floats]:
    negatives = total - positives
    false_positives = predicted - true_positives
    sensitivity = true_positives / positives
    specificity = (negatives - false_positives) / negatives
    return {
        "accuracy": (true_positives + negatives - false_positives) / total,
        "balanced_accuracy": (sensitivity + specificity) / 2,
        "f1": 2 * true_positives / (predicted + positives),
        "precision": true_positives / predicted,
        "sensitivity": sensitivity,
        "specificity": specificity,
    }


def _calibration_metrics(sums: Floats, total: Floats) -> dict[str, Floats]:
    """Return Brier score, NLL and, if it is asked for, the calibration error, (R,) each.

    Args:
        sums: (2 or more, R), weighted sums of the calibration columns.
        total: (R,), sums of the weights.
    """
    squared_error, log_loss, *bin_gaps = sums
    found = {"brier": squared_error / total, "nll": log_loss / total}
    if bin_gaps:
        found["ece"] = np.abs(sums[2:]).sum(0) / total
    return found


def bin_index(probability: Floats, bins: int) -> NDArray[np.int64]:
    """Return the equal-width bin of each probability in [0, 1].

    Bins are closed below and open above; the last one is closed on both sides.
    """
    edges = np.linspace(0, 1, bins + 1)[1:-1]
    return np.searchsorted(edges, probability, side="right").astype(np.int64)


def classification_metrics(
    probability: Floats,
    label: Labels,
    threshold: float = 0.5,
    bins: int = BINS,
    metrics: Collection[str] = METRICS,
    means: Mapping[str, Floats] | None = None,
) -> dict[str, float]:
    """Compute every metric of one sample, each patch once: see ``RankedScores``."""
    scores = RankedScores(probability, label, threshold, bins, metrics, means)
    found = scores.weigh(np.ones((1, len(label))))
    return {name: float(value[0]) for name, value in found.items()}
