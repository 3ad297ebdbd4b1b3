"""Pictures of the patches that a check concerns."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from pcam.data.audit.check import Check, Group, Patch
from pcam.data.base import PatchSource, Pixels
from pcam.runs.pages import data_uri

MAX_PICTURES = 12  # of a check
MAX_PER_GROUP = 4  # pictures of a group, such as equal patches
PICTURE_SIDE = 96  # pixels at most of a shown patch


@dataclass(frozen=True)
class ShownPatch:
    """A picture of the page.

    Attributes:
        patch: Where it is.
        label: None without labels.
        picture: Its address, which contains it.
    """

    patch: Patch
    label: int | None
    picture: str


@dataclass(frozen=True)
class ShownGroup:
    """Pictures that belong together.

    Attributes:
        patches: Some of the group.
        size: Of the whole group.
    """

    patches: Sequence[ShownPatch]
    size: int


@dataclass(frozen=True)
class ShownCheck:
    """A check with its pictures.

    Attributes:
        check: Its result.
        groups: Some of its groups.
        more: Number of groups that are not shown.
    """

    check: Check
    groups: Sequence[ShownGroup]
    more: int


def show_check(check: Check, sources: Mapping[str, PatchSource]) -> ShownCheck:
    """Return a check with its pictures.

    Args:
        check: Any.
        sources: The splits, from which the pictures are read.

    Returns:
        The check with at most 12 pictures.
    """
    chosen = choose_groups(check.groups)
    parts = [some_of(group) for group in chosen]
    pictures = _read_pictures(list(chain(*parts)), sources)
    groups = []
    for group, part in zip(chosen, parts, strict=True):
        shown = [_show_patch(patch, pictures[patch], sources) for patch in part]
        groups.append(ShownGroup(shown, len(group)))
    return ShownCheck(check, groups, len(check.groups) - len(chosen))


def choose_groups(groups: Sequence[Group]) -> list[Group]:
    """Return the groups of a check to show, spread over all of them.

    Args:
        groups: All of the check, in their order.

    Returns:
        Some of them, with at most 12 patches to show.
    """
    if not groups:
        return []
    usual_size = min(len(groups[0]), MAX_PER_GROUP)
    step = max(1, len(groups) * usual_size // MAX_PICTURES)
    chosen: list[Group] = []
    pictures_left = MAX_PICTURES
    for group in groups[::step]:
        pictures_left -= min(len(group), MAX_PER_GROUP)
        if pictures_left < 0:
            break
        chosen.append(group)
    return chosen


def some_of(group: Group) -> Group:
    """Return at most 4 patches of a group.

    The first and the last are among them, so that a group across splits is seen to be one.
    """
    count = min(len(group), MAX_PER_GROUP)
    positions = np.unique(np.linspace(0, len(group) - 1, count).astype(int))
    return tuple(group[int(position)] for position in positions)


def _read_pictures(
    patches: Sequence[Patch], sources: Mapping[str, PatchSource]
) -> dict[Patch, Pixels]:
    """Read patches, all of a split at a time.

    Args:
        patches: Of any splits; each is read once.
        sources: The splits.

    Returns:
        uint8 (H, W, 3) by patch.
    """
    by_split: dict[str, list[Patch]] = {}
    for patch in sorted(set(patches)):
        by_split.setdefault(patch.split, []).append(patch)
    pictures: dict[Patch, Pixels] = {}
    for split, chosen in by_split.items():
        rows = np.array([patch.row for patch in chosen])
        pixels = sources[split].read(rows)
        pictures.update(zip(chosen, pixels, strict=True))
    return pictures


def _show_patch(patch: Patch, pixels: Pixels, sources: Mapping[str, PatchSource]) -> ShownPatch:
    """Return a patch with its label and its picture.

    Args:
        patch: Any.
        pixels: uint8 (H, W, 3).
        sources: The splits, for the label.
    """
    labels = sources[patch.split].labels
    label = None if labels is None else int(labels[patch.row])
    return ShownPatch(patch, label, data_uri(_jpeg(pixels), "jpeg"))


def _jpeg(pixels: Pixels) -> bytes:
    from PIL import Image

    image = Image.fromarray(pixels)
    image.thumbnail((PICTURE_SIDE, PICTURE_SIDE))
    file = io.BytesIO()
    image.save(file, "jpeg", quality=88)
    return file.getvalue()
