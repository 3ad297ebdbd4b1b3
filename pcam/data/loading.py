"""From a config to the patches of each split: which source, split how, and what becomes of equal patches."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcam.config.tables import build, look_up
from pcam.data.audit.survey import digest_keys, digests
from pcam.data.base import Concatenated, PatchSource, Subset, concatenate, limit_source, subset
from pcam.data.sources.folder import FolderSource
from pcam.data.sources.kaggle import KaggleSource, kaggle_split
from pcam.data.sources.pcam import PCamSource
from pcam.data.sources.synthetic.source import SyntheticSource
from pcam.data.splits import (
    Keys,
    Sides,
    by_slide,
    folds_by_slide,
    joined_slides,
    read_split,
    stratified,
)
from pcam.errors import ConfigError, DataError

Content = NDArray[Any]
log = logging.getLogger(__name__)
SPLITS = ("train", "valid", "test")
LOADING = (
    "name",
    "batch_size",
    "num_workers",
    "limit",
    "duplicates",
)  # keys of data that are not the source's
DUPLICATES = ("keep", "group", "drop")


def synthetic_split(
    split: str, train: int, valid: int, test: int, data_seed: int, slides: int, stain: float, prevalence: float,
    place: str = "law",
) -> SyntheticSource:  # fmt: skip
    """Open a split of made patches."""
    size = {"train": train, "valid": valid, "test": test}[split]
    return SyntheticSource(split, size, data_seed, slides, stain, prevalence, place=place)


SOURCES: Mapping[str, Callable[..., PatchSource]] = {
    "synthetic": synthetic_split,
    "pcam": PCamSource,
    "kaggle": kaggle_split,
    "folder": FolderSource,
}


@dataclass(frozen=True)
class Splits:
    """The labelled patches that a config describes.

    Attributes:
        splits: name to source; train and valid, and test where the source has one.
        how: they were split: official, random, slide, folds or file.
        duplicates: what becomes of equal patches, in words.
        left_out: name to how many patches were left out as copies, or because a split file does not list them.
    """

    splits: dict[str, PatchSource]
    how: str
    duplicates: str
    left_out: dict[str, int]


def published(data: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the labelled splits that a source comes with: Kaggle keeps its test labels, a folder has what it has."""
    if data.get("name") == "kaggle":
        return SPLITS[:1]
    if data.get("name") == "folder":
        return tuple(
            split for split in SPLITS if split == "train" or (Path(data["root"]) / split).is_dir()
        )
    return SPLITS


def open_source(data: Mapping[str, Any], split: str) -> PatchSource:
    """Open one split of a source, whole, as published.

    Raises:
        DataError: it is missing or malformed, or holds no patch.
        ConfigError: ``data`` has an unknown name or key.
    """
    settings = {key: value for key, value in data.items() if key not in LOADING}
    source = build(look_up(SOURCES, data.get("name"), "data.name"), settings, "data", split=split)
    if len(source) == 0:
        raise DataError(f"data={data['name']}: {split} holds no patches")
    return source


def open_splits(data: Mapping[str, Any], splits: Mapping[str, Any], seed: int) -> Splits:
    """Open the labelled patches that a config describes.

    Equal patches are those whose pixels have the same SHA-1. ``data.duplicates`` says what becomes of them: ``keep``, as they
    are; ``group``, no split that is made here sets them apart, and what equals a test patch is left out of it (published splits
    stay as published); ``drop``, one of each is kept, of test before valid before train, so that nothing evaluated was
    trained on.

    Args:
        data: the config's ``data``.
        splits: the config's ``splits``.
        seed: of ``data.limit``'s draw from train.

    Raises:
        DataError: files are missing, malformed or at odds.
        ConfigError: a setting is not known or cannot be with this source.
    """
    duplicates = data.get("duplicates", "group")
    if duplicates not in DUPLICATES:
        raise ConfigError(
            f"data.duplicates={duplicates} is not known; there is {', '.join(DUPLICATES)}"
        )
    sources = {split: open_source(data, split) for split in published(data)}
    without = [split for split, source in sources.items() if source.labels is None]
    if without:
        raise DataError(
            f"data={data['name']}: the patches of {', '.join(without)} have no labels; pcam.predict scores them"
        )
    settings, contents = {key: value for key, value in splits.items() if key != "name"}, Contents()
    how = splits["name"]
    if how == "auto":
        grouped = sources["train"].groups is not None
        how = "official" if "valid" in sources else "slide" if grouped else "random"
    if how == "official":
        if "valid" not in sources:
            raise ConfigError(
                f"splits=official: data={data['name']} comes without a valid split; splits=random or slide"
            )
        left_out: dict[str, int] = {}
    else:
        sources, left_out = _dealt(
            sources, how, settings, None if duplicates == "keep" else contents
        )
    if duplicates == "drop":
        sources, copies = _without_copies(sources, contents)
        left_out = {**left_out, **copies}
    return Splits(
        # seeds differ in what they train on, not in what they are measured on
        {
            name: limit_source(source, data.get("limit"), seed if name == "train" else 0)
            for name, source in sources.items()
        },
        how,
        _told(how, duplicates),
        {split: count for split, count in left_out.items() if count},
    )


def _told(how: str, duplicates: str) -> str:
    if duplicates == "drop":
        return "of equal patches one is kept"
    if duplicates == "group" and how in DEALS:
        return "equal patches on one side"
    return "equal patches stay as they are, uncounted"


