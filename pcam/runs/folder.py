"""The run folder: what all doors share. Writing one, and opening one again.

FOLDER/config.yaml                  the composed config, plain values and names
FOLDER/checkpoints/{best,last}.ckpt best by valid AUROC; last, to go on from
FOLDER/metrics.csv                  a row per epoch
FOLDER/summary.json                 final figures with intervals, and what they rest on
FOLDER/predictions/SPLIT.csv        id, label, probability
FOLDER/figures/                     pictures

A folder may come from somebody else, so nothing in it is run: YAML is read by its safe loader, names are resolved by the
code's own tables, checkpoints hold tensors and plain values.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pcam.errors import RunError, format_override
from pcam.runs.files import write_file

Config = dict[str, Any]
SUMMARY_KEYS = (
    "valid",
    "weights",
    "epochs",
    "versions",
    "data",
    "device",
    "precision",
    "commit",
)  # of a summary, to be read as one
SUMMARY_METRICS = ("auroc", "accuracy", "nll", "precision", "sensitivity")  # of each split in it
MONITOR = "valid/auroc"  # the column of metrics.csv that checkpoints and jobs are judged by
# keys that are paths, kept absolute
PATHS = (("data", "root"), ("data", "converted"), ("data", "slide_csv"), ("splits", "file"))


def validate_summary(summary: Mapping[str, Any]) -> str:
    """Return what keeps a summary from being read as a run's; nothing where all is well."""
    lacking = [key for key in SUMMARY_KEYS if key not in summary]
    if lacking:
        return f"summary.json lacks {', '.join(lacking)}"
    for split in ("valid", "test") if "test" in summary else ("valid",):
        known = summary[split] if isinstance(summary[split], dict) else {}
        for name, figure in known.items():
            numbers = (
                [figure.get(key) for key in ("value", "low", "high")]
                if isinstance(figure, dict)
                else [""]
            )
            if (
                not all(isinstance(number, int | float | None) for number in numbers)
                or "value" not in figure
            ):
                return f"summary.json: {split}.{name} is no figure"
        if lacking := [f"{split}.{name}" for name in SUMMARY_METRICS if name not in known]:
            return f"summary.json lacks {', '.join(lacking)}"
    splits = summary["data"] if isinstance(summary["data"], dict) else {"": None}
    parts = [("weights", summary["weights"], ("origin",)), ("versions", summary["versions"], ())]
    parts += [
        (f"data.{split}", told, ("patches", "positive", "sha256")) for split, told in splits.items()
    ]
    if summary.get("pruned") is not None:
        parts.append(("pruned", summary["pruned"], ("epoch", "auroc", "median", "jobs")))
    odd = [
        name
        for name, told, keys in parts
        if not isinstance(told, dict) or any(key not in told for key in keys)
    ]
    return f"summary.json: {', '.join(odd)} lacks parts" if odd else ""


def best_checkpoint(folder: Path) -> Path:
    """Return a run's best checkpoint; the last where none was best, as valid of one class has no AUROC to be best by."""
    best = folder / "checkpoints" / "best.ckpt"
    return best if best.is_file() else last_checkpoint(folder)


def last_checkpoint(folder: Path) -> Path:
    """Return where a run's last checkpoint is or will be."""
    return folder / "checkpoints" / "last.ckpt"


def start_run(folder: Path, config: Config, anew: bool = False) -> None:
    """Begin a run in a folder: write its config.

    Args:
        folder: the run's.
        config: plain values.
        anew: over one in the same folder that has no checkpoint.

    Raises:
        RunError: the folder holds a run already, or cannot be written.
    """
    if (folder / "config.yaml").exists() and not anew:
        go_on = f"go on with it ({format_override('resume', folder)})"
        if not last_checkpoint(folder).exists():
            go_on = "it ended before its first epoch did, or is in it; begin it anew (resume=auto)"
        raise RunError(f"{folder} holds a run already; {go_on} or set another hydra.run.dir")
    write_config(folder, config)


def write_config(folder: Path, config: Config) -> None:
    """Write a run's config; a run that goes on has no summary until it ends again."""
    import yaml

    try:
        write_file(folder / "config.yaml", yaml.safe_dump(config, sort_keys=False))
        (folder / "summary.json").unlink(missing_ok=True)
    except OSError as error:
        raise RunError(f"{folder} cannot be written ({error}); set hydra.run.dir") from error


def ensure_not_run_dir(folder: Path) -> None:
    """Make sure that a door does not write over a run: its folder holds the figures of its training.

    Raises:
        RunError: the folder holds a run.
    """
    if (folder / "config.yaml").exists():
        raise RunError(
            f"{folder} holds a run, whose summary and predictions would be written over; set another hydra.run.dir"
        )


def discard_run(folder: Path) -> None:
    """Take back what ``start`` wrote, if the run came to nothing: the same command, mended, can then use the folder."""
    if not (last_checkpoint(folder).exists() or (folder / "metrics.csv").exists()):
        (folder / "config.yaml").unlink(missing_ok=True)


def read_config(folder: Path) -> Config:
    """Return a run's config.

    Raises:
        RunError: the folder holds no run, or its config is broken.
    """
    import yaml

    path = folder / "config.yaml"
    if not path.is_file():
        raise RunError(f"{folder} holds no run: {path.name} is missing")
    try:
        config = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RunError(f"{path} is broken ({' '.join(str(error).split())})") from error
    if not isinstance(config, dict):
        raise RunError(f"{path} is broken: it holds no keys")
    return config


def network_label(config: Config) -> str:
    """Return what screens and figures call a run's network; one that was trained at a smaller scale says so.

    "resnet50"; at scale=smoke "resnet50 (smoke: test_resnet)", what it stands for and what it is.
    """
    name, scale, known = (
        config["model"]["name"],
        config.get("scale", "full"),
        config["model"].get("at_scale", {}),
    )
    if scale == "full":
        return str(name)
    stands_in = known.get(scale) == name != known.get("full")
    return f"{known['full']} ({scale}: {name})" if stands_in else f"{name} ({scale})"


def make_paths_absolute(config: Config) -> Config:
    """Return a config whose paths do not depend on the folder that a later command is typed in."""
    config = {
        key: dict(value) if isinstance(value, dict) else value for key, value in config.items()
    }
    for group, key in PATHS:
        if config.get(group, {}).get(key) is not None:
            config[group][key] = str(Path(config[group][key]).expanduser().absolute())
    weights = config.get("model", {}).get("weights", "none")
    if weights not in ("imagenet", "none", "auto"):
        config["model"]["weights"] = str(Path(weights).expanduser().absolute())
    return config
