"""How a network's predictions change when the same patches are shown in another way."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from pcam.stats.compare import paired_difference
from pcam.stats.intervals import RESAMPLES, Interval, bootstrap_mean
from pcam.stats.metrics import Floats, Labels


class Beyond(TypedDict):
    """How much larger a change is than that of the floor."""

    changed: Interval
    auroc: Interval


class Change(TypedDict):
    """The result of ``change``."""

    agreement: Interval
    to_positive: Interval
    to_negative: Interval
    auroc: Interval
    probability: dict[str, Interval]
    logodds: dict[str, Interval]
    beyond: NotRequired[Beyond]


@dataclass(frozen=True)
class _Bootstrap:
    """The same resamples of the same patches for every interval."""

    label: Labels
    groups: Sequence[str] | None
    resamples: int
    seed: int

    def mean(self, values: Floats, bounded: bool = False) -> Interval:
        return bootstrap_mean(
            values, self.groups, bounded=bounded, resamples=self.resamples, seed=self.seed
        )

    def share(self, chosen: NDArray[np.bool_]) -> Interval:
        return self.mean(chosen.astype(np.float64), bounded=True)

    def mean_by_class(self, values: Floats) -> dict[str, Interval]:
        return {
            "positive": self.mean(np.where(self.label == 1, values, np.nan)),
            "negative": self.mean(np.where(self.label == 0, values, np.nan)),
        }

    def auroc_difference(self, first: Floats, second: Floats) -> Interval:
        """Return first minus second, with p, of two vectors of log-odds."""
        found = paired_difference(
            first,
            second,
            self.label,
            self.groups,
            log_odds=True,
            metrics=("auroc",),
            resamples=self.resamples,
            seed=self.seed,
        )
        return found["auroc"]


def change(
    before: Floats,
    after: Floats,
    label: Labels,
    groups: Sequence[str] | None = None,
    *,
    floor: Floats | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Change:
    """Compare the predictions for the same patches shown in two ways, each with its interval.

    A patch is predicted positive from probability 0.5 on.

    Args:
        before: (N,), log-odds of the positive class.
        after: (N,), of the same patches shown in the other way.
        label: (N,), 0 or 1.
        groups: N slide names, or None to draw patches.
        floor: (N,), log-odds after a change that should have no effect: a reference to compare
            ``after`` with.
        resamples: Number of resamples.
        seed: Seed of the draws.

    Returns:
        "agreement", "to_positive" and "to_negative": shares of all patches whose prediction stays,
        becomes positive, becomes negative. "auroc": its change, with p. "probability" and
        "logodds": mean change of the "positive" and of the "negative" patches. With a floor,
        "beyond": by how much the share of changed predictions ("changed") and the change of
        "auroc", with p, are larger than those of the floor.
    """
    bootstrap = _Bootstrap(label, groups, resamples, seed)
    positive_before, positive_after = before >= 0, after >= 0
    result: Change = {
        "agreement": bootstrap.share(positive_before == positive_after),
        "to_positive": bootstrap.share(positive_after & ~positive_before),
        "to_negative": bootstrap.share(positive_before & ~positive_after),
        "auroc": bootstrap.auroc_difference(after, before),
        "probability": bootstrap.mean_by_class(expit(after) - expit(before)),
        "logodds": bootstrap.mean_by_class(after - before),
    }
    if floor is not None:
        changed = (positive_after != positive_before).astype(np.float64)
        excess = changed - ((floor >= 0) != positive_before)
        result["beyond"] = {
            "changed": _limit_to_shares(bootstrap.mean(excess), known=bool(excess.any())),
            "auroc": bootstrap.auroc_difference(after, floor),
        }
    return result


def _limit_to_shares(difference: Interval, known: bool) -> Interval:
    """Return a difference of shares whose interval stays between -1 and 1.

    Args:
        difference: Its interval.
        known: Whether any patch differs; without one, the interval is not known.
    """
    if not known:
        return {**difference, "low": np.nan, "high": np.nan}
    low = float(np.maximum(difference["low"], -1))
    high = float(np.minimum(difference["high"], 1))
    return {**difference, "low": low, "high": high}
