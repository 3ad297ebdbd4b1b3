"""Dashboards beside metrics.csv: started with a run, given its results, closed with it.

A registered logger is a function ``(settings, config, folder) -> Dashboard``: its own section, the
run's config and the run folder. It may also return a plain Lightning logger, which then gets the
metrics of every epoch and the final ones. It is used if ``logger.names`` has its name; its section
has those keys beside ``names`` that its config class has.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pcam.config import registry
from pcam.config.registry import register_logger
from pcam.config.schema import TrainConfig
from pcam.config.settings import NoSettings, read_section, settings_of_logger

if TYPE_CHECKING:
    from pcam.evaluation.evaluate import Evaluation
from pcam.errors import WriteError, describe_error
from pcam.training.dashboard import Dashboard, FinalResult, WandbConfig

log = logging.getLogger(__name__)


@register_logger("tensorboard", config=NoSettings)
def tensorboard(settings: NoSettings, config: TrainConfig, folder: Path) -> Dashboard:
    """Return TensorBoard's dashboard, which writes into the run folder."""
    from pcam.training.tensorboard_dashboard import start_tensorboard

    return start_tensorboard(config, folder)


@register_logger("wandb", config=WandbConfig)
def wandb(settings: WandbConfig, config: TrainConfig, folder: Path) -> Dashboard:
    """Return the dashboard of Weights & Biases."""
    from pcam.training.wandb_dashboard import start_wandb

    return start_wandb(settings, config, folder)


def start_loggers(config: TrainConfig, folder: Path) -> list[Dashboard]:
    """Start the dashboards that the config names; in one process of a training only.

    One that cannot write is left out, with a warning.

    Raises:
        ConfigError: the package of one is not installed.
    """
    dashboards = []
    for name in config.logger.names:
        entry = registry.loggers.get(name)
        section = entry.config or NoSettings
        settings = read_section(section, "logger", settings_of_logger(section, config.logger))
        try:
            dashboard = entry.target(settings, config, folder)
        except (OSError, WriteError) as error:
            reason = error if isinstance(error, WriteError) else describe_error(error)
            log.warning(f"logger={name} has failed, and the training goes on without it: {reason}")
            continue
        if not isinstance(dashboard, Dashboard):
            dashboard = Dashboard(dashboard)
        dashboard.guarded.log_hyperparams(config.model_dump(mode="json"))
        dashboards.append(dashboard)
    return dashboards


def log_results(
    dashboards: Sequence[Dashboard],
    curves: bytes,
    summary: Mapping[str, object],
    evaluation: "Evaluation",
) -> None:
    """Give dashboards the results of a run.

    Args:
        dashboards: that ``start_loggers`` returned.
        curves: the figure of the training, a PNG.
        summary: what summary.json holds.
        evaluation: of the best checkpoint on the final split.
    """
    if not dashboards:
        return
    from pcam.evaluation.plots import draw_overview

    figures = {"curves": curves}
    if evaluation.has_both_classes:
        figures["evaluation"] = draw_overview(evaluation)
    result = FinalResult(summary, evaluation, figures)
    for dashboard in dashboards:
        dashboard.guarded.call(dashboard.log_result, result)


def finish_loggers(dashboards: Sequence[Dashboard], status: int) -> None:
    """Close dashboards; any status but 0 marks a run that failed."""
    for dashboard in dashboards:
        try:
            dashboard.close(status)
        except Exception as error:  # each logger raises errors of its own
            if not dashboard.guarded.has_failed:
                dashboard.guarded.fail(describe_error(error))
