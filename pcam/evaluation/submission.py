"""The scores of a submission: probabilities, or ranks where probabilities would be equal."""

import logging

import numpy as np
from scipy.special import expit
from scipy.stats import rankdata

from pcam.stats.metrics import Floats

log = logging.getLogger(__name__)


def submission_scores(logit: Floats, kind: str) -> Floats:
    """Return the score (N,) of each patch, from 0 to 1.

    A leaderboard's AUROC needs the order alone. Log-odds of more than about 20 round to so few
    probabilities that patches become equal, so their ranks are submitted in place of them.

    Args:
        logit: (N,), log-odds of the positive class.
        kind: what is submitted: probability, or class (from 0.5).
    """
    probability = expit(logit)
    if kind == "class" or len(np.unique(probability)) == len(np.unique(logit)):
        return np.asarray(probability)
    log.warning(
        "submission.csv has ranks, scaled to (0, 1), in place of probabilities: some of these "
        "round to equal numbers, which would lose the order of the patches"
    )
    return np.asarray((rankdata(logit) - 0.5) / len(logit))
