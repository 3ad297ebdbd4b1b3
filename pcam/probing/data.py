"""The patches that probes are made of."""

from collections.abc import Iterator

from pcam.config.schema import ProbeConfig
from pcam.config.sections import DataConfig, SplitsConfig
from pcam.data.loading import Splits
from pcam.errors import DataError
from pcam.evaluation.saved_run import SavedRun, resolve_data
from pcam.stats.metrics import Labels

SPLITS = ("train", "valid", "test")


def choose_data(config: ProbeConfig, runs: list[SavedRun]) -> tuple[DataConfig, SplitsConfig, int]:
    """Return the data, how it is split, and the seed of ``data.limit``; by default the first run's.

    Raises:
        ConfigError: splits are asked for, but the data is the run's own.
    """
    if not runs:
        return config.data.source_config(), config.splits, config.seed
    data, splits = resolve_data(runs[0].config, config)
    return data, splits, runs[0].config.seed


def check_splits(config: ProbeConfig, data: DataConfig, opened: Splits) -> dict[str, Labels]:
    """Return the labels of each split after making sure that probes can be made of them.

    Raises:
        DataError: there is no test split, or train has too few patches.
    """
    if "test" not in opened.splits:
        raise DataError(f"data={data.name} has no labelled test split, on which probes are tested")
    labels: dict[str, Labels] = {}
    for split in SPLITS:
        label = opened.splits[split].labels
        assert label is not None
        if not 0 < int(label.sum()) < len(label):
            raise DataError(f"data={data.name}: {split} has patches of one class only")
        labels[split] = label
    faults = list(_too_few(config, labels["train"]))
    if faults:
        raise DataError(*faults)
    return labels


def _too_few(config: ProbeConfig, train: Labels) -> Iterator[str]:
    """Yield what asks for more training patches than there are."""
    fewest = int(min(train.sum(), len(train) - train.sum()))
    if "few_shot" in config.probes and max(config.shots) > fewest:
        yield f"shots={max(config.shots)} must be at most {fewest}, train's patches of a class"
    if "knn" in config.probes and config.neighbours > len(train):
        yield f"neighbours={config.neighbours} must be at most {len(train)}, the patches of train"
