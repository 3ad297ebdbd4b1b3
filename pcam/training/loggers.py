"""Dashboards beside metrics.csv, Weights & Biases and TensorBoard: begun with a run, given its last figures, ended with it."""

import io
import os
import re
import secrets
import shlex
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from lightning.pytorch.loggers import Logger, TensorBoardLogger, WandbLogger

from pcam.config.tables import build, look_up
from pcam.data.base import PatchSource, describe_source
from pcam.data.randomness import Purpose, draw
from pcam.errors import ConfigError, describe_error
from pcam.evaluation import plots
from pcam.models.classifier import Scores
from pcam.runs.files import nan_to_none, write_file
from pcam.runs.folder import Config, best_checkpoint, network_label
from pcam.stats.curves import Curve, operating_curves, reliability
from pcam.sweeps.grouping import format_value, varied_values
from pcam.sweeps.jobs import Job
from pcam.sweeps.state import find_sweep, read_sweep

REACHED = 3  # seconds in which W&B's server must answer, else the run is kept for later
BEGUN = 20  # seconds in which it must have begun the run
ID = re.compile(r"[0-9a-z]{8}")
CLASSES = ["negative", "positive"]


def start_loggers(config: Config, folder: Path) -> list[Logger]:
    """Return the loggers beside metrics.csv; one process of a training alone may ask for them.

    Raises:
        ConfigError: one is not known, or its package is not there.
    """
    settings = {key: value for key, value in config["logger"].items() if key != "names"}
    loggers: list[Logger] = []
    for name in config["logger"]["names"]:
        make = look_up(LOGGERS, name, "logger.names")
        loggers.append(
            build(make, settings if name == "wandb" else {}, "logger", folder=folder, config=config)
        )
    for logger in loggers:
        logger.log_hyperparams(config)
    return loggers


def _tensorboard(folder: Path, config: Config) -> Logger:
    try:
        return TensorBoardLogger(folder, name="", version="tensorboard", default_hp_metric=False)
    except ModuleNotFoundError as error:
        raise ConfigError(
            "logger=tensorboard needs a package: pip install 'pcam[tensorboard]'"
        ) from error


def _wandb(
    folder: Path, config: Config, project: str, entity: str | None, group: str | None, tags: list[str], artifact: bool,
    table: int,
) -> Logger:  # fmt: skip
    import wandb

    if table < 0:
        raise ConfigError(f"logger.table={table}; it is a count from 0")
    name, of = run_name_and_group(folder, config)
    scale = [] if config["scale"] == "full" else [config["scale"]]
    asked: dict[str, Any] = {
        "project": project, "entity": entity, "group": group or of, "tags": [*tags, *scale], "name": name, "dir": folder,
        "id": _id(folder), "resume": "allow", "job_type": "train", "reinit": "finish_previous",
    }  # fmt: skip
    mode, why = _mode()
    run = None
    if mode == "online":
        before = set((folder / "wandb").glob("run-*"))
        try:
            run = wandb.init(**asked, mode="online", settings=wandb.Settings(init_timeout=BEGUN))
        except (
            wandb.Error
        ) as error:  # a wrong key, a proxy's page, a server that does not answer to the end
            mode, why = "offline", describe_error(error)
            wandb.teardown()
            for empty in set((folder / "wandb").glob("run-*")) - before:
                shutil.rmtree(empty, ignore_errors=True)
    if run is None:
        run = wandb.init(**asked, mode=mode, settings=wandb.Settings(silent=True))
    if mode == "offline":
        kept = shlex.quote(str(Path(run.dir).parent))
        print(
            f"W&B: offline{f' ({why})' if why else ''}; to send it later: wandb sync {kept}",
            flush=True,
        )
    return WandbLogger(experiment=run)


LOGGERS: Mapping[str, Callable[..., Logger]] = {"wandb": _wandb, "tensorboard": _tensorboard}


def run_name_and_group(folder: Path, config: Config) -> tuple[str, str | None]:
    """Return the name of a run on a dashboard and its group's: in a sweep, what varies there, and which sweep it is."""
    sweep = find_sweep(folder)
    if sweep is None:
        return f"{network_label(config)} {folder.name}", None
    told = read_sweep(sweep)
    number = folder.absolute().relative_to(sweep).parts[0]
    jobs = told["jobs"] or []
    mine: Sequence[str] = jobs[int(number)] if number.isdigit() and int(number) < len(jobs) else ()
    varied = [word for word in mine if any(word not in job for job in jobs)]
    if not jobs:
        trial = Job(folder, "", "", sweep=told, config=config)
        varied = [
            f"trial {number}:",
            *(f"{key}={format_value(value)}" for key, value in varied_values(trial).items()),
        ]
    experiment = [
        word.partition("=")[2] for word in told["words"] if word.startswith("experiment=")
    ]
    where = (
        sweep.parts[sweep.parts.index("multirun") + 1 :]
        if "multirun" in sweep.parts
        else (sweep.name,)
    )
    return " ".join(varied) or f"job {number}", " ".join([*experiment, "/".join(where)])


def _id(folder: Path) -> str:
    """Return the run's id at W&B: the same when it goes on."""
    path = folder / "wandb" / "id.txt"
    if path.is_file() and ID.fullmatch(path.read_text().strip()):
        return path.read_text().strip()
    new = secrets.token_hex(4)
    write_file(path, new)
    return new


