"""Figures of a binary classifier, for one sample or for many weightings of it at once."""

from collections.abc import Collection, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.uint8]

CALLED = (
    "accuracy",
    "balanced_accuracy",
    "f1",
    "precision",
    "sensitivity",
    "specificity",
)  # depend on the threshold
RANKED = ("auroc", "average_precision")
CALIBRATED = ("brier", "nll", "ece")  # need probabilities, not just scores
METRICS = (*RANKED, *CALLED, *CALIBRATED)
LOWER_IS_BETTER = frozenset(CALIBRATED)
BINS = 15
SMALLEST = float(
    np.finfo(np.float64).eps
)  # a probability this near to 0 or 1 is taken as this far from it, in NLL
CELLS = 1 << 18  # weights worked on at a time: what stays in a core's cache


class Scored:
    """One vector of scores with its labels, sorted once, to be weighted many times.

    A bootstrap's resample is a weighting by counts, so resamples need no sorting of their own: each is a running sum.

    Args:
        probability: (N,), of the positive class; ties are allowed. Scores outside [0, 1] have no Brier, NLL and ECE.
        label: (N,), 0 or 1.
        threshold: a patch is called positive from this probability on.
        bins: equal-width bins of [0, 1] for the expected calibration error.
        metrics: which of ``METRICS``.
        means: further values of each patch, (N,), by the name under which their mean becomes a figure.

    Raises:
        ValueError: no patches, lengths that differ, or a figure that is not known.
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
        means = means or {}
        if any(np.shape(values) != (len(label),) for values in (probability, *means.values())):
            raise ValueError("scores, labels and means have different lengths")
        if not len(label):
            raise ValueError("no patches")
        if unknown := set(metrics) - set(METRICS):
            raise ValueError(f"unknown metrics: {', '.join(sorted(unknown))}")
        self.metrics = [name for name in METRICS if name in metrics]
        self.means = list(means)
        self.bins = bins
        probability = np.asarray(probability, np.float64)
        self.valid = bool(np.isfinite(probability).all())
        self.known = not np.isnan(threshold)
        self.order = np.argsort(-probability, kind="stable")
        self.score = probability[self.order]
        self.positive = (np.asarray(label)[self.order] == 1).astype(np.float64)
        ends = np.append(np.flatnonzero(np.diff(self.score)), len(label) - 1)
        self.last = (
            ends if len(ends) < len(label) else None
        )  # last patch of each run of equal scores; None without ties
        self.columns = self._columns(
            threshold, {name: np.asarray(values)[self.order] for name, values in means.items()}
        )

    def _columns(self, threshold: float, means: Mapping[str, Floats]) -> Floats:
        """Return (N, K): all that is summed patch by patch, so that one matrix product sums it for many weightings."""
        called = (self.score >= threshold).astype(np.float64)
        columns = [
            np.ones_like(called),
            self.positive,
            called,
            called * self.positive,
            *means.values(),
        ]
        self.probable = self.valid and bool(((self.score >= 0) & (self.score <= 1)).all())
        if self.probable and not set(CALIBRATED).isdisjoint(self.metrics):
            gap = self.positive - self.score
            likely = np.clip(
                np.where(self.positive == 1, self.score, 1 - self.score), SMALLEST, 1 - SMALLEST
            )
            columns += [gap**2, -np.log(likely)]
            if "ece" in self.metrics:
                inside = bin_of(self.score, self.bins)
                columns += [np.where(inside == number, gap, 0.0) for number in range(self.bins)]
        return np.stack(columns, axis=1)

    def weigh(self, weight: Floats) -> dict[str, Floats]:
        """Compute every figure under each of R weightings.

        Args:
            weight: (R, N), not negative, in the order of the patches.

        Returns:
            (R,) each of the figures: auroc (ties count half), average_precision (step-wise, as scikit-learn's), accuracy,
            balanced_accuracy, f1, precision, sensitivity, specificity, brier, nll (natural logarithm, probabilities
            clipped to ``SMALLEST`` from 0 and 1), ece (bins' mean distance between probability and share of positives,
            weighted by their counts: Naeini et al. 2015, for the positive class). NaN where a figure is not defined: one
            class alone (auroc, average_precision, balanced_accuracy; sensitivity without positives, specificity without
            negatives), nothing called positive (precision), a score that is not finite.
        """
        parts: dict[str, list[Floats]] = {name: [] for name in (*self.means, *self.metrics)}
        for block in self.sorted(weight):
            for name, values in self._block(block).items():
                parts[name].append(values)
        return {
            name: np.concatenate(values) if values else np.empty(0)
            for name, values in parts.items()
        }

    def sorted(self, weight: Floats) -> Iterator[Floats]:
        """Yield the weights of a few weightings at a time, patches from the highest score down."""
        rows = max(1, CELLS // max(1, len(self.order)))
        for start in range(0, len(weight), rows):
            yield np.asarray(weight[start : start + rows], np.float64).take(self.order, axis=1)

    def running(self, block: Floats) -> tuple[Floats, Floats]:
        """Return true and false positives (R, L) if all down to each of the L different scores were called positive."""
        every = block.cumsum(1)
        tp = (block * self.positive).cumsum(1)
        if self.last is not None:
            every, tp = every[:, self.last], tp[:, self.last]
        return tp, every - tp

    def _block(self, block: Floats) -> dict[str, Floats]:
        sums = (block @ self.columns).T
        (total, p, called, tp), means, rest = (
            sums[:4],
            sums[4 : 4 + len(self.means)],
            sums[4 + len(self.means) :],
        )
        n, fp = total - p, called - tp
        nothing = np.full(len(block), np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            found = dict(zip(self.means, means / total, strict=True))
            if self.known:
                sensitivity, specificity = tp / p, (n - fp) / n
                found |= {
                    "accuracy": (tp + n - fp) / total,
                    "balanced_accuracy": (sensitivity + specificity) / 2,
                    "f1": 2 * tp / (called + p),
                    "precision": tp / called,
                    "sensitivity": sensitivity,
                    "specificity": specificity,
                }
            if self.valid and not set(RANKED).isdisjoint(self.metrics):
                found |= self._ranked(block, p, n)
            if len(rest):
                found |= {
                    "brier": rest[0] / total,
                    "nll": rest[1] / total,
                    "ece": np.abs(rest[2:]).sum(0) / total,
                }
        if not self.valid:
            found = {name: found[name] for name in self.means}
        return {name: found.get(name, nothing) for name in (*self.means, *self.metrics)}

    def _ranked(self, block: Floats, p: Floats, n: Floats) -> dict[str, Floats]:
        tp, fp = self.running(block)
        rise, run = np.diff(tp, axis=1, prepend=0.0), np.diff(fp, axis=1, prepend=0.0)
        # each run of negatives is outranked by the positives before it, and by half of those it ties with
        area = np.einsum("rl,rl->r", run, tp - rise / 2)
        every = tp + fp
        np.maximum(every, 1e-300, out=every)  # nothing drawn yet: no rise either
        precise = np.einsum("rl,rl->r", rise, tp / every)
        return {"auroc": area / (p * n), "average_precision": np.where(n > 0, precise / p, np.nan)}


def bin_of(probability: Floats, bins: int) -> NDArray[np.int64]:
    """Return which equal-width bin of [0, 1] holds each probability: closed below, open above, the last closed."""
    edges = np.linspace(0, 1, bins + 1)[1:-1]
    return np.searchsorted(edges, probability, side="right").astype(np.int64)


def weighted_metrics(
    probability: Floats, label: Labels, weight: Floats, threshold: float = 0.5, bins: int = BINS
) -> dict[str, Floats]:
    """Compute every figure under each of R weightings (R, N) of the same N patches: see ``Scored.weigh``."""
    return Scored(probability, label, threshold, bins).weigh(weight)


def classification_metrics(
    probability: Floats,
    label: Labels,
    threshold: float = 0.5,
    bins: int = BINS,
    metrics: Collection[str] = METRICS,
    means: Mapping[str, Floats] | None = None,
) -> dict[str, float]:
    """Compute every figure of one sample, each patch once: see ``Scored``."""
    found = Scored(probability, label, threshold, bins, metrics, means).weigh(
        np.ones((1, len(label)))
    )
    return {name: float(value[0]) for name, value in found.items()}
