"""TensorBoard: events in the run folder."""

from pathlib import Path

from lightning.pytorch.loggers import TensorBoardLogger

from pcam.config.schema import TrainConfig
from pcam.errors import ConfigError
from pcam.training.dashboard import Dashboard, FinalResult
from pcam.training.plots import decode_png


class TensorBoardDashboard(Dashboard):
    """Logs metrics, figures, the precision-recall curve and the config to TensorBoard."""

    def __init__(self, logger: TensorBoardLogger, config: TrainConfig) -> None:
        super().__init__(logger)
        self.writer = logger.experiment
        self.config = config

    def log_result(self, result: FinalResult) -> None:
        """Log the final metrics, figures and the precision-recall curve."""
        super().log_result(result)
        final = result.evaluation
        for name, figure in result.figures.items():
            self.writer.add_image(name, decode_png(figure), dataformats="HWC")
        self.writer.add_pr_curve(final.split, final.label, final.probability)
        hyperparams = self.config.model_dump(mode="json")
        auroc = {f"{final.split}/auroc": final.metrics["auroc"]["value"]}
        self.logger.log_hyperparams(hyperparams, auroc)

    def close(self, status: int) -> None:
        """Write what is buffered."""
        self.writer.close()


def start_tensorboard(config: TrainConfig, folder: Path) -> TensorBoardDashboard:
    """Return TensorBoard's dashboard.

    Raises:
        ConfigError: its package is not installed.
    """
    try:
        logger = TensorBoardLogger(folder, name="", version="tensorboard", default_hp_metric=False)
        return TensorBoardDashboard(logger, config)
    except ModuleNotFoundError as error:
        raise ConfigError(
            "logger=tensorboard needs a package: pip install 'pcam[tensorboard]'"
        ) from error
