"""The jobs: what was run, on what, with what result."""

from collections.abc import Mapping, Sequence

from pcam.reporting.cells import describe_network, figure_cell
from pcam.reporting.page import (
    Fold,
    Part,
    Section,
    Table,
    Text,
    drop_empty_columns,
    select_columns,
)
from pcam.sweeps.jobs import Job

HEAD = [
    "",
    "state",
    "network",
    "weights",
    "augmentation",
    "trained",
    "seed",
    "epochs",
    "AUROC",
    "accuracy",
    "minutes",
]
SETTINGS = range(3, 8)  # columns that are shown once below the table if all jobs agree

FIGURES_HEAD = [
    "job",
    "network",
    "weights",
    "augmentation",
    "finetune",
    "seed",
    "scale",
    "split",
    "figure",
    "value",
    "low",
    "high",
]

Figure = Mapping[str, float | None]  # "value", "low", "high"


def build_jobs(jobs: Sequence[Job], split: str) -> Section:
    """Return the table of all jobs and, folded, the code, versions, data and weights.

    Args:
        jobs: all of them.
        split: of the figures.
    """
    rows = [_row(job, split) for job in jobs]
    shared = [column for column in SETTINGS if _agree(rows, column)]
    parts: list[Part] = [_without_columns(rows, shared)]
    if shared:
        settings = ", ".join(f"{HEAD[column]} {_first(rows, column)}" for column in shared)
        parts.append(Text(f"All jobs that started: {settings}.", "soft"))
    parts.append(Fold("code, versions, data, weights", _facts(jobs)))
    return Section("What was run", parts)


def _without_columns(rows: Sequence[Sequence[str]], dropped: Sequence[int]) -> Table:
    """Return the table of the jobs without some columns, and without empty ones.

    Args:
        rows: with all columns of ``HEAD``.
        dropped: numbers of the columns to leave out.
    """
    kept = [column for column in range(len(HEAD)) if column not in dropped]
    table = select_columns(Table(HEAD, rows, "jobs"), kept)
    return drop_empty_columns(table, 2)


def _row(job: Job, split: str) -> list[str]:
    """Return a job's row, with all columns of ``HEAD``; of a job without config only its state."""
    config, summary = job.config, job.summary
    if config is None:
        empty = [""] * (len(HEAD) - 2)
        return [job.label, job.state, *empty]
    weights, epochs = "", config.trainer.max_epochs
    if summary is not None:
        weights, epochs = str(summary["weights"]["origin"]), summary["epochs"]
    seconds = sum(float(row["seconds"]) for row in job.rows)
    return [
        job.label,
        job.state,
        describe_network(job),
        weights,
        job.augmentation,
        config.finetune.name,
        str(config.seed),
        str(epochs),
        _figure(job, split, "auroc"),
        _figure(job, split, "accuracy"),
        f"{seconds / 60:.1f}",
    ]


def _figure(job: Job, split: str, name: str) -> str:
    """Return a figure of a job's split with its interval.

    Args:
        job: of any state.
        split: of the figure.
        name: of the figure.

    Returns:
        A cell, "" if the job has no such figure.
    """
    if job.summary is None:
        return ""
    figures = job.summary.get(split, {})
    if name not in figures:
        return ""
    return figure_cell(figures[name])


def _agree(rows: Sequence[Sequence[str]], column: int) -> bool:
    """Return whether the jobs that started have one value in a column."""
    values = {row[column] for row in rows if row[2]} - {""}
    return len(values) == 1


def _first(rows: Sequence[Sequence[str]], column: int) -> str:
    return next(row[column] for row in rows if row[column])


def _facts(jobs: Sequence[Job]) -> list[Part]:
    """Return what the jobs ran with: code, device, versions, data and weights.

    Args:
        jobs: those without a summary are left out.

    Returns:
        A line for each distinct value.
    """
    facts: dict[str, list[str]] = {
        "code": [],
        "device": [],
        "versions": [],
        "data": [],  # with data.limit, train differs by seed
        "weights": [],
    }
    for job in jobs:
        if job.summary is not None:
            summary = job.summary
            facts["code"].append(str(summary["commit"] or "commit unknown"))
            facts["device"].append(f"{summary['device']}, {summary['precision']}")
            facts["versions"].append(_describe_versions(summary["versions"]))
            facts["data"].append(_describe_data(summary["data"], summary.get("classes")))
            facts["weights"].append(_describe_weights(summary["weights"]))
    lines: list[Part] = []
    for name, values in facts.items():
        distinct = dict.fromkeys(values)
        lines += [Text(f"{name}: {value}", "soft") for value in distinct]
    return lines


def _describe_versions(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _describe_weights(weights: Mapping[str, str]) -> str:
    detail = weights.get("detail")
    return f"{weights['origin']} ({detail})" if detail else weights["origin"]


def _describe_data(
    splits: Mapping[str, Mapping[str, int | str]], classes: Sequence[str] | None
) -> str:
    """Return the size and the checksum of each split.

    Args:
        splits: "patches", "positive" and "sha256" by split.
        classes: the names of the labels 0 and 1; None if an earlier version did not store them.
    """
    positive = "positive" if classes is None else f"positive ({classes[1]})"
    parts = []
    for split, facts in splits.items():
        counts = f"{facts['patches']:,} patches, {facts['positive']:,} {positive}"
        parts.append(f"{split}: {counts}, sha256 {str(facts['sha256'])[:12]}…")
    return "; ".join(parts)


def list_figures(jobs: Sequence[Job], split: str) -> list[list[object]]:
    """Return the rows of figures.csv, with the columns of ``FIGURES_HEAD``.

    Args:
        jobs: those that count.
        split: the final split, whose figures follow those of valid.
    """
    splits = dict.fromkeys(("valid", split))
    rows: list[list[object]] = []
    for job in jobs:
        if job.state != "finished" or job.config is None or job.summary is None:
            continue
        start = [
            job.label,
            job.network,
            job.summary["weights"]["origin"],
            job.augmentation,
            job.config.finetune.name,
            job.config.seed,
            job.scale,
        ]
        for part in splits:
            figures: Mapping[str, Figure] = job.summary.get(part, {})
            for name, figure in figures.items():
                values = [figure.get(key) for key in ("value", "low", "high")]
                rows.append([*start, part, name, *values])
    return rows
