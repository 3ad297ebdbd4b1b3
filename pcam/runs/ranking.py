"""Which epoch or run is the best by valid: the order of best.ckpt, of sweeps and of reports.

The higher AUROC is better; of equal AUROCs the lower loss, and of equal losses the later epoch. On
patches that are easy to separate, the AUROC is 1 after the first epoch, long before predictions at
a threshold are right.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple


class Rank(NamedTuple):
    """How good a result is; the larger of two ranks is the better one.

    Attributes:
        auroc: of valid; -inf if it is not defined.
        negative_loss: of valid; -inf if it is not known.
        epoch: from 0; -1 if it is not known.
    """

    auroc: float
    negative_loss: float
    epoch: int = -1

    @property
    def loss(self) -> float:
        """The loss; inf if it is not known."""
        return -self.negative_loss


def rank(auroc: float | None, loss: float | None, epoch: int = -1) -> Rank:
    """Return the rank of a result.

    Args:
        auroc: of valid; None or NaN if it is not defined.
        loss: of valid; None or NaN if it is not known.
        epoch: from 0; -1 if it is not known.
    """
    negative_loss = None if loss is None else -loss
    return Rank(_or_lowest(auroc), _or_lowest(negative_loss), epoch)


def rank_summary(summary: Mapping[str, Any]) -> Rank:
    """Return the rank of a finished run.

    The loss is the NLL, which means the same in runs that were trained with different losses.

    Args:
        summary: the content of its summary.json.
    """
    valid = summary["valid"]
    return rank(valid["auroc"]["value"], valid["nll"]["value"], int(summary.get("best_epoch", -1)))


def _or_lowest(value: float | None) -> float:
    return -math.inf if value is None or math.isnan(value) else float(value)
