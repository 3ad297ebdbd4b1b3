"""From a config to the patches of each split: the source, how it is split, equal patches."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pcam.config.classes import UNNAMED, Classes
from pcam.config.sections import (
    AutoSplits,
    DataConfig,
    FileSplits,
    FoldSplits,
    RandomSplits,
    SlideSplits,
    SplitsConfig,
)
from pcam.data.base import PatchSource, concatenate, subset
from pcam.data.duplicates import (
    PatchKeys,
    describe_duplicates,
    drop_duplicates,
    leave_out_copies,
)
from pcam.data.limit import limit_splits
from pcam.data.provider import SPLITS, SourceProvider, source_provider
from pcam.data.sizes import common_size, refuse_constant
from pcam.data.splits import (
    IsValid,
    Keys,
    fold_by_slide,
    join_slides,
    read_split,
    split_by_slide,
    split_stratified,
)
from pcam.errors import ConfigError, DataError


@dataclass(frozen=True)
class Splits:
    """The labelled patches that a config describes.

    Attributes:
        splits: name to source: train, valid, and test where the source has one.
        how: how they were split: official, random, slide, folds or file.
        duplicates: what happens to equal patches, in words.
        left_out: name to the number of patches that were left out, as copies or because a split
            file does not list them.
        classes: the names of the labels 0 and 1.
        size: height and width of the patches.
    """

    splits: dict[str, PatchSource]
    how: str
    duplicates: str
    left_out: dict[str, int]
    classes: Classes = UNNAMED
    size: tuple[int, int] | None = None


def open_source(data: DataConfig, split: str) -> PatchSource:
    """Open one split of a source, whole, as published.

    Raises:
        DataError: it is missing or malformed, or has no patches.
    """
    source = source_provider(data).open(split)
    if len(source) == 0:
        raise DataError(f"data={data.name}: {split} has no patches")
    return source


def open_splits(data: DataConfig, splits: SplitsConfig, seed: int) -> Splits:
    """Open the labelled patches that a config describes.

    Equal patches are those whose pixels have the same SHA-1. ``data.duplicates`` says what happens
    to them:

    - ``keep``: nothing.
    - ``group``: a split that is drawn here keeps equal patches together, and leaves out patches
      that are equal to a test patch. Published splits stay as published.
    - ``drop``: one of each is kept, the first of test, else of valid, else of train, so that
      nothing that is evaluated was trained on.

    Args:
        data: the config's ``data``.
        splits: the config's ``splits``.
        seed: of the draw of ``data.limit`` from train.

    Raises:
        DataError: files are missing, malformed or contradict each other.
        ConfigError: a setting is not possible with this source.
    """
    provider = source_provider(data)
    classes = provider.classes
    published = _open_published(data, provider)
    size = common_size(data.name, published)
    refuse_constant(data.name, published)
    keys = PatchKeys()
    grouped = None if data.duplicates == "keep" else keys
    opened = _split(published, splits, provider, grouped)
    if data.duplicates == "drop":
        deduplicated = drop_duplicates(opened.splits, keys)
        left_out = {**opened.left_out, **deduplicated.dropped}
        opened = replace(opened, splits=deduplicated.splits, left_out=left_out)
    return replace(
        opened,
        splits=limit_splits(opened.splits, data.limit, seed),
        duplicates=describe_duplicates(opened.how, data.duplicates),
        left_out={name: count for name, count in opened.left_out.items() if count},
        classes=classes,
        size=size,
    )


def describe_splits(opened: Splits) -> str:
    """Return how the patches were split, and what was left out."""
    parts = [opened.how, opened.duplicates]
    if opened.left_out:
        left_out = [f"{count:,} of {name}" for name, count in opened.left_out.items()]
        parts.append(f"left out: {', '.join(left_out)}")
    return "; ".join(parts)


def _open_published(
    data: DataConfig, provider: SourceProvider[DataConfig]
) -> dict[str, PatchSource]:
    sources = {split: open_source(data, split) for split in provider.published_splits}
    unlabelled = [split for split, source in sources.items() if source.labels is None]
    if unlabelled:
        raise DataError(
            f"data={data.name}: the patches of {', '.join(unlabelled)} have no labels; use"
            " pcam.predict to score them"
        )
    return sources


def _split(
    sources: dict[str, PatchSource],
    splits: SplitsConfig,
    provider: SourceProvider[DataConfig],
    keys: PatchKeys | None,
) -> Splits:
    """Split patches as the config says; equal patches stay together where ``keys`` are given."""
    if isinstance(splits, FileSplits):
        return _split_by_file(sources, Path(splits.file))
    splits = _resolve_auto(splits, sources)
    if splits.name == "official":
        if "valid" not in sources:
            raise ConfigError(
                f"splits=official: data={provider.config.name} has no valid split; set"
                " splits=random or splits=slide"
            )
        return Splits(sources, "official", "", {})
    return _split_anew(sources, splits, provider, keys)


def _resolve_auto(splits: SplitsConfig, sources: Mapping[str, PatchSource]) -> SplitsConfig:
    """Return what splits=auto stands for: official, else slide, else random."""
    if not isinstance(splits, AutoSplits):
        return splits
    if "valid" in sources:
        return SplitsConfig(name="official")
    if sources["train"].groups is not None:
        return SlideSplits(name="slide", share=splits.share, seed=splits.seed)
    return RandomSplits(name="random", share=splits.share, seed=splits.seed)


def _split_by_file(sources: Mapping[str, PatchSource], file: Path) -> Splits:
    """Split all patches as a csv says."""
    whole = concatenate(list(sources.values()))
    split_of = read_split(file, whole.ids)
    result = {}
    for split in SPLITS:
        indices = np.flatnonzero(split_of == split)
        if len(indices):
            result[split] = subset(whole, indices)
        elif split != "test":
            raise DataError(f"splits.file={file} lists no patch for {split}")
    return Splits(result, "file", "", {"unlisted": int((split_of == "").sum())})


def _split_anew(
    sources: Mapping[str, PatchSource],
    splits: SplitsConfig,
    provider: SourceProvider[DataConfig],
    keys: PatchKeys | None,
) -> Splits:
    """Split the patches of train and valid into a new train and valid; test stays as published."""
    parts = [sources[split] for split in SPLITS[:2] if split in sources]
    whole = concatenate(parts)
    left_out: dict[str, int] = {}
    pixels: Keys | None = None
    if keys is not None:
        if "test" in sources:
            whole, left_out = leave_out_copies(whole, sources["test"], keys)
        pixels = keys.of(whole)
    valid = _choose_valid(whole, splits, provider, pixels)
    result = {
        "train": subset(whole, np.flatnonzero(~valid)),
        "valid": subset(whole, np.flatnonzero(valid)),
    }
    if "test" in sources:
        result["test"] = sources["test"]
    return Splits(result, splits.name, "", left_out)


def _choose_valid(
    whole: PatchSource,
    splits: SplitsConfig,
    provider: SourceProvider[DataConfig],
    pixels: Keys | None,
) -> IsValid:
    """Return which patches go to valid, bool (N,).

    Args:
        whole: labelled patches.
        splits: the config's ``splits``.
        provider: of the patches, for messages.
        pixels: keys that are equal for equal patches, which then stay together; None: they need
            not.
    """
    labels = whole.labels
    assert labels is not None
    if isinstance(splits, RandomSplits):
        keys = whole.ids if pixels is None else pixels
        return split_stratified(labels, keys, splits.share, splits.seed)
    if whole.groups is None:
        hint = f", or give slide names: {provider.slides_hint}" if provider.slides_hint else ""
        raise DataError(
            f"splits={splits.name}: the slides of data={provider.config.name} are not known; set"
            f" splits=random{hint}"
        )
    slides = whole.groups if pixels is None else join_slides(whole.groups, pixels)
    if isinstance(splits, SlideSplits):
        return split_by_slide(labels, slides, splits.share, splits.seed)
    if isinstance(splits, FoldSplits):
        fold = fold_by_slide(labels, slides, splits.folds, splits.seed)
        valid: IsValid = fold == splits.fold
        return valid
    raise ConfigError(f"splits={splits.name} is not available")
