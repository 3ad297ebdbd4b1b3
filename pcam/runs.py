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

import contextlib
import csv
import glob
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pcam.errors import RunError, reason, typed

Config = dict[str, Any]
NEEDED = ("valid", "weights", "epochs", "versions", "data", "device", "precision", "commit")  # of a summary, to be read as one
FIGURES = ("auroc", "accuracy", "nll", "precision", "sensitivity")  # of each split in it
MONITOR = "valid/auroc"  # the column of metrics.csv that checkpoints and jobs are judged by
# keys that are paths, kept absolute
PATHS = (("data", "root"), ("data", "converted"), ("data", "slide_csv"), ("splits", "file"))


def write(path: Path, content: str | bytes) -> None:
    """Write a file so that it appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.part")
    aside.write_bytes(content.encode() if isinstance(content, str) else content)
    os.replace(aside, path)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file whole; not-a-number is written as null, which JSON has."""
    write(path, json.dumps(finite(content), indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any] | None:
    """Return what a JSON file holds; None where there is no file.

    Raises:
        RunError: it is broken, or holds no keys.
    """
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise RunError(f"{path} is broken ({reason(error)})") from error
    if not isinstance(content, dict):
        raise RunError(f"{path} is broken: it holds no keys")
    return content


def wrong(summary: Mapping[str, Any]) -> str:
    """Return what keeps a summary from being read as a run's; nothing where all is well."""
    lacking = [key for key in NEEDED if key not in summary]
    if lacking:
        return f"summary.json lacks {', '.join(lacking)}"
    for split in ("valid", "test") if "test" in summary else ("valid",):
        known = summary[split] if isinstance(summary[split], dict) else {}
        for name, figure in known.items():
            numbers = [figure.get(key) for key in ("value", "low", "high")] if isinstance(figure, dict) else [""]
            if not all(isinstance(number, int | float | None) for number in numbers) or "value" not in figure:
                return f"summary.json: {split}.{name} is no figure"
        if lacking := [f"{split}.{name}" for name in FIGURES if name not in known]:
            return f"summary.json lacks {', '.join(lacking)}"
    splits = summary["data"] if isinstance(summary["data"], dict) else {"": None}
    parts = [("weights", summary["weights"], ("origin",)), ("versions", summary["versions"], ())]
    parts += [(f"data.{split}", told, ("patches", "positive", "sha256")) for split, told in splits.items()]
    if summary.get("pruned") is not None:
        parts.append(("pruned", summary["pruned"], ("epoch", "auroc", "median", "jobs")))
    odd = [name for name, told, keys in parts if not isinstance(told, dict) or any(key not in told for key in keys)]
    return f"summary.json: {', '.join(odd)} lacks parts" if odd else ""


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a csv file whole."""
    buffer = io.StringIO()
    table = csv.writer(buffer, lineterminator="\n")
    table.writerow(columns)
    table.writerows(rows)
    write(path, buffer.getvalue())


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a metrics.csv, none when there is no file."""
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def write_predictions(
    folder: Path, split: str, ids: Sequence[str], labels: Any, probability: Any, slides: Sequence[str] | None
) -> None:
    """Write predictions/SPLIT.csv: id, label and slide where they are known, probability of the positive class.

    Args:
        folder: of a run, or of what a later door leaves.
        split: its name.
        ids: N names.
        labels: (N,), or None.
        probability: (N,); written so that it reads back to the bit.
        slides: N names, or None.
    """
    columns: dict[str, Iterable[Any]] = {"id": ids}
    if labels is not None:
        columns["label"] = (int(label) for label in labels)
    columns["probability"] = (float(value) for value in probability)
    if slides is not None:
        columns["slide"] = slides
    write_csv(folder / "predictions" / f"{split}.csv", list(columns), zip(*columns.values(), strict=True))


def write_splits(folder: Path, splits: Mapping[str, Any]) -> None:
    """Write splits.csv, id and split of each patch of sources by their split's name, so that it can be given again."""
    write_csv(
        folder / "splits.csv", ("id", "split"), ((name, split) for split, source in splits.items() for name in source.ids)
    )


def matches(word: str, key: str) -> list[Path]:
    """Return the path that a word is, else those that it matches as a glob, sorted.

    Raises:
        RunError: there is none; ``key`` is where the word was typed.
    """
    found = [Path(word)] if Path(word).exists() else [Path(path) for path in sorted(glob.glob(word, recursive=True))]
    if not found:
        raise RunError(f"{key}: nothing is called {word}")
    return found


def best_checkpoint(folder: Path) -> Path:
    """Return a run's best checkpoint; the last where none was best, as valid of one class has no AUROC to be best by."""
    best = folder / "checkpoints" / "best.ckpt"
    return best if best.is_file() else last_checkpoint(folder)


def finite(value: Any) -> Any:
    """Return a value as JSON has it: not-a-number, however deep, as None."""
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and value != value else value


def last_checkpoint(folder: Path) -> Path:
    """Return where a run's last checkpoint is or will be."""
    return folder / "checkpoints" / "last.ckpt"


def start(folder: Path, config: Config, anew: bool = False) -> None:
    """Begin a run in a folder: write its config.

    Args:
        folder: the run's.
        config: plain values.
        anew: over one in the same folder that has no checkpoint.

    Raises:
        RunError: the folder holds a run already, or cannot be written.
    """
    if (folder / "config.yaml").exists() and not anew:
        go_on = f"go on with it ({typed('resume', folder)})"
        if not last_checkpoint(folder).exists():
            go_on = "it ended before its first epoch did, or is in it; begin it anew (resume=auto)"
        raise RunError(f"{folder} holds a run already; {go_on} or set another hydra.run.dir")
    write_config(folder, config)


def write_config(folder: Path, config: Config) -> None:
    """Write a run's config; a run that goes on has no summary until it ends again."""
    import yaml

    try:
        write(folder / "config.yaml", yaml.safe_dump(config, sort_keys=False))
        (folder / "summary.json").unlink(missing_ok=True)
    except OSError as error:
        raise RunError(f"{folder} cannot be written ({error}); set hydra.run.dir") from error


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep other processes from training into a folder; the hold ends with the process, however that ends.

    Raises:
        RunError: another process has it.
    """
    from filelock import FileLock, Timeout

    path = folder / ".held"
    try:
        with FileLock(path, timeout=0):
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
    except Timeout as error:
        message = f"{folder} is being trained by another process; wait for it, or set another hydra.run.dir"
        raise RunError(message) from error


def is_held(folder: Path) -> bool:
    """Tell whether a process trains into a folder now."""
    from filelock import FileLock, Timeout

    path = folder / ".held"
    if not path.is_file():
        return False
    try:
        with FileLock(path, timeout=0):
            return False  # left by one that was killed
    except Timeout:
        return True
    except OSError:  # of a folder that may only be read
        return False


def not_a_run(folder: Path) -> None:
    """Make sure that a door does not write over a run: its folder holds the figures of its training.

    Raises:
        RunError: the folder holds a run.
    """
    if (folder / "config.yaml").exists():
        raise RunError(f"{folder} holds a run, whose summary and predictions would be written over; set another hydra.run.dir")


def forget(folder: Path) -> None:
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


def network(config: Config) -> str:
    """Return what screens and figures call a run's network; one that was trained at a smaller scale says so.

    "resnet50"; at scale=smoke "resnet50 (smoke: test_resnet)", what it stands for and what it is.
    """
    name, scale, known = config["model"]["name"], config.get("scale", "full"), config["model"].get("at_scale", {})
    if scale == "full":
        return str(name)
    stands_in = known.get(scale) == name != known.get("full")
    return f"{known['full']} ({scale}: {name})" if stands_in else f"{name} ({scale})"


def absolute(config: Config) -> Config:
    """Return a config whose paths do not depend on the folder that a later command is typed in."""
    config = {key: dict(value) if isinstance(value, dict) else value for key, value in config.items()}
    for group, key in PATHS:
        if config.get(group, {}).get(key) is not None:
            config[group][key] = str(Path(config[group][key]).expanduser().absolute())
    weights = config.get("model", {}).get("weights", "none")
    if weights not in ("imagenet", "none", "auto"):
        config["model"]["weights"] = str(Path(weights).expanduser().absolute())
    return config
