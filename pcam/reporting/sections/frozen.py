"""Frozen backbones against training of all layers, on valid."""

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
from pcam.reporting.page import Section, Table, Text, drop_empty_columns
from pcam.reporting.study import Study, config_of
from pcam.runs.identity import SEEDS
from pcam.sweeps.grouping import group_by_config
from pcam.sweeps.jobs import Job

TITLE = "Frozen against all layers"
HEAD = [
    "network",
    "trained",
    "accuracy",
    "AUROC",
    "AUROC minus full's",
    *DIFFERENCE_HEAD,
    "the study's accuracy",
]


@dataclass(frozen=True)
class Row:
    """Repeats of one way of fine-tuning.

    Attributes:
        details: what distinguishes them from others with the same network.
        finetune: name of the way.
        jobs: the repeats.
        difference: from training of all layers with the same settings; None where there is none.
    """

    details: str
    finetune: str
    jobs: list[Job]
    difference: Difference | None


def build_frozen(study: Study, jobs: Sequence[Job]) -> Section:
    """Return each way of fine-tuning beside training of all layers.

    Args:
        study: of the jobs.
        jobs: finished.

    Returns:
        A section; without parts if no network is fine-tuned in several ways.
    """
    valid = study.with_split("valid")
    rows = []
    for details, similar in group_by_config(jobs, {*SEEDS, "finetune"}):
        rows += _rows(valid, details, similar)
    if not rows:
        return Section(TITLE)
    differences = correct_p_values([row.difference for row in rows])
    cells = list(map(_cells, rows, differences))
    table = drop_empty_columns(Table(HEAD, cells, "frozen"))
    note = f"On valid. {difference_note(table, differences)}".strip()
    return Section(TITLE, [table, Text(note, "soft")])


def _rows(valid: Study, details: str, jobs: Sequence[Job]) -> list[Row]:
    """Return the rows of jobs that differ in nothing but the fine-tuning and the seed.

    Args:
        valid: the study, with figures of valid.
        details: what distinguishes the jobs from others with the same network.
        jobs: fine-tuned in any way.

    Returns:
        A row for each way of fine-tuning; none if there is one way only.
    """
    by_name = _group_by_finetune(jobs)
    if len(by_name) < 2:
        return []
    full = dict(group_by_config(by_name.get("full", []), SEEDS))
    rows = []
    for name, same_way in by_name.items():
        for own_details, repeats in group_by_config(same_way, SEEDS):
            both = join_details(details, own_details)
            difference = _difference_from_full(valid, repeats, full, own_details)
            rows.append(Row(both, name, repeats, difference))
    return rows


def _group_by_finetune(jobs: Sequence[Job]) -> dict[str, list[Job]]:
    """Return the jobs by the name of the way of fine-tuning.

    Args:
        jobs: fine-tuned in any way.
    """
    by_name: dict[str, list[Job]] = {}
    for job in jobs:
        name = config_of(job).finetune.name
        by_name.setdefault(name, []).append(job)
    return by_name


def _difference_from_full(
    valid: Study, repeats: list[Job], full: dict[str, list[Job]], details: str
) -> Difference | None:
    """Return the difference from training of all layers.

    Args:
        valid: the study, with figures of valid.
        repeats: of one way of fine-tuning.
        full: repeats of training of all layers, by their details.
        details: of ``repeats``.

    Returns:
        The difference; None for training of all layers itself, or without it.
    """
    reference = _reference(full, details)
    is_full = config_of(repeats[0]).finetune.name == "full"
    if reference is None or is_full:
        return None
    return mean_difference(valid, repeats, reference)


def _reference(full: dict[str, list[Job]], details: str) -> list[Job] | None:
    """Return the runs with all layers trained to compare with.

    These are the only ones, or those with the same details.
    """
    if len(full) == 1:
        return next(iter(full.values()))
    return full.get(details)


def _cells(row: Row, difference: Difference | None) -> list[str]:
    """Return a row of the table, with the columns of ``HEAD``."""
    first = row.jobs[0]
    study = paper.FROZEN.get((first.network, row.finetune))
    return [
        describe_network(first, row.details),
        row.finetune.replace("_", " "),
        figures_cell(split_figures(row.jobs, "valid", "accuracy")),
        figures_cell(split_figures(row.jobs, "valid", "auroc")),
        *difference_cells(difference),
        "" if study is None else f"{study}",
    ]
