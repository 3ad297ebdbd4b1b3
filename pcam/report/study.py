"""The sections of a report: what was run, the study's tables in its layout, differences, what is missing."""

from collections.abc import Mapping, Sequence
from typing import Any

from pcam.errors import typed
from pcam.report import paper, screens
from pcam.report.page import Code, Fold, Part, Picture, Section, Table, Text, narrowed
from pcam.stats.compare import over_seeds
from pcam.sweeps.jobs import Job
from pcam.sweeps.ledger import left_behind

NAMES = {
    "efficientnet_b0": "EfficientNet-B0",
    "tf_efficientnet_b7": "EfficientNet-B7",
    "resnet50": "ResNet-50",
    "legacy_xception": "Xception",
    "googlenet": "GoogLeNet",
    "vgg16": "VGG-16",
    "densenet201": "DenseNet201",
}
RULES = {
    "majority_vote": "majority vote of hard labels",
    "mean_probability": "mean probability",
    "mean_logit": "mean logit",
    "rank_mean": "mean rank",
}


TABLES = ("jobs", "table1", "frozen", "table2", "table3", "differences", "unfinished", "figures")
FIGURES = (
    "job", "network", "weights", "augmentation", "finetune", "seed", "scale", "split", "figure", "value", "low", "high",
)  # fmt: skip
Row2 = tuple[str, Sequence[Job], Sequence[Job], dict[str, Any] | None]  # what is apart, augmented, not, their difference
Way = tuple[str, str, Sequence[Job], dict[str, Any] | None]  # what is apart, what was trained, difference from all layers


def named(job: Job, *apart: str) -> str:
    """Return what a table calls a job's network; at a smaller scale also what it is; and what is apart about it."""
    assert job.config is not None
    name, known = job.config["model"]["name"], NAMES.get(job.network, job.network)
    scale = "" if job.scale == "full" else f" ({job.scale})"
    told = f"{known} ({job.scale}: {name})" if name != job.network else f"{known}{scale}"
    return ", ".join([told, *filter(None, apart)])


def figure(value: Mapping[str, Any]) -> str:
    """Return "0.925 [0.907, 0.940]"."""
    if value["value"] is None:
        return "not defined"
    known = {key: float("nan") if value.get(key) is None else value[key] for key in ("value", "low", "high")}
    return screens.interval(known, form=".3f")


def several(figures: Sequence[Mapping[str, Any]]) -> str:
    """Return a figure of one run with its interval, or of several mean and sd over them."""
    if len(figures) == 1:
        return figure(figures[0])
    known = [one["value"] for one in figures if one["value"] is not None]
    told = over_seeds(known)
    return f"{told['mean']:.3f} ± {told['sd']:.3f} ({len(known)} runs)" if known else "not defined"


def count(jobs: int) -> str:
    """Return "1 job", "2 jobs"."""
    return f"{jobs} job{'s' * (jobs != 1)}"


def lead(title: str | None, jobs: Sequence[Job], split: str, over: str) -> tuple[str, list[Part]]:
    """Return the page's title and what stands before all."""
    name = title or ", ".join(dict.fromkeys(job.experiment for job in jobs if job.experiment)) or "Runs"
    counts = {state: sum(job.state == state for job in jobs) for state in dict.fromkeys(job.state for job in jobs)}
    began = [job for job in jobs if job.config is not None]
    data = ", ".join(dict.fromkeys(str(job.config["data"]["name"]) for job in began if job.config))
    told = f"{count(len(jobs))}: {', '.join(f'{count} {state}' for state, count in counts.items())}"
    if data:
        told += f"; data: {data}; figures of {split}, 95 % intervals" + (f" over {over}" if over else "")
    parts: list[Part] = [Text(told, "soft")]
    scales = dict.fromkeys(str(job.config.get("scale", "full")) for job in began if job.config)
    small = [scale for scale in scales if scale != "full"]
    if small:
        name += f" ({', '.join(small)})"
        parts.append(Text(f"scale={', '.join(small)}: smaller networks, fewer patches and epochs than the study's.", "notice"))
    if "synthetic" in data:
        parts.append(Text("Made patches: these figures say nothing of tissue.", "notice"))
    return name, parts


