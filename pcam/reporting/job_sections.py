"""The sections of a report that tell of jobs: what was run, with what, what did not end, and what to type again."""

from collections.abc import Mapping, Sequence
from typing import Any

from pcam.errors import format_override
from pcam.reporting.page import Code, Fold, Part, Section, Table, Text, narrowed
from pcam.reporting.table_sections import figure, named
from pcam.sweeps.jobs import Job
from pcam.sweeps.state import has_later_job

TABLES = ("jobs", "table1", "frozen", "table2", "table3", "differences", "unfinished", "figures")
FIGURES = (
    "job", "network", "weights", "augmentation", "finetune", "seed", "scale", "split", "figure", "value", "low", "high",
)  # fmt: skip


def count(jobs: int) -> str:
    """Return "1 job", "2 jobs"."""
    return f"{jobs} job{'s' * (jobs != 1)}"


def lead(title: str | None, jobs: Sequence[Job], split: str, over: str) -> tuple[str, list[Part]]:
    """Return the page's title and what stands before all."""
    name = (
        title
        or ", ".join(dict.fromkeys(job.experiment for job in jobs if job.experiment))
        or "Runs"
    )
    counts = {
        state: sum(job.state == state for job in jobs)
        for state in dict.fromkeys(job.state for job in jobs)
    }
    began = [job for job in jobs if job.config is not None]
    data = ", ".join(dict.fromkeys(str(job.config["data"]["name"]) for job in began if job.config))
    told = f"{count(len(jobs))}: {', '.join(f'{count} {state}' for state, count in counts.items())}"
    if data:
        told += f"; data: {data}; figures of {split}, 95 % intervals" + (
            f" over {over}" if over else ""
        )
    parts: list[Part] = [Text(told, "soft")]
    scales = dict.fromkeys(str(job.config.get("scale", "full")) for job in began if job.config)
    small = [scale for scale in scales if scale != "full"]
    if small:
        name += f" ({', '.join(small)})"
        parts.append(
            Text(
                f"scale={', '.join(small)}: smaller networks, fewer patches and epochs than the study's.",
                "notice",
            )
        )
    if "synthetic" in data:
        parts.append(Text("Made patches: these figures say nothing of tissue.", "notice"))
    return name, parts


