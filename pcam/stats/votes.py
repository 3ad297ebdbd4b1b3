"""Rules that combine several classifiers: members' probabilities (M, N) to one score (N,)."""

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import rankdata

from pcam.stats.calibration import logit
from pcam.stats.metrics import EPSILON, Floats, Labels

CLIP = 1e-7  # about single precision's step below 1: no member's 0 or 1 outweighs all others
NEGLIGIBLE_WEIGHT = 1e-6  # a weight up to this is set to 0


def majority_vote(members: Floats, threshold: float | Floats = 0.5) -> Labels:
    """Return the label that most members predict.

    A tie is decided by the mean distance of probability and threshold.

    Args:
        members: (M, N), probabilities.
        threshold: Of all members, or (M,), of each.

    Returns:
        (N,), 0 or 1. Used as scores, their AUROC is the vote's balanced accuracy: a ranking with
        one step.
    """
    members = _validate_members(members)
    thresholds = np.broadcast_to(np.asarray(threshold, np.float64), len(members))[:, None]
    balance = 2 * (members >= thresholds).sum(0) - len(members)
    tie_break = (members - thresholds).mean(0) >= 0
    return np.asarray(np.where(balance == 0, tie_break, balance > 0), np.uint8)


def mean_probability(members: Floats) -> Floats:
    """Return the members' mean probability (N,)."""
    return np.asarray(_validate_members(members).mean(0))


def mean_logit(members: Floats) -> Floats:
    """Return the probability (N,) of the members' mean logit.

    Probabilities are clipped to ``CLIP`` from 0 and 1.
    """
    return np.asarray(expit(logit(_validate_members(members), CLIP).mean(0)))


def rank_mean(members: Floats) -> Floats:
    """Return the mean (N,) of each member's ranks, scaled to (0, 1); ties share their rank.

    Only the order of each member's scores matters, so members need no common scale. The result is
    not a probability, and the value of a patch depends on the other patches.
    """
    members = _validate_members(members)
    scaled = (rankdata(members, axis=1) - 0.5) / members.shape[1]
    return np.asarray(scaled.mean(0))


def fit_weights(members: Floats, label: Labels) -> Floats:
    """Find the weights whose weighted mean probability has the smallest NLL.

    Probabilities are averaged, not logits. So the mean is a mixture: its NLL is convex in the
    weights, and no over-confident member can spoil it.

    Args:
        members: (M, N), probabilities on the split to fit on (never the one to evaluate on).
        label: (N,), 0 or 1.

    Returns:
        (M,), not negative, of sum 1; equal weights with one class only.

    Raises:
        ValueError: no patches, different lengths, or probabilities outside [0, 1].
    """
    members = _validate_members(members)
    if members.shape[1] != len(label):
        raise ValueError("members and labels have different lengths")
    equal = np.full(len(members), 1 / len(members))
    if len(members) == 1 or len(np.unique(label)) < 2:
        return equal
    likelihood = np.where(np.asarray(label) == 1, members, 1 - members)
    likelihood = np.clip(likelihood, EPSILON, 1)

    def nll(weights: Floats) -> tuple[float, Floats]:
        mixture = np.maximum(weights @ likelihood, EPSILON)
        return float(-np.log(mixture).mean()), -(likelihood / mixture).mean(1)

    found = minimize(
        nll,
        equal,
        jac=True,
        method="SLSQP",
        bounds=[(0, 1)] * len(members),
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": np.ones_like},
        options={"ftol": 1e-12, "maxiter": 500},
    ).x
    weights = np.where(found > NEGLIGIBLE_WEIGHT, found, 0)
    weights = np.asarray(weights / weights.sum())
    return weights if nll(weights)[0] <= nll(equal)[0] else equal


def weighted_mean(members: Floats, weights: Floats) -> Floats:
    """Return the weighted mean probability (N,).

    Args:
        members: (M, N), probabilities.
        weights: (M,), of ``fit_weights``.
    """
    members = _validate_members(members)
    if np.shape(weights) != (len(members),):
        raise ValueError(f"{np.size(weights)} weights for {len(members)} members")
    return np.asarray(np.asarray(weights) @ members)


def _validate_members(members: Floats) -> Floats:
    """Return members as float64 (M, N).

    Args:
        members: Probabilities, as anything that makes an array.

    Raises:
        ValueError: They have another shape, no patches, or values outside [0, 1].
    """
    members = np.asarray(members, np.float64)
    if members.ndim != 2 or not members.size:
        raise ValueError(f"members are not (M, N), with at least one patch: {members.shape}")
    inside = (members >= 0) & (members <= 1)
    if not inside.all():
        raise ValueError("members' probabilities are not from 0 to 1")
    return members


def _vote_as_score(members: Floats) -> Floats:
    return majority_vote(members).astype(np.float64)


# The rules that need no fitting; the weighted mean does.
RULES: dict[str, Callable[[Floats], Floats]] = {
    "majority_vote": _vote_as_score,
    "mean_probability": mean_probability,
    "mean_logit": mean_logit,
    "rank_mean": rank_mean,
}
