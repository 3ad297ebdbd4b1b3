"""Table 1 of the study: VGG-16 with all layers trained, on valid."""

from collections.abc import Sequence

from pcam.reporting import paper
from pcam.reporting.cells import describe_network, figure_cell
from pcam.reporting.page import Section, Table, Text
from pcam.reporting.study import config_of, summary_of
from pcam.sweeps.jobs import Job

COLUMNS = {
    "nll": "loss",
    "accuracy": "accuracy",
    "auroc": "AUROC",
    "precision": "precision",
    "sensitivity": "recall",
}
NOTE = (
    "On valid, which also chose the checkpoint; the loss is the plain cross entropy, "
    f"whatever the training loss was. {paper.TABLE1_NOTE}"
)


def build_table1(jobs: Sequence[Job]) -> Section:
    """Return the figures of each run of VGG-16 with all layers trained.

    Args:
        jobs: finished.
    """
    rows = [_cells(job) for job in jobs if _is_in_table(job)]
    if not rows:
        return Section("Table 1")
    rows.append(["the study", *[f"{paper.TABLE1[name]}" for name in COLUMNS]])
    table = Table(["", *COLUMNS.values()], rows, "table1")
    return Section("Table 1: VGG-16", [table, Text(NOTE, "soft")])


def _is_in_table(job: Job) -> bool:
    return job.network == "vgg16" and config_of(job).finetune.name == "full"


def _cells(job: Job) -> list[str]:
    """Return a run's row.

    Args:
        job: finished.
    """
    valid = summary_of(job)["valid"]
    figures = [figure_cell(valid[name]) for name in COLUMNS]
    return [f"{describe_network(job)}: {job.label}", *figures]
