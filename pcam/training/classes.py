"""Splits of one class: what needs both classes is refused before training, the rest reported."""

from collections.abc import Mapping
from pathlib import Path

from pcam.config.schema import TrainConfig
from pcam.data.base import PatchSource
from pcam.errors import DataError
from pcam.sweeps.state import find_sweep, is_search, read_sweep

CONSEQUENCES = {
    "train": "the network can only learn to predict the other",
    "valid": "its AUROC is not defined, so the best checkpoint is that of the lowest valid loss",
    "test": "its AUROC is not defined",
}


def check_both_classes(
    config: TrainConfig, folder: Path, sources: Mapping[str, PatchSource]
) -> None:
    """Make sure that nothing relies on a class that a split does not have.

    Args:
        config: the run's.
        folder: the run's.
        sources: the source of each split, by the split's name.

    Raises:
        DataError: train has one class only, and is to be balanced; or valid has, and a setting
            needs its AUROC; one line per setting.
    """
    faults = []
    missing = missing_class(sources["train"])
    if missing is not None and config.data.sampler == "balanced":
        faults.append(
            f"train has no {missing} patch, so data.sampler=balanced has nothing to draw; "
            "give training patches of both classes"
        )
    missing = missing_class(sources["valid"])
    if missing is not None:
        fact = f"valid has no {missing} patch, so its AUROC is not defined"
        faults += [f"{fact}; {need}" for need in _settings_that_need_auroc(config, folder)]
    if faults:
        raise DataError(*faults)


def describe_one_class(sources: Mapping[str, PatchSource]) -> list[str]:
    """Return a line for each split of one class: what follows from it."""
    lines = []
    for split, source in sources.items():
        missing = missing_class(source)
        if missing is not None:
            consequence = CONSEQUENCES.get(split, "metrics that need both are not defined")
            lines.append(f"{split} has no {missing} patch: {consequence}")
    return lines


def missing_class(source: PatchSource) -> str | None:
    """Return the class that labelled patches lack: "positive", "negative", or None."""
    if source.labels is None:
        return None
    positive = int(source.labels.sum())
    if positive == 0:
        return "positive"
    return "negative" if positive == len(source) else None


def _settings_that_need_auroc(config: TrainConfig, folder: Path) -> list[str]:
    """Return what each setting that needs valid's AUROC does with it, and how to do without."""
    trainer = config.trainer
    needs = []
    if trainer.early_stopping is not None:
        needs.append(
            f"trainer.early_stopping={trainer.early_stopping} stops by it; "
            "set trainer.early_stopping=null"
        )
    if config.scheduler.name == "plateau":
        needs.append("scheduler=plateau reduces the rates by it; set another scheduler")
    if trainer.prune.after is not None:
        needs.append(
            f"trainer.prune.after={trainer.prune.after} prunes by it; set trainer.prune.after=null"
        )
    sweep = find_sweep(folder)
    if sweep is not None and is_search(read_sweep(sweep)):
        needs.append("a search maximises it; give valid patches of both classes")
    return needs
