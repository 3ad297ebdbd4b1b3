"""Weights & Biases: online if its server can be reached, else in the run folder for later."""

import logging
import os
import re
import secrets
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypedDict
from urllib.parse import urlsplit

import numpy as np
import wandb
from lightning.pytorch.loggers import WandbLogger

from pcam.config.schema import TrainConfig
from pcam.data.randomness import Purpose, draw
from pcam.errors import describe_error
from pcam.evaluation.evaluate import Evaluation
from pcam.runs.files import nan_to_none, write_file
from pcam.runs.folder import best_checkpoint
from pcam.stats.curves import Curve, operating_curves
from pcam.training.loggers import Dashboard, FinalResult, WandbConfig
from pcam.training.names import run_group, run_name
from pcam.training.plots import decode_png

log = logging.getLogger(__name__)

CONNECT_SECONDS = 3  # in which the server must answer
START_SECONDS = 20  # in which it must start the run
ID = re.compile(r"[0-9a-z]{8}")
CLASSES = ["negative", "positive"]
THRESHOLD = 0.5
CURVE_AXES = {
    "roc": ("1 - specificity", "sensitivity"),
    "precision_recall": ("recall", "precision"),
}
PREDICTION_COLUMNS = ["id", "slide", "patch", "label", "probability", "predicted", "correct"]

Mode = Literal["online", "offline", "shared", "disabled"]


class RunArguments(TypedDict):
    """The arguments of ``wandb.init``."""

    project: str
    entity: str | None
    group: str | None
    tags: list[str]
    name: str
    dir: Path
    id: str
    resume: Literal["allow"]
    job_type: str
    reinit: Literal["finish_previous"]


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
    curves = operating_curves(final.probability, final.label, final.source.groups)
    plots = {}
    for name, axes in CURVE_AXES.items():
        plots[name] = _line_plot(curves[name], axes, f"{name}, {final.split}")
    return plots


def _line_plot(curve: Curve, axes: tuple[str, str], title: str) -> object:
    points = np.stack([curve.x, curve.y], 1).tolist()
    table = wandb.Table(list(axes), points)
    return wandb.plot.line(table, axes[0], axes[1], title=title)


def _confusion_plot(final: Evaluation) -> object:
    predicted = (final.probability >= THRESHOLD).astype(int)
    return wandb.plot.confusion_matrix(
        y_true=final.label.tolist(),
        preds=predicted.tolist(),
        class_names=CLASSES,
        title=f"confusion, {final.split}",
    )


def _predictions(final: Evaluation, count: int, seed: int) -> wandb.Table:
    """Return a table of some patches, drawn by the seed, with their predictions."""
    source = final.source
    chosen = draw(seed, Purpose.DASHBOARD).permutation(len(source))[:count]
    patches = source.read(chosen)
    table = wandb.Table(PREDICTION_COLUMNS)
    for index, patch in zip(chosen.tolist(), patches, strict=True):
        predicted = int(final.probability[index] >= THRESHOLD)
        table.add_data(
            source.ids[index],
            None if source.groups is None else source.groups[index],
            wandb.Image(patch),
            CLASSES[final.label[index]],
            float(final.probability[index]),
            CLASSES[predicted],
            bool(predicted == final.label[index]),
        )
    return table


def start_wandb(settings: WandbConfig, config: TrainConfig, folder: Path) -> WandbDashboard:
    """Start a run, or continue it; offline if the server cannot be reached.

    Args:
        settings: of the dashboard.
        config: the run's.
        folder: the run's.
    """
    arguments = _run_arguments(settings, config, folder)
    mode, reason = _choose_mode()
    run = None
    if mode == "online":
        run, reason = _try_online(arguments)
    if run is None:
        offline: Mode = "offline" if mode == "online" else mode
        run = wandb.init(**arguments, mode=offline, settings=wandb.Settings(silent=True))
        if offline == "offline":
            log.info(_describe_offline(run, reason))
    return WandbDashboard(run, settings, config, folder)


def _run_arguments(settings: WandbConfig, config: TrainConfig, folder: Path) -> RunArguments:
    tags = list(settings.tags)
    if config.scale != "full":
        tags.append(config.scale)
    return {
        "project": settings.project,
        "entity": settings.entity,
        "group": settings.group or run_group(folder),
        "tags": tags,
        "name": run_name(config, folder),
        "dir": folder,
        "id": _run_id(folder),
        "resume": "allow",
        "job_type": "train",
        "reinit": "finish_previous",
    }


def _try_online(arguments: RunArguments) -> tuple[wandb.Run | None, str]:
    """Start a run at the server.

    Args:
        arguments: of ``wandb.init``.

    Returns:
        The run and "", or None and why the server has not started it.
    """
    folder = arguments["dir"] / "wandb"
    before = set(folder.glob("run-*"))
    limits = wandb.Settings(init_timeout=START_SECONDS)
    try:
        return wandb.init(**arguments, mode="online", settings=limits), ""
    except wandb.Error as error:  # a wrong key, a proxy's page, a server that stops answering
        wandb.teardown()
        for empty in set(folder.glob("run-*")) - before:
            shutil.rmtree(empty, ignore_errors=True)
        return None, describe_error(error)


def _describe_offline(run: wandb.Run, reason: str) -> str:
    folder = shlex.quote(str(Path(run.dir).parent))
    why = f" ({reason})" if reason else ""
    return f"W&B: offline{why}. Upload later with: wandb sync {folder}"


def _run_id(folder: Path) -> str:
    """Return the run's id at W&B: the same when it is resumed.

    Args:
        folder: the run's, which keeps the id.
    """
    path = folder / "wandb" / "id.txt"
    if path.is_file():
        known = path.read_text().strip()
        if ID.fullmatch(known):
            return known
    new = secrets.token_hex(4)
    write_file(path, new)
    return new


def _choose_mode(environment: Mapping[str, str] = os.environ) -> tuple[Mode, str]:
    """Return W&B's mode, and why it is not online.

    An unreachable server would delay the training for minutes.

    Args:
        environment: the variables of the process.
    """
    asked = environment.get("WANDB_MODE", "online")
    if asked != "online":
        return asked, ""  # type: ignore[return-value] # wandb checks it
    host, port = _server(environment)
    has_key = bool(environment.get("WANDB_API_KEY"))
    if not has_key and not _is_in_netrc(host):
        return "offline", "no key: wandb login, or WANDB_API_KEY"
    failure = _connection_failure(host, port)
    if failure:
        return "offline", failure
    return "online", ""


def _server(environment: Mapping[str, str]) -> tuple[str, int]:
    """Return the host and the port of W&B's server.

    Args:
        environment: the variables of the process.
    """
    base = environment.get("WANDB_BASE_URL")
    if not base:
        base = wandb.setup().settings.base_url
    address = urlsplit(base)
    host = address.hostname or ""
    if address.port:
        return host, address.port
    return host, 443 if address.scheme == "https" else 80


def _is_in_netrc(host: str) -> bool:
    import netrc

    try:
        return netrc.netrc().authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False


def _connection_failure(host: str, port: int) -> str:
    """Return why a host cannot be reached; empty if it can."""
    import socket

    try:
        socket.create_connection((host, port), CONNECT_SECONDS).close()
    except OSError as error:
        return f"{host} cannot be reached: {error}"
    return ""
