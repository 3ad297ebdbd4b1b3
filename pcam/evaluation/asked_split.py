"""The split that a command asks for: its patches, with the positive class of the run."""

import logging
from dataclasses import dataclass

from pcam.config.classes import UNNAMED, Classes, ClassName, describe_slip, match_classes
from pcam.config.sections import DataConfig
from pcam.data.base import PatchSource
from pcam.data.crop import Crop
from pcam.data.provider import SourceProvider, source_provider
from pcam.data.sizes import patch_size
from pcam.evaluation.saved_run import (
    AskedData,
    SavedRun,
    crop_for_split,
    open_split,
    resolve_data,
)
from pcam.stats.formatting import format_warning

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class OpenedSplit:
    """One split of the data on which a command uses a run.

    Attributes:
        name: of the split.
        data: the source with its settings.
        provider: of the source.
        source: the patches.
        classes: the names of their labels 0 and 1.
        crop: the part of each patch that the network sees.
    """

    name: str
    data: DataConfig
    provider: SourceProvider[DataConfig]
    source: PatchSource
    classes: Classes
    crop: Crop


def open_asked_split(run: SavedRun, asked: AskedData, split: str | None) -> OpenedSplit:
    """Open the split that a command asks for; label 1 is the class that the run calls positive.

    Args:
        run: the run.
        asked: the command's config.
        split: train, valid, test or predict; None for the source's unlabelled split, else test.

    Raises:
        ConfigError: the patches' classes are not those of the run, and ``data.positive`` is not
            given; or the data cannot be split as asked.
        DataError: the source has no such split.
    """
    data, splits = resolve_data(run.config, asked)
    data = match_run(run, data, asked.data.positive)
    provider = source_provider(data)
    name = split or provider.unlabelled_split or "test"
    source = open_split(data, splits, asked.seed, name)
    report_other_size(run, patch_size(source))
    return OpenedSplit(
        name=name,
        data=data,
        provider=provider,
        source=source,
        classes=_named_classes(run, provider, asked.data.positive),
        crop=crop_for_split(run.config, name),
    )


def match_run(run: SavedRun, data: DataConfig, given: ClassName | None) -> DataConfig:
    """Return the config of data whose label 1 is the class that a run calls positive.

    Args:
        run: the run.
        data: the source and its settings.
        given: ``data.positive`` as the command gives it; None if it does not.

    Raises:
        ConfigError: the classes are not those of the run, and it is not said which is positive.
    """
    data = data.model_copy(update={"positive": given})
    names = source_provider(data).class_names
    if names is None or run.classes is None:
        return data
    where = getattr(data, "root", f"data={data.name}")
    positive = match_classes(names, given, run.classes, where)
    negative = next(name for name in names if name != positive)
    slip = describe_slip((negative, positive), run.classes)
    if slip is not None:
        log.warning(format_warning(slip))
    return data.model_copy(update={"positive": positive})


def _named_classes(
    run: SavedRun, provider: SourceProvider[DataConfig], given: ClassName | None
) -> Classes:
    """Return the classes of the patches; those of the run where patches have no labels."""
    if provider.class_names is not None:
        return provider.classes
    negative, positive = run.classes or UNNAMED
    return negative, positive if given is None else str(given)


def report_other_size(run: SavedRun, size: tuple[int, int]) -> None:
    """Log a warning if patches have another size than those that a run was trained on.

    Args:
        run: the run.
        size: height and width of the patches.
    """
    trained = run.model.patch_format
    if trained is None or size == (trained.height, trained.width):
        return
    log.warning(
        format_warning(
            f"the patches are {size[1]}x{size[0]} pixels, the run was trained on"
            f" {trained.width}x{trained.height}: its figures hold for patches of the same pixels"
            " per micrometre"
        )
    )
