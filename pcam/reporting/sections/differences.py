"""Differences between groups of runs that differ in more than their seed."""

from collections.abc import Mapping, Sequence
from itertools import combinations

from pcam.reporting.cells import DIFFERENCE_HEAD, difference_cells, difference_note
from pcam.reporting.differences import correct_p_values, mean_difference
from pcam.reporting.page import Section, Table, Text, drop_empty_columns
from pcam.reporting.study import Study
from pcam.stats.intervals import unit
from pcam.sweeps.grouping import group_repeats
from pcam.sweeps.jobs import Job

TITLE = "Differences"
MAX_PAIRS = 15  # more are left to pcam.compare


def build_differences(study: Study, jobs: Sequence[Job]) -> Section:
    """Return the difference of each pair of groups.

    Args:
        study: of the jobs.
        jobs: finished.
    """
    groups = group_repeats(jobs)
    pairs = _comparable_pairs(study, groups)
    if not pairs:
        return Section(TITLE)
    if len(pairs) > MAX_PAIRS:
        note = (
            f"{len(pairs)} pairs of {len(groups)} groups are too many for this page; "
            "python -m pcam.compare shows them (below)."
        )
        return Section(TITLE, [Text(note, "soft")])
    differences = correct_p_values(
        [mean_difference(study, groups[first], groups[second]) for first, second in pairs]
    )
    rows = []
    for (first, second), difference in zip(pairs, differences, strict=True):
        rows.append([first, second, *difference_cells(difference)])
    head = ["first", "minus second", "AUROC", *DIFFERENCE_HEAD]
    table = drop_empty_columns(Table(head, rows, "differences"))
    over = unit(study.align(study.comparable(jobs)).slides)
    note = f"Bootstrap over {over}. {difference_note(table, differences)}".strip()
    return Section(TITLE, [table, Text(note, "soft")])


def _comparable_pairs(study: Study, groups: Mapping[str, list[Job]]) -> list[tuple[str, str]]:
    """Return the pairs of groups with predictions of the same patches.

    Args:
        study: of the jobs.
        groups: repeats by their label.

    Returns:
        The labels of both groups.
    """
    pairs = []
    for first, second in combinations(groups, 2):
        sides = study.comparable_sides(groups[first], groups[second])
        if sides is not None:
            pairs.append((first, second))
    return pairs