def _dealt(
    sources: dict[str, PatchSource],
    how: str,
    settings: Mapping[str, Any],
    contents: "Contents | None",
) -> tuple[dict[str, PatchSource], dict[str, int]]:
    """Deal patches anew: train and valid, or, as a file says, all of them; without ``contents``, equal ones as they fall."""
    if how == "file":
        whole = concatenate(list(sources.values()))
        side = build(_listed, settings, "splits", whole=whole)
        for split in SPLITS[:2]:
            if not (side == split).any():
                raise DataError(f"splits.file={settings['file']} lists no patch for {split}")
        dealt = {
            split: subset(whole, np.flatnonzero(side == split))
            for split in SPLITS
            if (side == split).any()
        }
        return dealt, {"unlisted": int((side == "").sum())}
    whole = concatenate([sources[split] for split in SPLITS[:2] if split in sources])
    deal = look_up(DEALS, how, "splits.name")
    left_out = {}
    if contents is not None and "test" in sources:  # what test holds too could fall to train now
        apart = ~np.isin(contents.of(whole), contents.of(sources["test"]))
        if not apart.all():
            whole = subset(whole, np.flatnonzero(apart))
            left_out = {"train and valid, as copies of test": int((~apart).sum())}
    valid = build(
        deal,
        settings,
        "splits",
        whole=whole,
        pixels=None if contents is None else contents.of(whole),
    )
    test = {"test": sources["test"]} if "test" in sources else {}
    return {
        "train": subset(whole, np.flatnonzero(~valid)),
        "valid": subset(whole, np.flatnonzero(valid)),
        **test,
    }, left_out


def _listed(file: str, whole: PatchSource) -> NDArray[Any]:
    return read_split(Path(file), whole.ids)


def _random(share: float, seed: int, whole: PatchSource, pixels: Content | None) -> Sides:
    return stratified(_labels(whole), whole.ids if pixels is None else pixels, share, seed)


def _slide(share: float, seed: int, whole: PatchSource, pixels: Content | None) -> Sides:
    return by_slide(_labels(whole), _slides(whole, pixels), share, seed)


def _folds(folds: int, fold: int, seed: int, whole: PatchSource, pixels: Content | None) -> Sides:
    dealt = folds_by_slide(_labels(whole), _slides(whole, pixels), folds, seed)
    if not 0 <= fold < folds:
        raise ConfigError(f"splits.fold={fold}; the folds are 0 to {folds - 1}")
    valid: Sides = dealt == fold
    return valid


# Each: the source whole and, where equal patches stay together, its contents, to bool (N,), True for valid.
DEALS: Mapping[str, Callable[..., Sides]] = {"random": _random, "slide": _slide, "folds": _folds}


def _labels(source: PatchSource) -> NDArray[np.uint8]:
    assert source.labels is not None
    return source.labels


def _slides(source: PatchSource, pixels: Content | None) -> Keys:
    if source.groups is None:
        raise DataError(
            "the slides of these patches are not known, so they cannot be split by slide; splits=random, or give the names "
            "(data=kaggle: data.slide_csv; data=pcam: the official meta csv in data.root)"
        )
    return source.groups if pixels is None else joined_slides(source.groups, pixels)


class Contents:
    """What is equal for equal pixels, of any source; each patch is read and digested at most once."""

    def __init__(self) -> None:
        self._known: dict[int, Content] = {}

    def of(self, source: PatchSource) -> Content:
        """Return one sortable value per patch, (N,): its SHA-1."""
        if isinstance(source, Subset):
            return self.of(source.whole)[source.indices]
        if isinstance(source, Concatenated):
            return np.concatenate([self.of(subset) for subset in source.parts])
        if id(source) not in self._known:
            if isinstance(source, KaggleSource):  # its conversion has digested the pixels already
                sha1 = np.frombuffer(bytes.fromhex("".join(source.sha1)), np.uint8).reshape(-1, 20)
            else:
                sha1 = digests(source)
            self._known[id(source)] = digest_keys(sha1)
        return self._known[id(source)]


def _without_copies(
    sources: dict[str, PatchSource], contents: Contents
) -> tuple[dict[str, PatchSource], dict[str, int]]:
    """Keep one of each set of equal patches: of test before valid before train, the first in the source's order."""
    seen: dict[Any, int] = {}  # key to the label of the one that is kept
    kept, dropped, contradicting = {}, {}, 0
    for split in reversed(list(sources)):
        chosen, labels = [], _labels(sources[split]).tolist()
        for i, key in enumerate(contents.of(sources[split]).tolist()):
            if key not in seen:
                seen[key] = labels[i]
                chosen.append(i)
            contradicting += labels[i] != seen[key]
        dropped[split] = len(sources[split]) - len(chosen)
        kept[split] = (
            subset(sources[split], np.array(chosen, np.int64)) if dropped[split] else sources[split]
        )
        if not chosen:
            raise DataError(
                f"data.duplicates=drop leaves {split} without patches: each is a copy of one in another split"
            )
    if contradicting:
        log.warning(
            "%d copies have another label than the patch that is kept (data.duplicates=drop)",
            contradicting,
        )
    return {split: kept[split] for split in sources}, dropped


def describe_splits(opened: Splits) -> str:
    """Return how the patches were split, and what was left out."""
    left = ", ".join(f"{count:,} of {name}" for name, count in opened.left_out.items())
    return f"{opened.how}; {opened.duplicates}" + (f"; left out: {left}" if left else "")
