"""Which patches of an evaluation are shown, and in which order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pcam.config.classes import Classes
from pcam.data.base import Indices
from pcam.stats.metrics import Floats, Labels

RIGHT = "Right, most certain"
WRONG = "Wrong, most certain"
NEAREST = "Nearest to the threshold"
BY_SLIDE = "By slide"
BY_STAIN = "By stain"
STRENGTHS = {2: ("pale", "strong"), 3: ("pale", "medium", "strong")}
OF_PART = 1  # wrong patches, and as many right ones, of a slide or a stain


@dataclass(frozen=True)
class ScoredPatches:
    """The patches of a split with their scores.

    Attributes:
        ids: N names.
        label: uint8 (N,).
        logit: (N,), log-odds of the positive class.
        threshold: a patch is predicted positive from these log-odds on; may be infinite.
        slides: N names; None where they are not known.
        stain: (N,), how strongly the slide of each patch is stained; None where it is not known.
    """

    ids: Sequence[str]
    label: Labels
    logit: Floats
    threshold: float
    slides: Sequence[str] | None = None
    stain: Floats | None = None

    @property
    def predicted(self) -> NDArray[np.bool_]:
        """Whether each patch is predicted positive, (N,)."""
        return self.logit >= self.threshold

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """Whether each patch is predicted wrongly, (N,)."""
        wrong: NDArray[np.bool_] = self.predicted != (self.label == 1)
        return wrong

    @property
    def certainty(self) -> Floats:
        """Log-odds of the predicted class, (N,): higher is more certain."""
        return np.where(self.predicted, self.logit, -self.logit)

    @property
    def nearness(self) -> Floats:
        """How near each patch is to the threshold, (N,): higher is nearer."""
        if np.isinf(self.threshold):
            return -self.certainty
        return -np.abs(self.logit - self.threshold)


@dataclass(frozen=True)
class Group:
    """Patches that are shown together.

    Attributes:
        section: of the page.
        title: within the section; "" if it is the only one.
        note: what the group is of.
        indices: int64 (n,), of the patches, in the order of the page.
    """

    section: str
    title: str
    note: str
    indices: Indices


def choose_groups(scored: ScoredPatches, classes: Classes, count: int) -> list[Group]:
    """Return the groups of a gallery.

    Args:
        scored: of a split.
        classes: the names of the labels 0 and 1.
        count: patches of a group, and slides, at most.
    """
    groups = [*_by_answer(scored, classes, count)]
    everything = np.ones(len(scored.label), np.bool_)
    nearest = _highest(scored.nearness, everything, count)
    note = "The patches with log-odds nearest to the threshold."
    groups.append(Group(NEAREST, "", note, nearest))
    groups += _by_slide(scored, count)
    groups += _by_stain(scored)
    return groups


def _by_answer(scored: ScoredPatches, classes: Classes, count: int) -> Iterator[Group]:
    """Yield the most certain patches of each label, those that are right and those that are not."""
    for section, wrong in ((RIGHT, False), (WRONG, True)):
        for actual in (1, 0):
            predicted = 1 - actual if wrong else actual
            chosen = (scored.label == actual) & (scored.wrong == wrong)
            of_label = int((scored.label == actual).sum())
            yield Group(
                section,
                f"{classes[actual]}, predicted {classes[predicted]}",
                f"{int(chosen.sum()):,} of {of_label:,} patches of {classes[actual]}",
                _highest(scored.certainty, chosen, count),
            )


def _by_slide(scored: ScoredPatches, count: int) -> Iterator[Group]:
    """Yield patches of the slides with the largest share of wrong predictions, those first."""
    if scored.slides is None:
        return
    names = np.asarray(scored.slides)
    found = np.unique(names)
    if len(found) < 2:
        return
    shares = np.array([scored.wrong[names == name].mean() for name in found])
    for number in np.argsort(-shares, kind="stable")[:count]:
        yield _part(scored, BY_SLIDE, str(found[number]), names == found[number])


def _by_stain(scored: ScoredPatches) -> Iterator[Group]:
    """Yield patches of pale, medium and strong stains: thirds of the slides' stains."""
    if scored.stain is None:
        return
    values = np.unique(scored.stain)
    titles = STRENGTHS.get(min(len(values), 3), ())
    parts = np.array_split(values, max(1, len(titles)))
    for title, part in zip(titles, parts, strict=False):
        inside = (scored.stain >= part[0]) & (scored.stain <= part[-1])
        named = f"{title}, optical density {part[0]:.2f} to {part[-1]:.2f}"
        yield _part(scored, BY_STAIN, named, inside)


def _part(scored: ScoredPatches, section: str, title: str, inside: NDArray[np.bool_]) -> Group:
    """Return a group of some patches: the most certain wrong one, then the most certain right one.

    Args:
        scored: of a split.
        section: of the page.
        title: of the group.
        inside: (N,), the patches to choose from.
    """
    wrong = _highest(scored.certainty, inside & scored.wrong, OF_PART)
    right = _highest(scored.certainty, inside & ~scored.wrong, OF_PART)
    note = f"{int((inside & scored.wrong).sum()):,} of {int(inside.sum()):,} patches are wrong"
    return Group(section, title, note, np.concatenate([wrong, right]))


def _highest(score: Floats, chosen: NDArray[np.bool_], count: int) -> Indices:
    """Return the chosen patches with the highest scores, the highest first, then by index."""
    indices = np.flatnonzero(chosen)
    order = np.argsort(-score[indices], kind="stable")
    return indices[order][:count].astype(np.int64)
