"""Dashboards beside metrics.csv: started with a run, given its results, closed with it.

A registered logger is a function ``(section, context) -> Dashboard``, or one that returns a plain
Lightning logger, which then gets the metrics of every epoch and the final ones. It is used if
``logger.names`` has its name; its section has the keys beside ``names`` that its config class has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pcam.config import registry
from pcam.config.base import NonNegativeInt, Section
from pcam.config.registry import register_logger
from pcam.errors import ConfigError
from pcam.training.context import RunContext

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger

    from pcam.stats.curves import Curve
    from pcam.training.results import SplitResult


class NoSettings(Section):
    """The section of a logger without settings."""


class WandbConfig(Section):
    """Weights & Biases.

    Attributes:
        project: that the run belongs to.
        entity: a team; None for the user.
        group: of runs; None for the sweep, in a sweep.
        tags: of the run.
        artifact: whether to upload the best checkpoint.
        table: how many patches of the final split to show with their predictions.
    """

    project: str
    entity: str | None
    group: str | None
    tags: list[str]
    artifact: bool
    table: NonNegativeInt


@dataclass(frozen=True)
class FinalResult:
    """What a dashboard gets at a training's end.

    Attributes:
        summary: what summary.json holds.
        final: the scores and metrics of the final split.
        figures: name to PNG.
        curves: ROC and precision-recall with their bands; empty if a class is missing.
    """

    summary: Mapping[str, object]
    final: "SplitResult"
    figures: dict[str, bytes]
    curves: "dict[str, Curve]"


class Dashboard:
    """A Lightning logger that also gets a run's results.

    Args:
        logger: Lightning's.
    """

    def __init__(self, logger: "Logger") -> None:
        self.logger = logger

    def log_result(self, result: FinalResult) -> None:
        """Log the final metrics."""
        split = result.final.split
        metrics = result.final.metrics
        self.logger.log_metrics({f"{split}/{name}": metrics[name]["value"] for name in metrics})

    def close(self, status: int) -> None:
        """Close the dashboard.

        Args:
            status: 0 if the run finished.
        """
        self.logger.finalize("success" if status == 0 else "failed")


@register_logger("tensorboard", config=NoSettings)
def tensorboard(config: NoSettings, context: RunContext) -> Dashboard:
    """Return TensorBoard's dashboard, which writes into the run folder."""
    from pcam.training.tensorboard_dashboard import start_tensorboard

    return start_tensorboard(context)


@register_logger("wandb", config=WandbConfig)
def wandb(config: WandbConfig, context: RunContext) -> Dashboard:
    """Return the dashboard of Weights & Biases."""
    from pcam.training.wandb_dashboard import start_wandb

    return start_wandb(config, context)


def start_loggers(context: RunContext) -> list[Dashboard]:
    """Start the dashboards that the config names; in one process of a training only.

    Raises:
        ConfigError: the package of one is not installed.
    """
    dashboards = []
    for name in context.config.logger.names:
        entry = registry.loggers.get(name)
        section = _section(entry.config or NoSettings, context)
        dashboard = entry.target(section, context)
        if not isinstance(dashboard, Dashboard):
            dashboard = Dashboard(dashboard)
        dashboard.logger.log_hyperparams(context.config.model_dump(mode="json"))
        dashboards.append(dashboard)
    return dashboards


def _section(section: type[Section], context: RunContext) -> Section:
    """Return a logger's section: those of the config's keys that it has."""
    settings = context.config.logger.settings()
    known = {key: value for key, value in settings.items() if key in section.model_fields}
    missing = [key for key in section.model_fields if key not in known]
    required = [key for key in missing if section.model_fields[key].is_required()]
    if required:
        listed = ", ".join(f"logger.{key}" for key in required)
        raise ConfigError(f"missing key {listed}")
    return section.model_validate(known)


def log_results(
    dashboards: Sequence[Dashboard],
    context: RunContext,
    summary: Mapping[str, object],
    final: "SplitResult",
) -> None:
    """Give dashboards the results of a run.

    Args:
        dashboards: that ``start_loggers`` returned.
        context: the run.
        summary: what summary.json holds.
        final: the result of the final split.
    """
    if not dashboards:
        return
    result = _final_result(context, summary, final)
    for dashboard in dashboards:
        dashboard.log_result(result)


def _final_result(
    context: RunContext, summary: Mapping[str, object], final: "SplitResult"
) -> FinalResult:
    from pcam.data.base import describe_source
    from pcam.evaluation.plots import overview
    from pcam.runs.folder import network_label
    from pcam.stats.curves import operating_curves, reliability
    from pcam.training.results import curves_path

    figures = {"curves": curves_path(context.folder).read_bytes()}
    probability, label = final.scores.probability, final.scores.label
    if not 0 < label.sum() < len(label):
        return FinalResult(summary, final, figures, {})
    groups = final.source.groups
    curves = operating_curves(probability, label, groups)
    bins = reliability(probability, label, groups)
    network, data = network_label(context.config), context.config.data.name
    title = f"{network} on {data}, {final.split}: {describe_source(final.source)}"
    figures["evaluation"] = overview(title, probability, label, 0.5, final.metrics, curves, bins)
    return FinalResult(summary, final, figures, curves)


def finish_loggers(dashboards: Sequence[Dashboard], status: int) -> None:
    """Close dashboards; any status but 0 marks a run that failed."""
    for dashboard in dashboards:
        dashboard.close(status)
