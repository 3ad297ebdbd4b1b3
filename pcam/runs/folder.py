"""The run folder, which all commands share: its files, how a run starts, how it is read again.

FOLDER/config.yaml                   the config
FOLDER/checkpoints/{best,last}.ckpt  best by valid AUROC, then loss; last to resume from;
                                     previous.ckpt is the one before the last
FOLDER/metrics.csv                   one row per epoch
FOLDER/summary.json                  final figures with intervals, and what they depend on
FOLDER/predictions/SPLIT.csv         id, label, probability, logit
FOLDER/figures/                      pictures

A folder may come from somebody else, so nothing in it is run: YAML is read by its safe loader,
names are looked up in the registries, checkpoints hold tensors and plain values.
"""

from __future__ import annotations

from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING

from pcam.errors import ConfigError, RunError, WriteError, format_override
from pcam.runs.access import ensure_inside
from pcam.runs.files import write_file
from pcam.runs.tables import is_there

if TYPE_CHECKING:
    from pcam.config.schema import TrainConfig

MONITOR = "valid/auroc"  # the column of metrics.csv that ranks checkpoints and jobs
MONITOR_LOSS = "valid/loss"  # the column that ranks those of equal AUROC (runs/ranking.py)
PATTERN = frozenset("*?[")  # characters of a pattern of names
MOST_MATCHES = 5  # in a message


def best_checkpoint(folder: Path) -> Path:
    """Return a run's best checkpoint; the last if none is best, as without a valid AUROC."""
    best = folder / "checkpoints" / "best.ckpt"
    return best if is_there(best) else last_checkpoint(folder)


def last_checkpoint(folder: Path) -> Path:
    """Return the path of a run's last checkpoint; it may not exist yet."""
    return folder / "checkpoints" / "last.ckpt"


def start_run(folder: Path, config: TrainConfig, *, restart: bool = False) -> None:
    """Write the config of a new run.

    Args:
        folder: the run's.
        config: the run's.
        restart: whether the folder may hold a run that has no checkpoint.

    Raises:
        RunError: the folder holds a run already.
        WriteError: it cannot be written.
    """
    if (folder / "config.yaml").exists() and not restart:
        if last_checkpoint(folder).exists():
            advice = f"resume it ({format_override('resume', folder)})"
        else:
            advice = "it has no checkpoint yet; if it is not running, restart it (resume=auto)"
        raise RunError(f"{folder} holds a run already; {advice} or set another hydra.run.dir")
    write_config(folder, config)
    (folder / "summary.json").unlink(missing_ok=True)


def write_config(folder: Path, config: TrainConfig) -> None:
    """Write a run's config. The summary of a resumed run stays until there is a new one.

    Raises:
        WriteError: the folder cannot be written.
    """
    import yaml

    text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)
    try:
        write_file(folder / "config.yaml", text)
    except WriteError as error:
        error.advice = "make room, or set another hydra.run.dir"
        raise


def ensure_not_run_dir(folder: Path) -> None:
    """Make sure that a command does not overwrite the results of a training.

    Raises:
        RunError: the folder holds a run.
    """
    if (folder / "config.yaml").exists():
        raise RunError(
            f"{folder} holds a run, whose summary and predictions would be overwritten; "
            "set another hydra.run.dir"
        )


def discard_run(folder: Path) -> None:
    """Remove the config of a run that has no results, so that the folder can be used again."""
    if not (last_checkpoint(folder).exists() or (folder / "metrics.csv").exists()):
        (folder / "config.yaml").unlink(missing_ok=True)


def _describe_missing(folder: Path) -> str:
    """Return why a folder has no run: it may be a pattern, of which a command takes several."""
    if folder.exists() or not PATTERN.intersection(str(folder)):
        return "config.yaml is missing"
    matches = sorted(glob(str(folder)))
    if not matches:
        return "this pattern matches nothing; name one folder"
    shown = ", ".join(matches[:MOST_MATCHES]) + ", …" * (len(matches) > MOST_MATCHES)
    return f"this pattern matches {len(matches)}; name one folder of: {shown}"


def read_config(folder: Path) -> TrainConfig:
    """Return a run's config, also of a run that an earlier version trained.

    Raises:
        AccessError: the config cannot be read now.
        RunError: the folder is not a run's, its config is damaged, or it uses a plugin that the
            user has not named.
    """
    from pcam.config.validation import read_train_config
    from pcam.runs.trees import read_yaml_file

    path = folder / "config.yaml"
    if not is_there(path):
        raise RunError(f"{folder} is not a run folder: {_describe_missing(folder)}")
    ensure_inside(path, folder)
    values = read_yaml_file(path)
    try:
        return read_train_config(values, str(path))
    except ConfigError as error:
        raise RunError(*error.faults) from error


def network_label(config: TrainConfig) -> str:
    """Return the name of a run's network for screens and figures.

    Examples: "resnet50"; "test_resnet in place of resnet50 (smoke)" if a smaller network
    replaces it at a smaller scale; "resnet50 (smoke)" if it is trained at that scale itself.
    """
    name, scale, at_scale = config.model.name, config.scale, config.model.at_scale
    if scale == "full":
        return name
    full_name = at_scale.get("full")
    replaced = full_name is not None and name != full_name
    if replaced and name == at_scale.get(scale):
        return f"{name} in place of {full_name} ({scale})"
    return f"{name} ({scale})"