def ran(jobs: Sequence[Job], split: str) -> Section:
    """Tell what was run, on what, with what."""
    head = ["", "state", "network", "weights", "augmentation", "trained", "seed", "epochs", "AUROC", "accuracy", "minutes"]
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
        cells.append(f"{config['trainer']['max_epochs']}" if summary is None else f"{summary['epochs']}")
        known = {} if summary is None else summary.get(split, {})
        cells += [figure(known[key]) if key in known else "" for key in ("auroc", "accuracy")]
        rows.append([*cells, f"{seconds / 60:.1f}"])
    common = [i for i in range(3, 8) if len({row[i] for row in rows if row[2]} - {""}) == 1]  # told once
    alike = ", ".join(f"{head[i]} {next(row[i] for row in rows if row[i])}" for i in common)
    rows = [[cell for i, cell in enumerate(row) if i not in common] for row in rows]
    head = [cell for i, cell in enumerate(head) if i not in common]
    ended = [job.summary for job in jobs if job.summary is not None]
    facts: list[Part] = []
    for name, values in (
        ("code", [str(one["commit"]) for one in ended]),
        ("device", [f"{one['device']}, {one['precision']}" for one in ended]),
        ("versions", [", ".join(f"{key} {value}" for key, value in one["versions"].items()) for one in ended]),
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
                    rows.append([*told, part, name, *(known.get(key) for key in ("value", "low", "high"))])
    return rows


def table1(jobs: Sequence[Job]) -> Section:
    """Table 1: VGG-16 with all layers trained, on valid."""
    mine = [job for job in jobs if job.network == "vgg16" and job.config and job.config["finetune"]["name"] == "full"]
    if not mine:
        return Section("Table 1")
    names = {"nll": "loss", "accuracy": "accuracy", "auroc": "AUROC", "precision": "precision", "sensitivity": "recall"}
    rows = [[f"{named(job)}: {job.told}", *(figure(job.summary["valid"][key]) for key in names)] for job in mine if job.summary]
    rows.append(["the study", *(f"{paper.TABLE1[key]}" for key in names)])
    how = "On valid, which also chose the checkpoint; the loss is the plain cross entropy, whatever was trained by."
    note = Text(f"{how} {paper.TABLE1_NOTE}", "soft")
    return Section("Table 1: VGG-16", [Table(["", *names.values()], rows, "table1"), note])


def frozen(rows: Sequence[Way]) -> Section:
    """Frozen against all layers, on valid."""
    if not rows:
        return Section("Frozen against all layers")
    head = [
        "network", "trained", "accuracy", "AUROC", "AUROC less full's", "p (Holm)", "over seeds", "p (Holm), seeds",
        "the study's accuracy",
    ]  # fmt: skip
    lines = []
    for apart, way, those, difference in rows:
        cells = [several([job.summary["valid"][key] for job in those if job.summary]) for key in ("accuracy", "auroc")]
        known = paper.FROZEN.get((those[0].network, way))
        lines.append([named(those[0], apart), way.replace("_", " "), *cells, *_differed(difference), f"{known or ''}"])
    table = narrowed(Table(head, lines, "frozen"))
    how = _how(table, [row[3] for row in rows])
    return Section("Frozen against all layers", [table, Text(f"On valid.{how}", "soft")])


def table2(rows: Sequence[Row2], split: str) -> Section:
    """Table 2: with and without augmentation."""
    if not rows:
        return Section("Table 2")
    several_kinds = len({on[0].augmentation for _, on, _, _ in rows}) > 1
    head = [
        "network", "with augmentation", "the study, with", "without", "the study, without", "difference", "p (Holm)",
        "over seeds", "p (Holm), seeds", "the study, difference",
    ]  # fmt: skip
    lines = []
    for apart, on, off, difference in rows:
        ours = [several([job.summary[split]["auroc"] for job in side if job.summary]) for side in (on, off)]
        known = paper.TABLE2.get(on[0].network)
        theirs = ["", "", ""] if known is None else [f"{known[0]}", f"{known[1]}", f"{known[0] - known[1]:+.4f}"]
        name = named(on[0], on[0].augmentation if several_kinds else "", apart)
        lines.append([name, ours[0], theirs[0], ours[1], theirs[1], *_differed(difference), theirs[2]])
    table = narrowed(Table(head, lines, "table2"))
    notes = [Text(f"AUROC, {split}.{_how(table, [row[3] for row in rows])}", "soft")]
    beside = paper.beside([on[0].network for _, on, _, _ in rows if on[0].network in paper.TABLE2])
    notes += [Text(beside, "soft")] if beside else []
    return Section("Table 2: what augmentation is worth", [table, *notes])


def _how(table: Table, differences: Sequence[Mapping[str, Any] | None]) -> str:
    """Return how the differences that a table holds were tested."""
    told = ""
    if "p (Holm)" in table.head:
        told += " The difference is of the mean AUROCs; its interval and p by the paired bootstrap (other patches, these runs)"
        told += "; over seeds by the paired t (these patches, other seeds)." if "over seeds" in table.head else "."
        told += " p is corrected for the table's differences by Holm's method."
    if any(one is not None and one["common"] for one in differences):
        told += " Differences are over the seeds that both have."
    return told


def _differed(difference: Mapping[str, Any] | None) -> list[str]:
    if difference is None:
        return ["", "", "", ""]
    p = screens.p_value(difference.get("p_holm", difference["p"]))
    seeds = difference["seeds"]
    over = ["", ""] if seeds is None else [screens.signed(seeds), screens.p_value(seeds.get("p_holm", seeds["p"]))]
    return [screens.signed(difference), p, *over]


def table3(
    jobs: Sequence[Job], hard: Sequence[float | None], rules: Mapping[str, Mapping[str, Any]], voters: Sequence[Job],
    best: Job | None, split: str,
) -> Section:  # fmt: skip
    """Table 3: the networks and their vote.

    Args:
        jobs: one run of each.
        hard: AUROC of each one's 0/1 labels, where it is known.
        rules: what each rule of voting came to: its AUROC with "less", the difference from the best, and "hard".
        voters: those that voted.
        best: of them, by valid.
        split: which the figures are of.
    """
    rows = []
    known = [job.network for job in jobs if job.network in paper.TABLE3]
    for job, label in zip(jobs, hard, strict=True):
        assert job.summary is not None
        data = job.data if len({other.data for other in jobs}) > 1 else ""
        cells = [figure(job.summary[split]["auroc"]), f"{paper.TABLE3.get(job.network, '')}", _known(label), "", ""]
        rows.append([named(job, data), *cells, job.told])
    for name, rule in rules.items():
        theirs = f"{paper.VOTE}" if name == "majority_vote" and known else ""
        cells = [figure(rule), theirs, _known(rule["hard"]), *_differed(rule["less"])[:2]]
        rows.append([RULES.get(name, name.replace("_", " ")), *cells, ""])
    against = "" if best is None else f" less {NAMES.get(best.network, best.network)}'s, the best by valid"
    head = ["", "AUROC", "the study", "AUROC of 0/1 labels", f"AUROC{against}", "p (Holm)", "run"]
    table = narrowed(Table(head, rows, "table3"))
    notes = [
        f"{split}; one run of each network: augmented where there is one, not frozen where there is one, of the least seed.",
        "A vote of hard labels throws the ranking away: what is left is balanced accuracy." if rules else "",
        "The differences by the paired bootstrap; p is corrected for the rules by Holm's method." if rules else "",
        f"Votes are of those on the same patches: {', '.join(job.told for job in voters)}."
        if 0 < len(voters) < len(jobs)
        else "",
        paper.beside(known),
    ]
    return Section("Table 3: the networks and their vote", [table, Text(" ".join(filter(None, notes)), "soft")])


def _known(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def differences(rows: Sequence[tuple[str, str, Mapping[str, Any] | None]], over: str) -> Section:
    """Groups of runs that differ in more than their seed, each with each."""
    lines = [[first, second, *_differed(difference)] for first, second, difference in rows]
    table = narrowed(
        Table(["first", "less second", "AUROC", "p (Holm)", "over seeds", "p (Holm), seeds"], lines, "differences")
    )
    return Section("Differences", [table, Text(f"Drawn over {over}.{_how(table, [row[2] for row in rows])}", "soft")])


def searched(name: str, jobs: Sequence[Job], best: int | None, picture: bytes, number: int) -> Section:
    """A search's trials."""
    parts: list[Part] = [Picture(f"search-{number}.png", picture, "trials by valid AUROC")]
    if best is not None:
        job = jobs[best]
        assert job.summary is not None
        told = f"Best by valid AUROC, {figure(job.summary['valid']['auroc'])}: {job.told}."
        if "test" in job.summary:
            told += f" Its test AUROC, looked at after: {figure(job.summary['test']['auroc'])}."
        parts.insert(0, Text(told))
    pruned = [job for job in jobs if job.state == "pruned"]
    if pruned:
        parts.append(Fold(f"{len(pruned)} pruned", [Table(["", "why"], [[job.told, job.why] for job in pruned])]))
    return Section(f"Search: {name}", parts)


def unfinished(jobs: Sequence[Job]) -> Section:
    """Name the jobs that did not end, with their reasons and what to type."""
    left = [job for job in jobs if job.state not in ("ended", "pruned")]
    pruned = [job for job in jobs if job.state == "pruned" and not job.searched]
    title = "Failed and missing jobs" if not pruned else "Failed, pruned and missing jobs"
    if not left and not pruned:
        return Section(title)
    rows = [[job.told, job.state, job.why] for job in (*left, *pruned)]
    behind = [job for job in left if job.searched and job.state == "failed" and left_behind(job.folder)]
    busy = {job.again for job in left if job.state == "running"}  # the sweep itself may be at work
    mended = [job for job in left if job not in behind and (job.state != "broken" or job.config is not None)]
    commands = [command for command in dict.fromkeys(job.again for job in mended) if command not in busy]
    parts: list[Part] = [Table(["", "state", "why"], rows, "unfinished")]
    if behind:
        parts.append(Text("A failed trial is not tried again: the search went on without it.", "soft"))
    if commands:
        parts += [Text("This does what is missing:"), Code(commands)]
    return Section(title, parts)


def again(jobs: Sequence[Job], report: Sequence[str], split: str, together: Sequence[Job]) -> Section:
    """Tell what to type for each part of the page.

    Args:
        jobs: all of them.
        report: the words of this report's command.
        split: which the figures are of.
        together: those whose predictions are of the same patches.
    """
    lines = [f"{command}   # the runs" for command in dict.fromkeys(job.again for job in jobs if job.sweep is not None)]
    lines.append(f"python -m pcam.report {' '.join(report)}   # this page")
    ended = [job for job in jobs if job.summary is not None and split in job.summary]
    which = "" if split == "test" else f" split={split}"
    if len(together) > 1:
        every = typed("runs", [job.folder for job in together])
        lines.append(f"python -m pcam.compare {every}{which}   # differences")
        lines.append(f"python -m pcam.ensemble {every}{which}   # votes, of all of them")
    ones = [job for job in ended if not job.searched][:1]
    for place in dict.fromkeys(job.folder.parent for job in ended if job.searched):
        ones.append(max((job for job in ended if job.folder.parent == place), key=_valid))
    doors = ("evaluate", "attribute", "bias")
    lines += [f"python -m pcam.{name} {typed('run', one.folder)}{which}" for one in ones for name in doors]
    return Section("To make each part again", [Code(lines)])


def _valid(job: Job) -> float:
    assert job.summary is not None
    value = job.summary["valid"]["auroc"]["value"]
    return -1.0 if value is None else float(value)
