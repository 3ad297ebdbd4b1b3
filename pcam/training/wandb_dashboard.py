"""Weights & Biases: what a run logs there."""

from pathlib import Path

import numpy as np
import wandb
from lightning.pytorch.loggers import WandbLogger

from pcam.config.classes import describe_class
from pcam.config.schema import TrainConfig
from pcam.data.randomness import Purpose, draw
from pcam.evaluation.evaluate import Evaluation
from pcam.runs.files import nan_to_none
from pcam.runs.folder import best_checkpoint
from pcam.stats.curves import Curve, operating_curves
from pcam.training.dashboard import Dashboard, FinalResult, WandbConfig
from pcam.training.plots import decode_png
from pcam.training.wandb_run import start_run

CURVE_AXES = {
    "roc": ("1 - specificity", "sensitivity"),
    "precision_recall": ("recall", "precision"),
}
PREDICTION_COLUMNS = ["id", "slide", "patch", "label", "probability", "predicted", "correct"]


class WandbDashboard(Dashboard):
    """Logs figures, curves, patches with their predictions and the best checkpoint."""

    def __init__(
        self, run: wandb.Run, settings: WandbConfig, config: TrainConfig, folder: Path
    ) -> None:
        super().__init__(WandbLogger(experiment=run))
        self.run = run
        self.settings = settings
        self.config = config
        self.folder = folder

    def log_result(self, result: FinalResult) -> None:
        """Log everything that a run ends with.

        Args:
            result: figures, metrics and predictions of the final split.
        """
        final = result.evaluation
        content: dict[str, object] = {}
        for name, figure in result.figures.items():
            content[name] = wandb.Image(decode_png(figure))
        if final.has_both_classes:
            content |= _curve_plots(final)
        content["confusion"] = _confusion_plot(final)
        if self.settings.table:
            count, seed = self.settings.table, self.config.seed
            content["predictions"] = _predictions(final, count, seed)
        self.run.log(content)
        if self.settings.artifact:
            self._log_checkpoint(final.metrics["auroc"]["value"])
        self.run.summary.update(nan_to_none(dict(result.summary)))

    def _log_checkpoint(self, auroc: float) -> None:
        artifact = wandb.Artifact(f"model-{self.run.id}", "model", metadata={"auroc": auroc})
        artifact.add_file(str(best_checkpoint(self.folder)))
        artifact.add_file(str(self.folder / "config.yaml"))
        self.run.log_artifact(artifact)

    def close(self, status: int) -> None:
        """End the run; any status but 0 marks it as failed."""
        self.run.finish(exit_code=status)


def _curve_plots(final: Evaluation) -> dict[str, object]:
    """Return the ROC and the precision-recall curve."""
    curves = operating_curves(final.logit, final.label, final.source.groups)
    plots = {}
    for name, axes in CURVE_AXES.items():
        plots[name] = _line_plot(curves[name], axes, f"{name}, {final.split}")
    return plots


def _line_plot(curve: Curve, axes: tuple[str, str], title: str) -> object:
    points = np.stack([curve.x, curve.y], 1).tolist()
    table = wandb.Table(list(axes), points)
    return wandb.plot.line(table, axes[0], axes[1], title=title)


def _confusion_plot(final: Evaluation) -> object:
    predicted = final.predicted.astype(int)
    return wandb.plot.confusion_matrix(
        y_true=final.label.tolist(),
        preds=predicted.tolist(),
        class_names=[describe_class(final.classes, value) for value in (0, 1)],
        title=f"confusion, {final.split}",
    )


def _predictions(final: Evaluation, count: int, seed: int) -> wandb.Table:
    """Return a table of some patches, drawn by the seed, with their predictions."""
    source = final.source
    chosen = draw(seed, Purpose.DASHBOARD).permutation(len(source))[:count]
    patches = source.read(chosen)
    table = wandb.Table(PREDICTION_COLUMNS)
    for index, patch in zip(chosen.tolist(), patches, strict=True):
        predicted = int(final.predicted[index])
        table.add_data(
            source.ids[index],
            None if source.groups is None else source.groups[index],
            wandb.Image(patch),
            final.classes[final.label[index]],
            float(final.probability[index]),
            final.classes[predicted],
            bool(predicted == final.label[index]),
        )
    return table


def start_wandb(settings: WandbConfig, config: TrainConfig, folder: Path) -> WandbDashboard:
    """Start a run at Weights & Biases, or continue it, and return its dashboard.

    Args:
        settings: of the dashboard.
        config: of the run.
        folder: of the run.
    """
    return WandbDashboard(start_run(settings, config, folder), settings, config, folder)
