"""Test-time augmentation at the end of a training: the final split, averaged over symmetries."""

from dataclasses import asdict, dataclass

from pcam.evaluation.inference import TTA, predict_source
from pcam.runs.trees import JsonObject
from pcam.stats.formatting import METRIC_NAMES, format_interval
from pcam.stats.intervals import Interval, bootstrap_metrics
from pcam.training.preparation import Training

SHOWN = ("auroc", "accuracy")


@dataclass(frozen=True)
class SymmetryScores:
    """Metrics of probabilities that are averaged over symmetries of each patch.

    Attributes:
        symmetries: flips or d4.
        split: that is scored.
        metrics: each with its interval.
    """

    symmetries: str
    split: str
    metrics: dict[str, Interval]

    def to_json(self) -> JsonObject:
        """Return what summary.json holds."""
        return asdict(self)

    def describe(self) -> str:
        """Return lines for the final table."""
        count = len(TTA[self.symmetries])
        lines = [f"averaged over {count} symmetries of each patch (trainer.tta={self.symmetries}):"]
        for name in SHOWN:
            value = format_interval(self.metrics[name], gap=3)
            lines.append(f"  {METRIC_NAMES[name]:<18} {value}")
        return "\n".join(lines)


def score_symmetries(training: Training) -> SymmetryScores | None:
    """Score the final split as ``trainer.tta`` asks, in one process.

    Args:
        training: whose model has the weights of the best checkpoint.

    Returns:
        None if ``trainer.tta`` is none.
    """
    config, data = training.config, training.data
    symmetries, split = config.trainer.tta, data.final_split
    if symmetries == "none":
        return None
    source = data.sources[split]
    logit = predict_source(
        training.model.eval().to(training.trainer.strategy.root_device),
        source,
        data.crops[split],
        data.batch_size,
        data.num_workers,
        symmetries,
        data.worker_timeout,
    )
    assert source.labels is not None
    metrics = bootstrap_metrics(logit, source.labels, source.groups, log_odds=True)
    return SymmetryScores(symmetries, split, metrics)