def _mode() -> tuple[Any, str]:
    """Return W&B's mode and why it is not online: a server that cannot be reached would hold up the training for minutes."""
    import netrc
    import socket

    asked = os.environ.get("WANDB_MODE", "online")
    if asked != "online":
        return asked, ""
    import wandb

    address = urlsplit(os.environ.get("WANDB_BASE_URL") or wandb.setup().settings.base_url)
    host = address.hostname or ""
    try:
        known = netrc.netrc().authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        known = False
    if not (known or os.environ.get("WANDB_API_KEY")):
        return "offline", "no key: wandb login, or WANDB_API_KEY"
    try:
        with socket.create_connection(
            (host, address.port or (443 if address.scheme == "https" else 80)), REACHED
        ):
            return "online", ""
    except OSError as error:
        return "offline", f"{host} cannot be reached: {error}"


def log_results(
    loggers: Sequence[Logger], config: Config, folder: Path, summary: Mapping[str, Any], split: str, source: PatchSource,
    scores: Scores,
) -> None:  # fmt: skip
    """Give dashboards what a run ends with: its figures, its curves, and patches with what was said of them.

    Args:
        loggers: of ``begin``.
        config: the run's.
        folder: the run's.
        summary: what summary.json holds.
        split: which the last figures are of.
        source: of that split.
        scores: of that split, in the source's order.
    """
    if not loggers:
        return
    figures = summary[split]
    pictures = {"curves": (folder / "figures" / "curves.png").read_bytes()}
    lines: dict[str, Curve] = {}
    if 0 < scores.label.sum() < len(scores.label):
        lines = operating_curves(scores.probability, scores.label, source.groups)
        bins = reliability(scores.probability, scores.label, source.groups)
        title = f"{network_label(config)} on {config['data']['name']}, {split}: {describe_source(source)}"
        pictures["evaluation"] = plots.overview(
            title, scores.probability, scores.label, 0.5, figures, lines, bins
        )
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            _tell_wandb(
                logger.experiment,
                config["logger"],
                folder,
                summary,
                split,
                source,
                scores,
                lines,
                pictures,
            )
        elif isinstance(logger, TensorBoardLogger):
            logger.log_metrics(
                {f"{split}/{name}": figure["value"] for name, figure in figures.items()}
            )
            board = logger.experiment
            for name, picture in pictures.items():
                board.add_image(name, _pixels(picture), dataformats="HWC")
            board.add_pr_curve(split, scores.label, scores.probability)
            logger.log_hyperparams(config, {f"{split}/auroc": figures["auroc"]["value"]})


def _tell_wandb(
    run: Any, settings: Mapping[str, Any], folder: Path, summary: Mapping[str, Any], split: str, source: PatchSource, scores: Scores,
    lines: Mapping[str, Curve], pictures: Mapping[str, bytes],
) -> None:  # fmt: skip
    import wandb

    told: dict[str, Any] = {
        name: wandb.Image(_pixels(picture)) for name, picture in pictures.items()
    }
    for name, (across, up) in {
        "roc": ("1 - specificity", "sensitivity"),
        "precision_recall": ("recall", "precision"),
    }.items():
        if name in lines:
            points = np.stack([lines[name].x, lines[name].y], 1).tolist()
            told[name] = wandb.plot.line(
                wandb.Table([across, up], points), across, up, title=f"{name}, {split}"
            )
    run_name_and_group = (scores.probability >= 0.5).astype(int)
    told["confusion"] = wandb.plot.confusion_matrix(
        y_true=scores.label.tolist(),
        preds=run_name_and_group.tolist(),
        class_names=CLASSES,
        title=f"confusion, {split}",
    )
    if settings["table"]:
        some = draw(summary["seed"], Purpose.DASHBOARD).permutation(len(source))[
            : settings["table"]
        ]
        columns = ["id", "slide", "patch", "label", "probability", "called", "right"]
        slides: Sequence[str | None] = source.groups or [None] * len(source)
        rows = [
            [
                source.ids[i], slides[i], wandb.Image(patch), CLASSES[scores.label[i]], float(scores.probability[i]),
                CLASSES[run_name_and_group[i]], bool(run_name_and_group[i] == scores.label[i]),
            ]
            for i, patch in zip(some.tolist(), source.read(some), strict=True)
        ]  # fmt: skip
        told["predictions"] = wandb.Table(columns, rows)
    run.log(told)
    if settings["artifact"]:
        model = wandb.Artifact(
            f"model-{run.id}", "model", metadata={"auroc": summary[split]["auroc"]["value"]}
        )
        model.add_file(str(best_checkpoint(folder)))
        model.add_file(str(folder / "config.yaml"))
        run.log_artifact(model)
    run.summary.update(nan_to_none(summary))


def finish_loggers(loggers: Sequence[Logger], status: int) -> None:
    """Close the dashboards; W&B shows a run that ended with any other status than 0 as failed."""
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            logger.experiment.finish(exit_code=status)
        elif isinstance(logger, TensorBoardLogger):
            logger.experiment.close()  # what it writes aside may not be in the file yet


def _pixels(picture: bytes) -> Any:
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))
