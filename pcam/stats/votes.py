"""Rules that make one classifier of several: members' probabilities (M, N) in, one score per patch (N,) out."""

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import rankdata

from pcam.stats.calibration import logit
from pcam.stats.metrics import SMALLEST, Floats, Labels

CLIP = 1e-7  # about single precision's step below 1: no member's 0 or 1 outweighs all others
NEGLIGIBLE = 1e-6  # a weight that is taken as 0


def majority_vote(members: Floats, threshold: float | Floats = 0.5) -> Labels:
    """Return the label that most members call; a tie goes by the mean distance of probability and threshold.

    Args:
        members: (M, N), probabilities.
        threshold: of all members, or (M,), of each.

    Returns:
        (N,), 0 or 1. Taken as scores, their AUROC is the vote's balanced accuracy: a ranking with one step.
    """
    members = _checked(members)
    each = np.broadcast_to(np.asarray(threshold, np.float64), len(members))[:, None]
    votes = 2 * (members >= each).sum(0) - len(members)
    return np.asarray(np.where(votes == 0, (members - each).mean(0) >= 0, votes > 0), np.uint8)


def vote_share(members: Floats, threshold: float | Floats = 0.5) -> Floats:
    """Return the share of members (N,) that call each patch positive: a score of at most M + 1 values."""
    members = _checked(members)
    each = np.broadcast_to(np.asarray(threshold, np.float64), len(members))[:, None]
    return np.asarray((members >= each).mean(0))


def mean_probability(members: Floats) -> Floats:
    """Return the members' mean probability (N,)."""
    return np.asarray(_checked(members).mean(0))


def mean_logit(members: Floats) -> Floats:
    """Return the probability (N,) of the members' mean logit; probabilities are clipped to ``CLIP`` from 0 and 1."""
    return np.asarray(expit(logit(_checked(members), CLIP).mean(0)))


def rank_mean(members: Floats) -> Floats:
    """Return the mean (N,) of each member's ranks, scaled to (0, 1), ties sharing theirs.

    It asks only for each member's order, so members need no common scale. It is not a probability, and a patch's value
    depends on the others it is ranked with.
    """
    members = _checked(members)
    return np.asarray(((rankdata(members, axis=1) - 0.5) / members.shape[1]).mean(0))


def fit_weights(members: Floats, label: Labels) -> Floats:
    """Find the weights whose weighted mean probability has the least NLL.

    Of probabilities, not of logits: the mean is then a mixture, whose NLL is convex in the weights and which no
    over-confident member can spoil.

    Args:
        members: (M, N), probabilities on the split to fit on (never the one to be judged on).
        label: (N,), 0 or 1.

    Returns:
        (M,), not negative, of sum 1; equal weights with one class alone.

    Raises:
        ValueError: no patches, lengths that differ, or probabilities that are not from 0 to 1.
    """
    members = _checked(members)
    if members.shape[1] != len(label):
        raise ValueError("members and labels have different lengths")
    equal = np.full(len(members), 1 / len(members))
    if len(members) == 1 or len(np.unique(label)) < 2:
        return equal
    likely = np.clip(np.where(np.asarray(label) == 1, members, 1 - members), SMALLEST, 1)

    def nll(weights: Floats) -> tuple[float, Floats]:
        mixed = np.maximum(weights @ likely, SMALLEST)
        return float(-np.log(mixed).mean()), -(likely / mixed).mean(1)

    found = minimize(
        nll,
        equal,
        jac=True,
        method="SLSQP",
        bounds=[(0, 1)] * len(members),
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": np.ones_like},
        options={"ftol": 1e-12, "maxiter": 500},
    ).x
    weights = np.where(found > NEGLIGIBLE, found, 0)
    weights = np.asarray(weights / weights.sum())
    return weights if nll(weights)[0] <= nll(equal)[0] else equal


def weighted_mean(members: Floats, weights: Floats) -> Floats:
    """Return the weighted mean probability (N,), with weights (M,) of ``fit_weights``."""
    members = _checked(members)
    if np.shape(weights) != (len(members),):
        raise ValueError(f"{np.size(weights)} weights for {len(members)} members")
    return np.asarray(np.asarray(weights) @ members)


def _checked(members: Floats) -> Floats:
    members = np.asarray(members, np.float64)
    if members.ndim != 2 or not members.size:
        raise ValueError(f"members are not (M, N), with at least one patch: {members.shape}")
    if not ((members >= 0) & (members <= 1)).all():
        raise ValueError("members' probabilities are not from 0 to 1")
    return members


# Those that need no fitting; the weighted mean does.
RULES: dict[str, Callable[[Floats], Floats]] = {
    "majority_vote": lambda members: majority_vote(members).astype(np.float64),
    "mean_probability": mean_probability,
    "mean_logit": mean_logit,
    "rank_mean": rank_mean,
}