def ran(jobs: Sequence[Job], split: str) -> Section:
    """Tell what was run, on what, with what."""
    head = [
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
    rows = []
    for job in jobs:
        if job.config is None:
            rows.append([job.told, job.state, *[""] * (len(head) - 2)])
            continue
        config, summary = job.config, job.summary
        seconds = sum(float(row["seconds"]) for row in job.rows)
        cells = [job.told, job.state, named(job)]
        cells.append("" if summary is None else str(summary["weights"]["origin"]))
        cells += [config["aug"]["name"], config["finetune"]["name"], str(config["seed"])]
        cells.append(
            f"{config['trainer']['max_epochs']}" if summary is None else f"{summary['epochs']}"
        )
        known = {} if summary is None else summary.get(split, {})
        cells += [figure(known[key]) if key in known else "" for key in ("auroc", "accuracy")]
        rows.append([*cells, f"{seconds / 60:.1f}"])
    common = [
        i for i in range(3, 8) if len({row[i] for row in rows if row[2]} - {""}) == 1
    ]  # told once
    alike = ", ".join(f"{head[i]} {next(row[i] for row in rows if row[i])}" for i in common)
    rows = [[cell for i, cell in enumerate(row) if i not in common] for row in rows]
    head = [cell for i, cell in enumerate(head) if i not in common]
    ended = [job.summary for job in jobs if job.summary is not None]
    facts: list[Part] = []
    for name, values in (
        ("code", [str(one["commit"]) for one in ended]),
        ("device", [f"{one['device']}, {one['precision']}" for one in ended]),
        (
            "versions",
            [
                ", ".join(f"{key} {value}" for key, value in one["versions"].items())
                for one in ended
            ],
        ),
        ("data", [_data(one["data"]) for one in ended]),  # with data.limit, train differs by seed
        ("weights", list(dict.fromkeys(_weights(one["weights"]) for one in ended))),
    ):
        facts += [Text(f"{name}: {value}", "soft") for value in dict.fromkeys(values)]
    parts: list[Part] = [narrowed(Table(head, rows, "jobs"), 2)]
    if alike:
        parts.append(Text(f"All that began: {alike}.", "soft"))
    return Section("What was run", [*parts, Fold("code, versions, data, weights", facts)])


def _weights(told: Mapping[str, Any]) -> str:
    detail = told.get("detail")
    return f"{told['origin']} ({detail})" if detail else str(told["origin"])


def _data(splits: Mapping[str, Any]) -> str:
    return "; ".join(
        f"{split}: {of['patches']:,} patches, {of['positive']:,} positive, sha256 {of['sha256'][:12]}…"
        for split, of in splits.items()
    )


def figures(jobs: Sequence[Job], split: str) -> list[list[Any]]:
    """Return a row, as ``FIGURES`` names it, of each figure of the jobs that ended, of valid and the final split."""
    rows = []
    for job in jobs:
        if job.state == "ended" and job.config is not None and job.summary is not None:
            told = [job.told, job.network, job.summary["weights"]["origin"], job.augmentation]
            told += [job.config["finetune"]["name"], job.config["seed"], job.scale]
            for part in dict.fromkeys(("valid", split)):
                for name, known in job.summary.get(part, {}).items():
                    rows.append(
                        [*told, part, name, *(known.get(key) for key in ("value", "low", "high"))]
                    )
    return rows


def unfinished(jobs: Sequence[Job]) -> Section:
    """Name the jobs that did not end, with their reasons and what to type."""
    left = [job for job in jobs if job.state not in ("ended", "pruned")]
    pruned = [job for job in jobs if job.state == "pruned" and not job.searched]
    title = "Failed and missing jobs" if not pruned else "Failed, pruned and missing jobs"
    if not left and not pruned:
        return Section(title)
    rows = [[job.told, job.state, job.why] for job in (*left, *pruned)]
    behind = [
        job for job in left if job.searched and job.state == "failed" and has_later_job(job.folder)
    ]
    busy = {job.again for job in left if job.state == "running"}  # the sweep itself may be at work
    mended = [
        job
        for job in left
        if job not in behind and (job.state != "broken" or job.config is not None)
    ]
    commands = [
        command for command in dict.fromkeys(job.again for job in mended) if command not in busy
    ]
    parts: list[Part] = [Table(["", "state", "why"], rows, "unfinished")]
    if behind:
        parts.append(
            Text("A failed trial is not tried again: the search went on without it.", "soft")
        )
    if commands:
        parts += [Text("This does what is missing:"), Code(commands)]
    return Section(title, parts)


def again(
    jobs: Sequence[Job], report: Sequence[str], split: str, together: Sequence[Job]
) -> Section:
    """Tell what to type for each part of the page.

    Args:
        jobs: all of them.
        report: the words of this report's command.
        split: which the figures are of.
        together: those whose predictions are of the same patches.
    """
    lines = [
        f"{command}   # the runs"
        for command in dict.fromkeys(job.again for job in jobs if job.sweep is not None)
    ]
    lines.append(f"python -m pcam.report {' '.join(report)}   # this page")
    ended = [job for job in jobs if job.summary is not None and split in job.summary]
    which = "" if split == "test" else f" split={split}"
    if len(together) > 1:
        every = format_override("runs", [job.folder for job in together])
        lines.append(f"python -m pcam.compare {every}{which}   # differences")
        lines.append(f"python -m pcam.ensemble {every}{which}   # votes, of all of them")
    ones = [job for job in ended if not job.searched][:1]
    for place in dict.fromkeys(job.folder.parent for job in ended if job.searched):
        ones.append(max((job for job in ended if job.folder.parent == place), key=_valid))
    doors = ("evaluate", "attribute", "bias")
    lines += [
        f"python -m pcam.{name} {format_override('run', one.folder)}{which}"
        for one in ones
        for name in doors
    ]
    return Section("To make each part again", [Code(lines)])


def _valid(job: Job) -> float:
    assert job.summary is not None
    value = job.summary["valid"]["auroc"]["value"]
    return -1.0 if value is None else float(value)
