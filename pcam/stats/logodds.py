"""Log-odds, which rank where probabilities cannot.

In float64 1/(1 + exp(-x)) is 1 from log-odds of 37 on, and so near to 1 from 20 on that different
scores become equal. So scores are kept, ranked and averaged as log-odds.
"""

import numpy as np
from scipy.special import log_expit, logsumexp

from pcam.stats.metrics import Floats


def log_odds(probability: Floats | float) -> Floats:
    """Return the log-odds of probabilities; -inf of 0 and inf of 1."""
    values = np.asarray(probability, np.float64)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(values) - np.log1p(-values))


def mean_probability(logits: Floats, weights: Floats | None = None) -> Floats:
    """Return the log-odds of mean probabilities, without computing the probabilities.

    Args:
        logits: (M, ...), log-odds.
        weights: (M,), of sum 1; None for equal weights.

    Returns:
        The log-odds (...) of the mean over the first axis.
    """
    logits = np.asarray(logits, np.float64)
    if weights is None:
        weights = np.full(len(logits), 1 / len(logits))
    factors = np.reshape(weights, (-1, *[1] * (logits.ndim - 1)))
    positive = logsumexp(log_expit(logits), axis=0, b=factors)
    negative = logsumexp(log_expit(-logits), axis=0, b=factors)
    return np.asarray(positive - negative)
