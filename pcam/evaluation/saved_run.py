"""A finished run opened again: its network, and the data on which a later command uses it."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from pcam.config.classes import Classes, order_classes
from pcam.config.schema import (
    BiasConfig,
    DataOverrides,
    PredictConfig,
    ProbeConfig,
    RunCommandConfig,
    TrainConfig,
)
from pcam.config.sections import DataConfig, SplitsConfig
from pcam.data.base import PatchSource
from pcam.data.crop import Crop
from pcam.data.limit import limit_source
from pcam.data.loading import open_source, open_splits
from pcam.data.provider import SourceProvider, source_provider
from pcam.errors import (
    ConfigError,
    DataError,
    NotFiniteError,
    RunError,
    shorten_value,
    suggest,
)
from pcam.models.classifier import PatchClassifier
from pcam.models.tensor_files import describe_unreadable
from pcam.runs.access import ensure_inside, ensure_readable
from pcam.runs.folder import best_checkpoint, network_label, read_config

AskedData = RunCommandConfig | PredictConfig | BiasConfig | ProbeConfig  # each has data and splits


@dataclass(frozen=True)
class SavedRun:
    """A run folder opened for use.

    Attributes:
        folder: the run folder.
        config: the config of the training.
        model: the best network, in eval mode, on the device to use.
    """

    folder: Path
    config: TrainConfig
    model: PatchClassifier

    @cached_property
    def label(self) -> str:
        """The network's name in titles and tables."""
        return network_label(self.config)

    @cached_property
    def classes(self) -> Classes | None:
        """The names of the labels 0 and 1; None if an earlier version did not store them."""
        trained = self.model.patch_format
        return earlier_classes(self.config) if trained is None else trained.classes

    def describe(self) -> str:
        """Return one line: the folder, the network and the origin of its weights."""
        return f"{self.folder}: {self.label}, weights {self.model.describe_weights()}"


def earlier_classes(config: TrainConfig) -> Classes | None:
    """Return the classes of a run whose checkpoint does not name them.

    Earlier versions took the second class of a folder in alphabetical order as the positive one.

    Returns:
        The names of the labels 0 and 1; None if the run's data are no longer there.
    """
    names = source_provider(config.data).class_names
    if names is None or config.data.positive is None:
        return names
    return order_classes(names, config.data.positive, "the run's data")


def open_run(folder: Path) -> SavedRun:
    """Open a run folder: its config, and its best network in eval mode.

    Raises:
        AccessError: a file of the run cannot be read now.
        RunError: the folder holds no run, or has no readable checkpoint.
    """
    config = read_config(folder)
    path = best_checkpoint(folder)
    if not path.is_file():
        raise RunError(
            f"{folder} has no checkpoint: the training stopped before the end of its first epoch"
        )
    ensure_inside(path, folder)
    ensure_readable(path)
    try:
        model = PatchClassifier.load(path)
    except NotFiniteError as error:
        raise RunError(*error.faults) from error
    except Exception as error:  # torch and Lightning raise many kinds for a broken file
        raise RunError(
            f"{path} cannot be read safely as a checkpoint ({describe_unreadable(error)})"
        ) from error
    refuse_other_network(folder, config, model)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return SavedRun(folder, config, model.to(device))


def refuse_other_network(folder: Path, config: TrainConfig, model: PatchClassifier) -> None:
    """Make sure that a run's config names the network that its checkpoint holds.

    Raises:
        RunError: it names another.
    """
    named, trained = config.model.name, str(model.hparams["network"]["name"])
    if named != trained:
        raise RunError(
            f"{folder / 'config.yaml'} has model.name={shorten_value(named)}, and the checkpoint is"
            f" of {trained}; one of them is of another run, or was edited"
        )


def resolve_data(run: TrainConfig, asked: AskedData) -> tuple[DataConfig, SplitsConfig]:
    """Return the data and splits to use: the run's own with overrides, or another source.

    Args:
        run: the config of the run.
        asked: the command's config. ``data`` with a name is another source, unless name and root
            are those of the run; without a name, keys that are None keep the run's value.

    Returns:
        The source with its settings, and how it is split.

    Raises:
        ConfigError: splits are asked for, but the data is the run's own, which is split already.
    """
    if asked.data.name is not None and not _is_own_data(asked.data, run.data):
        return asked.data.source_config(), asked.splits
    if asked.splits.name != "auto":
        raise ConfigError(
            f"splits={asked.splits.name}: the run's own data keeps the splits of the run"
        )
    return run.data.model_copy(update=asked.data.given()), run.splits


def _is_own_data(asked: DataOverrides, own: DataConfig) -> bool:
    """Return whether the source asked for is the one that the run was trained on.

    Args:
        asked: a source; without a root, that of the run is meant.
        own: the run's source.
    """
    if asked.name != own.name:
        return False
    own_root = getattr(own, "root", None)
    return asked.root in (None, own_root)


def open_split(data: DataConfig, splits: SplitsConfig, seed: int, split: str) -> PatchSource:
    """Open one split for evaluation.

    Args:
        data: the source and its settings.
        splits: how the source is split.
        seed: of ``data.limit``'s draw.
        split: train, valid, test, or predict: the unlabelled patches of a source that has them.

    Raises:
        ConfigError: the source has no unlabelled patches.
        DataError: the source has no such split.
    """
    provider = source_provider(data)
    is_unlabelled = split == provider.unlabelled_split
    if split == "predict" and not is_unlabelled:
        raise ConfigError(f"split={split}: data={data.name} has no unlabelled patches")
    if is_unlabelled or _opens_alone(provider, splits, split):
        return limit_source(open_source(data, split), data.limit, 0)
    opened = open_splits(data, splits, seed).splits
    if split not in opened:
        raise DataError(f"data={data.name} has no split '{split}'{suggest(split, opened)}")
    return opened[split]


def _opens_alone(provider: SourceProvider[DataConfig], splits: SplitsConfig, split: str) -> bool:
    """Return whether a split is used as published, and the other splits need not be there.

    Args:
        provider: of the source.
        splits: how the source is split.
        split: its name; train is never opened alone.
    """
    if split == "train":
        return False
    is_official = splits.name in ("auto", "official")
    is_whole = provider.config.duplicates != "drop"
    return is_official and is_whole and provider.opens_alone(split)


def crop_for_split(config: TrainConfig, split: str) -> Crop:
    """Return the crop of a split: the run's crop of valid for valid, its crop of test otherwise."""
    mode = config.crop.valid if split == "valid" else config.crop.test
    return Crop(mode, config.crop.size, config.seed)
