"""A gallery: patches of a split that a person should look at, with maps of what decides them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from pcam.attribution.explainer import explain
from pcam.attribution.method import find_method
from pcam.attribution.options import Options
from pcam.config.classes import Classes
from pcam.data.base import PatchSource, Pixels, StainedPatchSource
from pcam.data.crop import Crop
from pcam.errors import ConfigError
from pcam.evaluation.saved_run import SavedRun
from pcam.galleries.groups import Group, ScoredPatches, choose_groups
from pcam.galleries.pictures import Map, draw_panels
from pcam.stats.metrics import Floats

METHODS = ("gradcam", "integrated_gradients")
# Enough for a picture; ``pcam.attribute`` doubles the steps until a map is complete.
OPTIONS = Options(steps=16, max_steps=16)
SQUARE = 32  # pixels: side of the centre that decides a PatchCamelyon label


@dataclass(frozen=True)
class ShownPatch:
    """A patch of a gallery.

    Attributes:
        id: its name.
        actual: name of its class.
        predicted: name of the class that the network predicts.
        is_right: whether they are the same.
        probability: of the positive class.
        logit: its log-odds.
        slide: name; None if it is not known.
        picture: the patch and its maps, a JPEG.
    """

    id: str
    actual: str
    predicted: str
    is_right: bool
    probability: float
    logit: float
    slide: str | None
    picture: bytes


@dataclass(frozen=True)
class GallerySubject:
    """What a gallery is of.

    Attributes:
        title: heading of the page.
        facts: names and values: run, patches, threshold and so on.
        classes: the names of the labels 0 and 1.
        centre_labelled: whether the central 32x32 pixels alone decide the label.
    """

    title: str
    facts: Sequence[tuple[str, str]]
    classes: Classes
    centre_labelled: bool


@dataclass(frozen=True)
class Gallery:
    """Patches in groups.

    Attributes:
        subject: what it is of.
        groups: in the order of the page.
        patches: by their index in the split; one that is in several groups is there once.
        panels: titles of the parts of each picture, from the left.
        notes: what a reader must know beside, such as why a map is missing.
        square: side of the centre that decides the labels, as far as pictures have its outline,
            pixels; None if they have none.
    """

    subject: GallerySubject
    groups: Sequence[Group]
    patches: dict[int, ShownPatch]
    panels: Sequence[str]
    notes: Sequence[str]
    square: int | None = None


def build_gallery(
    run: SavedRun,
    source: PatchSource,
    crop: Crop,
    scored: ScoredPatches,
    subject: GallerySubject,
    count: int,
) -> Gallery:
    """Choose patches, and explain them.

    Args:
        run: the trained network.
        source: the patches of the split.
        crop: the part of each patch that the network sees.
        scored: the same patches, in the same order.
        subject: what the gallery is of.
        count: patches of a group, at most.
    """
    groups = choose_groups(scored, subject.classes, count)
    indices = np.unique(np.concatenate([group.indices for group in groups]))
    if not len(indices):
        return Gallery(subject, groups, {}, ("patch",), ())
    seen = np.ascontiguousarray(crop(source.read(indices), indices, 0))
    maps, notes = explain_patches(run, seen)
    square = _visible_square(seen, crop, subject)
    patches = {}
    for place, index in enumerate(indices.tolist()):
        of_patch = [values[place] for values in maps.values()]
        picture = draw_panels(seen[place], of_patch, square)
        patches[index] = _show(scored, index, subject.classes, picture)
    return Gallery(subject, groups, patches, ("patch", *maps), notes, square)


def _visible_square(seen: Pixels, crop: Crop, subject: GallerySubject) -> int | None:
    """Return the side of the centre that decides the labels, if pictures can show it.

    A random crop has it anywhere, and a crop that is not larger is all inside of it.

    Args:
        seen: uint8 (n, H, W, 3), cropped.
        crop: the part of each patch that the network sees.
        subject: what the gallery is of.
    """
    if not subject.centre_labelled or crop.mode == "random":
        return None
    return SQUARE if min(seen.shape[1:3]) > SQUARE else None


def explain_patches(run: SavedRun, seen: Pixels) -> tuple[dict[str, Sequence[Map]], list[str]]:
    """Return the maps of patches by each method that applies, and why another does not.

    A few patches at a time are on the network's device.

    Args:
        run: the trained network.
        seen: uint8 (n, H, W, 3), cropped.

    Returns:
        Maps (n, H, W) by the method's title, and sentences.
    """
    maps: dict[str, Sequence[Map]] = {}
    notes = []
    for method in METHODS:
        try:
            found = [explain(run.model, part, method, OPTIONS) for part in _parts(seen)]
        except ConfigError as error:
            notes.append(f"{error}.")
            continue
        maps[find_method(method).title] = [row for part in found for row in part.values.numpy()]
    return maps, notes


def _parts(patches: Pixels) -> Iterator[Pixels]:
    """Yield patches, at most ``OPTIONS.batch`` at a time."""
    for start in range(0, len(patches), OPTIONS.batch):
        yield patches[start : start + OPTIONS.batch]


def _show(scored: ScoredPatches, index: int, classes: Classes, picture: bytes) -> ShownPatch:
    """Return one patch with what is known of it."""
    logit = float(scored.logit[index])
    return ShownPatch(
        id=scored.ids[index],
        actual=str(classes[int(scored.label[index])]),
        predicted=str(classes[int(scored.predicted[index])]),
        is_right=not scored.wrong[index],
        probability=float(expit(logit)),
        logit=logit,
        slide=None if scored.slides is None else scored.slides[index],
        picture=picture,
    )


def known_stain(source: PatchSource) -> Floats | None:
    """Return how strongly the slide of each patch is stained; None if the source cannot say."""
    return source.stain if isinstance(source, StainedPatchSource) else None
