"""The groups of a gallery: which patches, in which order."""

from dataclasses import replace

import numpy as np
import pytest

from pcam.galleries.groups import (
    BY_SLIDE,
    BY_STAIN,
    NEAREST,
    RIGHT,
    WRONG,
    Group,
    ScoredPatches,
    choose_groups,
)

CLASSES = ("normal", "tumour")
# index                  0    1     2    3     4     5     6    7     8    9
LOGIT = np.array([3.0, -2.0, 0.5, 4.0, -0.1, -5.0, 1.0, -3.0, 2.0, 0.2])
LABEL = np.array([1, 0, 1, 1, 1, 0, 0, 1, 0, 0], np.uint8)
SLIDES = [*"aabbb", *"ccccc"]
SCORED = ScoredPatches([f"patch {i}" for i in range(10)], LABEL, LOGIT, 0.0)


def shown(groups: list[Group], section: str) -> dict[str, list[int]]:
    return {group.title: group.indices.tolist() for group in groups if group.section == section}


def test_the_most_certain_come_first() -> None:
    groups = choose_groups(SCORED, CLASSES, 2)
    assert shown(groups, RIGHT) == {
        "tumour, predicted tumour": [3, 0],
        "normal, predicted normal": [5, 1],
    }
    assert shown(groups, WRONG) == {
        "tumour, predicted normal": [7, 4],
        "normal, predicted tumour": [8, 6],
    }
    assert shown(groups, NEAREST) == {"": [4, 9]}
    notes = [group.note for group in groups if group.section in (RIGHT, WRONG)]
    shares = ("3 of 5", "2 of 5", "2 of 5", "3 of 5")
    assert [note[:6] for note in notes] == list(shares)
    assert {group.section for group in groups} == {RIGHT, WRONG, NEAREST}


def test_a_threshold_moves_what_is_right_and_what_is_near() -> None:
    groups = choose_groups(replace(SCORED, threshold=1.0), CLASSES, 3)
    assert shown(groups, WRONG)["normal, predicted tumour"] == [8, 6]
    assert shown(groups, WRONG)["tumour, predicted normal"] == [7, 4, 2]
    assert shown(groups, NEAREST) == {"": [6, 2, 9]}


@pytest.mark.parametrize(("threshold", "nearest"), [(-np.inf, [5, 7, 1]), (np.inf, [3, 0, 8])])
def test_thresholds_of_0_and_1_are_infinite_log_odds(threshold: float, nearest: list[int]) -> None:
    groups = choose_groups(replace(SCORED, threshold=threshold), CLASSES, 3)
    assert shown(groups, NEAREST) == {"": nearest}


def test_the_slides_with_most_mistakes_come_first() -> None:
    groups = choose_groups(replace(SCORED, slides=SLIDES), CLASSES, 2)
    # a: both right; b: 4 of 2, 3, 4 is wrong; c: 6, 7, 8 and 9 of 5 to 9 are wrong
    assert shown(groups, BY_SLIDE) == {"c": [7, 5], "b": [4, 3]}
    notes = [group.note for group in groups if group.section == BY_SLIDE]
    assert notes == ["4 of 5 patches are wrong", "1 of 3 patches are wrong"]
    every = choose_groups(replace(SCORED, slides=SLIDES), CLASSES, 5)
    assert shown(every, BY_SLIDE)["a"] == [0]
    one = choose_groups(replace(SCORED, slides=["a"] * 10), CLASSES, 5)
    assert shown(one, BY_SLIDE) == {}


def test_stains_are_shown_in_thirds_of_their_strengths() -> None:
    stain = np.array([0.1, 0.1, 0.2, 0.2, 0.3, 0.4, 0.5, 0.5, 0.6, 0.6])
    groups = choose_groups(replace(SCORED, stain=stain), CLASSES, 2)
    assert shown(groups, BY_STAIN) == {
        "pale, optical density 0.10 to 0.20": [3],
        "medium, optical density 0.30 to 0.40": [4, 5],
        "strong, optical density 0.50 to 0.60": [7],
    }
    same = choose_groups(replace(SCORED, stain=np.full(10, 0.3)), CLASSES, 2)
    assert shown(same, BY_STAIN) == {}


def test_patches_of_equal_scores_are_in_their_order() -> None:
    scored = ScoredPatches(SCORED.ids, np.ones(10, np.uint8), np.full(10, 2.0), 0.0)
    groups = choose_groups(scored, CLASSES, 3)
    assert shown(groups, RIGHT)["tumour, predicted tumour"] == [0, 1, 2]
    assert shown(groups, WRONG)["normal, predicted tumour"] == []
