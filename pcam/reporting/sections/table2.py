"""Table 2 of the study: with and without augmentation."""

from collections.abc import Sequence
from dataclasses import dataclass

from pcam.reporting import paper
from pcam.reporting.cells import (
    DIFFERENCE_HEAD,
    describe_network,
    difference_cells,
    difference_note,
    figures_cell,
    join_details,
    split_figures,
)
from pcam.reporting.differences import Difference, correct_p_values, mean_difference
from pcam.reporting.page import Part, Section, Table, Text, drop_empty_columns
from pcam.reporting.study import Study
from pcam.runs.identity import SEEDS
from pcam.sweeps.grouping import group_by_config
from pcam.sweeps.jobs import Job

HEAD = [
    "network",
    "with augmentation",
    "the study, with",
    "without",
    "the study, without",
    "difference",
    *DIFFERENCE_HEAD,
    "the study, difference",
]


@dataclass(frozen=True)
class Row:
    """Repeats with an augmentation and without, otherwise equal.

    Attributes:
        details: what distinguishes them from others with the same network.
        augmented: runs with the augmentation.
        plain: runs without.
        difference: of the first and the second.
    """

    details: str
    augmented: list[Job]
    plain: list[Job]
    difference: Difference | None


def build_table2(study: Study, jobs: Sequence[Job]) -> Section:
    """Return each augmentation of a network beside none, where nothing else but the seed differs.

    Args:
        study: of the jobs.
        jobs: finished.
    """
    rows = []
    for details, similar in group_by_config(jobs, {*SEEDS, "aug"}):
        rows += _rows(study, details, similar)
    if not rows:
        return Section("Table 2")
    differences = correct_p_values([row.difference for row in rows])
    augmentations = {row.augmented[0].augmentation for row in rows}
    name_augmentation = len(augmentations) > 1
    cells = []
    for row, difference in zip(rows, differences, strict=True):
        cells.append(_cells(row, difference, study.split, name_augmentation))
    table = drop_empty_columns(Table(HEAD, cells, "table2"))
    note = f"AUROC, {study.split}. {difference_note(table, differences)}".strip()
    parts: list[Part] = [table, Text(note, "soft")]
    networks = [row.augmented[0].network for row in rows]
    notes = paper.study_notes([network for network in networks if network in paper.TABLE2])
    if notes:
        parts.append(Text(notes, "soft"))
    return Section("Table 2: the effect of augmentation", parts)


def _rows(study: Study, details: str, jobs: Sequence[Job]) -> list[Row]:
    """Return the rows of jobs that differ in nothing but the augmentation and the seed.

    Args:
        study: of the jobs.
        details: what distinguishes them from others with the same network.
        jobs: with any augmentation.
    """
    plain = [job for job in jobs if not job.augmented]
    if not plain:
        return []
    rows = []
    for augmented in _by_augmentation(jobs):
        for own_details, repeats in group_by_config(augmented, SEEDS):
            difference = mean_difference(study, repeats, plain)
            rows.append(Row(join_details(details, own_details), repeats, plain, difference))
    return rows


def _by_augmentation(jobs: Sequence[Job]) -> list[list[Job]]:
    """Return the augmented jobs by their augmentation.

    Args:
        jobs: with any augmentation or none.

    Returns:
        Lists of jobs with one augmentation each.
    """
    augmented = [job for job in jobs if job.augmented]
    found: dict[str, list[Job]] = {}
    for job in augmented:
        found.setdefault(job.augmentation, []).append(job)
    return list(found.values())


def _cells(
    row: Row, difference: Difference | None, split: str, name_augmentation: bool
) -> list[str]:
    """Return a row of the table, with the columns of ``HEAD``.

    Args:
        row: the runs to show.
        difference: of the row, with p corrected.
        split: of the figures.
        name_augmentation: whether to name the augmentation beside the network.
    """
    first = row.augmented[0]
    augmentation = first.augmentation if name_augmentation else ""
    study = ["", "", ""]
    if first.network in paper.TABLE2:
        augmented, plain = paper.TABLE2[first.network]
        study = [f"{augmented}", f"{plain}", f"{augmented - plain:+.4f}"]
    return [
        describe_network(first, augmentation, row.details),
        figures_cell(split_figures(row.augmented, split, "auroc")),
        study[0],
        figures_cell(split_figures(row.plain, split, "auroc")),
        study[1],
        *difference_cells(difference),
        study[2],
    ]
