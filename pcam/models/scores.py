"""The scores of a split, each patch once, and torchmetrics' metrics over them."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from torch import Tensor
from torchmetrics import Metric, MetricCollection
from torchmetrics.utilities import dim_zero_cat

from pcam.config import registry
from pcam.errors import NotFiniteError
from pcam.models.metrics import MetricFunction

Indices = NDArray[np.int64]
Floats = NDArray[np.float64]

SHOWN_PATCHES = 5
LOSS = "loss"  # name of the mean loss among the metrics


@dataclass(frozen=True)
class Scores:
    """A network's scores of a split, each patch once, in the source's order.

    Attributes:
        index: int64 (N,).
        label: uint8 (N,).
        logit: float64 (N,), log-odds of the positive class.
        loss: float64 (N,).
    """

    index: NDArray[np.int64]
    label: NDArray[np.uint8]
    logit: NDArray[np.float64]
    loss: NDArray[np.float64]


class PatchMetric(Metric):  # type: ignore[misc] # torchmetrics has no types
    """A metric of every patch of a split, each counted once.

    Processes that share a split score as many patches each; where the count does not divide, some
    patches are scored twice. So the state keeps each patch's index, and after the processes' states
    are gathered each index counts once. The state is float64, as the figures of a run are.
    torchmetrics' own classification metrics convert scores to float32, in which distinct scores
    become ties.
    """

    full_state_update = False
    rows: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.add_state("rows", default=[], dist_reduce_fx="cat")

    @abstractmethod
    def value(self, scores: Scores) -> float:
        """Return the metric of some scores."""

    def update(self, index: Tensor, label: Tensor, logit: Tensor, loss: Tensor) -> None:
        """Add a batch.

        Args:
            index: int64 (B,), of the patches in their source.
            label: 0 or 1, (B,).
            logit: log-odds, float64 (B,).
            loss: float64 (B,).
        """
        columns = [index.double(), label.double(), logit.double(), loss.double()]
        self.rows.append(torch.stack(columns, dim=1))

    def scores(self) -> Scores:
        """Return the scores in the state, each patch once, sorted by index."""
        rows = dim_zero_cat(self.rows).cpu().numpy()
        columns = np.ascontiguousarray(rows.T)
        index, first = np.unique(columns[0].astype(np.int64), return_index=True)
        label, logit, loss = columns[1:, first]
        return Scores(index, label.astype(np.uint8), logit, loss)

    def gather(self) -> Scores:
        """Return the scores of all processes, each patch once, sorted by index."""
        with self.sync_context():
            return self.scores()

    def compute(self) -> Tensor:
        """Return the metric of all patches in the state, float64 ()."""
        return torch.tensor(self.value(self.scores()), dtype=torch.float64)


class MeanLoss(PatchMetric):
    """The mean loss over all patches of a split."""

    def value(self, scores: Scores) -> float:
        """Return the mean loss."""
        return float(scores.loss.mean())


class FunctionMetric(PatchMetric):
    """A registered metric.

    Args:
        function: scores and labels to a number.
        log_odds: whether the scores that it takes are log-odds, not probabilities.
    """

    def __init__(self, function: MetricFunction, log_odds: bool) -> None:
        super().__init__()
        self.function = function
        self.log_odds = log_odds

    def value(self, scores: Scores) -> float:
        """Return the function's number."""
        given = scores.logit if self.log_odds else expit(scores.logit)
        return self.function(given, scores.label)


def list_patches(ids: Sequence[str], indices: Indices) -> str:
    """Return "3 patches (a, b, c)" of a source.

    Args:
        ids: of all patches of the source.
        indices: of those to list; of many the first are named.
    """
    count = "1 patch" if len(indices) == 1 else f"{len(indices):,} patches"
    names = [ids[index] for index in indices[:SHOWN_PATCHES]]
    if len(indices) > SHOWN_PATCHES:
        names.append("…")
    return f"{count} ({', '.join(names)})"


def ensure_finite_scores(where: str, index: Indices, score: Floats, ids: Sequence[str]) -> None:
    """Make sure that a network's scores of a split are finite.

    Args:
        where: the split, for the message.
        index: of the patches in their source, (N,).
        score: log-odds or losses, (N,).
        ids: of all patches of the source.

    Raises:
        NotFiniteError: names the first patches whose scores are not.
    """
    wrong = index[~np.isfinite(score)]
    if len(wrong):
        raise NotFiniteError(
            f"{where}: the network's output is not finite for {list_patches(ids, wrong)} of "
            f"{len(index):,}"
        )


def build_metrics() -> MetricCollection:
    """Return the mean loss and every registered metric; they share one state."""
    metrics: dict[str, Metric | MetricCollection] = {LOSS: MeanLoss()}
    for name in registry.metrics.names():
        entry = registry.metrics.get(name)
        metrics[name] = FunctionMetric(entry.target, bool(entry.details.get("log_odds")))
    return MetricCollection(metrics, compute_groups=[list(metrics)])


def gather_scores(metrics: MetricCollection) -> Scores:
    """Return the scores of all processes, each patch once, in the source's order."""
    metric = next(iter(metrics.values(copy_state=False)))  # they share one state
    assert isinstance(metric, PatchMetric)
    return metric.gather()
