"""Rules that combine several classifiers: members' log-odds (M, N) to one score (N,).

Every rule returns log-odds, of whatever it gives in place of a probability, so that scores of all
rules can be ranked, and compared with 0, in the same way.
"""

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import rankdata

from pcam.stats import logodds
from pcam.stats.formulas import EPSILON
from pcam.stats.metrics import Floats, Labels

# Of a probability of 1, unless its member has larger log-odds.
CERTAIN = float(logodds.log_odds(1 - 1e-7))
NEGLIGIBLE_WEIGHT = 1e-6  # a weight up to this is set to 0


def majority_vote(members: Floats, threshold: float | Floats = 0.0) -> Labels:
    """Return the label that most members predict.

    A tie is decided by the mean probability, which is compared with the mean threshold.

    Args:
        members: (M, N), log-odds.
        threshold: Log-odds, of all members, or (M,), of each.

    Returns:
        (N,), 0 or 1. Used as scores, their AUROC is the vote's balanced accuracy: a ranking with
        one step.
    """
    members = _validate_members(members)
    thresholds = np.broadcast_to(np.asarray(threshold, np.float64), len(members))
    balance = 2 * (members >= thresholds[:, None]).sum(0) - len(members)
    mean_threshold = logodds.mean_probability(thresholds)
    tie_break = logodds.mean_probability(members) >= mean_threshold
    return np.asarray(np.where(balance == 0, tie_break, balance > 0), np.uint8)


def mean_probability(members: Floats) -> Floats:
    """Return the log-odds (N,) of the members' mean probability."""
    return logodds.mean_probability(_validate_members(members))


def mean_logit(members: Floats) -> Floats:
    """Return the members' mean log-odds (N,).

    A probability of 0 or 1 whose log-odds are not known counts as ``CERTAIN``, or as the largest
    log-odds of the same member, so that it does not outweigh all other members.
    """
    members = _validate_members(members)
    finite = np.where(np.isfinite(members), np.abs(members), 0)
    limit = np.maximum(finite.max(1, keepdims=True), CERTAIN)
    return np.asarray(np.clip(members, -limit, limit).mean(0))


def rank_mean(members: Floats) -> Floats:
    """Return the log-odds (N,) of the mean of each member's ranks, scaled to (0, 1).

    Ties share their rank. Only the order of each member's scores matters, so members need no common
    scale. The result is not a probability, and the value of a patch depends on the other patches.
    """
    members = _validate_members(members)
    count, patches = members.shape
    total = rankdata(members, axis=1).sum(0)  # exact: patches of equal total stay tied
    return logodds.log_odds((total - count / 2) / (count * patches))


def fit_weights(members: Floats, label: Labels) -> Floats:
    """Find the weights whose weighted mean probability has the smallest NLL.

    Probabilities are averaged, not logits. So the mean is a mixture: its NLL is convex in the
    weights, and no over-confident member can spoil it.

    Args:
        members: (M, N), log-odds on the split to fit on (never the one to evaluate on).
        label: (N,), 0 or 1.

    Returns:
        (M,), not negative, of sum 1; equal weights with one class only.

    Raises:
        ValueError: no patches, different lengths, or log-odds that are NaN.
    """
    members = _validate_members(members)
    if members.shape[1] != len(label):
        raise ValueError("members and labels have different lengths")
    equal = np.full(len(members), 1 / len(members))
    if len(members) == 1 or len(np.unique(label)) < 2:
        return equal
    likelihood = expit(np.where(np.asarray(label) == 1, members, -members))
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
    """Return the log-odds (N,) of the weighted mean probability.

    Args:
        members: (M, N), log-odds.
        weights: (M,), of ``fit_weights``.
    """
    members = _validate_members(members)
    if np.shape(weights) != (len(members),):
        raise ValueError(f"{np.size(weights)} weights for {len(members)} members")
    return logodds.mean_probability(members, np.asarray(weights))


def _validate_members(members: Floats) -> Floats:
    """Return members as float64 (M, N).

    Args:
        members: Log-odds, as anything that makes an array; infinite ones are allowed.

    Raises:
        ValueError: They have another shape, no patches, or values that are NaN.
    """
    members = np.asarray(members, np.float64)
    if members.ndim != 2 or not members.size:
        raise ValueError(f"members are not (M, N), with at least one patch: {members.shape}")
    if np.isnan(members).any():
        raise ValueError("members' log-odds are not numbers")
    return members


def _vote_as_score(members: Floats) -> Floats:
    """Return the log-odds of a vote's labels: -inf or inf."""
    return np.where(majority_vote(members) == 1, np.inf, -np.inf)


# The rules that need no fitting; the weighted mean does.
RULES: dict[str, Callable[[Floats], Floats]] = {
    "majority_vote": _vote_as_score,
    "mean_probability": mean_probability,
    "mean_logit": mean_logit,
    "rank_mean": rank_mean,
}
