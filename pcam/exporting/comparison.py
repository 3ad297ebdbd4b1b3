"""How near the answers of an exported file are to those of the network it comes from."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from pcam.errors import DataError
from pcam.exporting.formats import BATCH, ExportedFile, Patches
from pcam.stats.logodds import log_odds
from pcam.stats.metrics import Floats

# Largest differences of the same arithmetic in another order.
CLOSE = 1e-5  # of probabilities
CLOSE_LOG_ODDS = 1e-4  # of log-odds, as a share of their magnitude where that is above 1
# Log-odds that a probability in float32 still tells apart: near 1 its steps are 6e-8, which are
# 2e-4 of the log-odds at 8. Farther out, log-odds count as these.
LOWEST, HIGHEST = -80.0, 8.0


@dataclass(frozen=True)
class Agreement:
    """A file compared with the network it comes from.

    Attributes:
        patches: how many both have scored.
        probability: largest difference of a patch's probability.
        log_odds: largest difference of a patch's log-odds, as a share of their magnitude where that
            is above 1.
    """

    patches: int
    probability: float
    log_odds: float

    def describe(self) -> str:
        """Return both differences as a phrase."""
        return (
            f"at most {self.probability:.1e} of the probability and {self.log_odds:.1e} of the "
            "log-odds"
        )


def compare_answers(file: ExportedFile, patches: Patches, logit: Floats) -> Agreement:
    """Compare a file's answers with those of the network.

    Probabilities alone say little about a network that is sure of every patch: 1e-6 and 1e-9 differ
    by less than any sensible bound, and rank patches differently.

    Args:
        file: that is about to be written.
        patches: uint8 (N, 3, H, W).
        logit: (N,), of the network, after calibration.
    """
    parts = [file.score(patches[start : start + BATCH]) for start in range(0, len(patches), BATCH)]
    probability = np.concatenate(parts).astype(np.float64)
    expected = np.clip(logit, LOWEST, HIGHEST)
    found = np.clip(log_odds(probability), LOWEST, HIGHEST)
    relative = np.abs(found - expected) / np.maximum(1, np.abs(expected))
    return Agreement(
        patches=len(patches),
        probability=float(np.abs(probability - expit(logit)).max()),
        log_odds=float(relative.max()),
    )


def refuse_other_answers(name: str, run: str, agreement: Agreement) -> None:
    """Make sure that a file gives the answers of the network it comes from.

    Args:
        name: of the file.
        run: whose network it is.
        agreement: of both.

    Raises:
        DataError: a difference is more than another order of the same arithmetic makes; also
            not-a-number.
    """
    if agreement.probability <= CLOSE and agreement.log_odds <= CLOSE_LOG_ODDS:
        return
    raise DataError(
        f"{name} gives other answers than {run}: they differ by {agreement.describe()}, "
        f"where {CLOSE:g} and {CLOSE_LOG_ODDS:g} are allowed"
    )
