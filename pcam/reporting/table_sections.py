"""The sections of a report that hold figures: the study's tables in its layout, differences, searches."""

from collections.abc import Mapping, Sequence
from typing import Any

from pcam.reporting import paper
from pcam.reporting.page import Fold, Part, Picture, Section, Table, Text, narrowed
from pcam.stats.formatting import format_difference, format_interval, format_p_value
from pcam.stats.seeds import over_seeds
from pcam.sweeps.jobs import Job

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


Row2 = tuple[
    str, Sequence[Job], Sequence[Job], dict[str, Any] | None
]  # what is apart, augmented, not, their difference
Way = tuple[
    str, str, Sequence[Job], dict[str, Any] | None
]  # what is apart, what was trained, difference from all layers


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
    known = {
        key: float("nan") if value.get(key) is None else value[key]
        for key in ("value", "low", "high")
    }
    return format_interval(known, form=".3f")


def several(figures: Sequence[Mapping[str, Any]]) -> str:
    """Return a figure of one run with its interval, or of several mean and sd over them."""
    if len(figures) == 1:
        return figure(figures[0])
    known = [one["value"] for one in figures if one["value"] is not None]
    told = over_seeds(known)
    return f"{told['mean']:.3f} ± {told['sd']:.3f} ({len(known)} runs)" if known else "not defined"


def table1(jobs: Sequence[Job]) -> Section:
    """Table 1: VGG-16 with all layers trained, on valid."""
    mine = [
        job
        for job in jobs
        if job.network == "vgg16" and job.config and job.config["finetune"]["name"] == "full"
    ]
    if not mine:
        return Section("Table 1")
    names = {
        "nll": "loss",
        "accuracy": "accuracy",
        "auroc": "AUROC",
        "precision": "precision",
        "sensitivity": "recall",
    }
    rows = [
        [f"{named(job)}: {job.told}", *(figure(job.summary["valid"][key]) for key in names)]
        for job in mine
        if job.summary
    ]
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
        cells = [
            several([job.summary["valid"][key] for job in those if job.summary])
            for key in ("accuracy", "auroc")
        ]
        known = paper.FROZEN.get((those[0].network, way))
        lines.append(
            [
                named(those[0], apart),
                way.replace("_", " "),
                *cells,
                *_differed(difference),
                f"{known or ''}",
            ]
        )
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
        ours = [
            several([job.summary[split]["auroc"] for job in side if job.summary])
            for side in (on, off)
        ]
        known = paper.TABLE2.get(on[0].network)
        theirs = (
            ["", "", ""]
            if known is None
            else [f"{known[0]}", f"{known[1]}", f"{known[0] - known[1]:+.4f}"]
        )
        name = named(on[0], on[0].augmentation if several_kinds else "", apart)
        lines.append(
            [name, ours[0], theirs[0], ours[1], theirs[1], *_differed(difference), theirs[2]]
        )
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
        told += (
            "; over seeds by the paired t (these patches, other seeds)."
            if "over seeds" in table.head
            else "."
        )
        told += " p is corrected for the table's differences by Holm's method."
    if any(one is not None and one["common"] for one in differences):
        told += " Differences are over the seeds that both have."
    return told


def _differed(difference: Mapping[str, Any] | None) -> list[str]:
    if difference is None:
        return ["", "", "", ""]
    p = format_p_value(difference.get("p_holm", difference["p"]))
    seeds = difference["seeds"]
    over = (
        ["", ""]
        if seeds is None
        else [format_difference(seeds), format_p_value(seeds.get("p_holm", seeds["p"]))]
    )
    return [format_difference(difference), p, *over]


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
        cells = [
            figure(job.summary[split]["auroc"]),
            f"{paper.TABLE3.get(job.network, '')}",
            _known(label),
            "",
            "",
        ]
        rows.append([named(job, data), *cells, job.told])
    for name, rule in rules.items():
        theirs = f"{paper.VOTE}" if name == "majority_vote" and known else ""
        cells = [figure(rule), theirs, _known(rule["hard"]), *_differed(rule["less"])[:2]]
        rows.append([RULES.get(name, name.replace("_", " ")), *cells, ""])
    against = (
        ""
        if best is None
        else f" less {NAMES.get(best.network, best.network)}'s, the best by valid"
    )
    head = ["", "AUROC", "the study", "AUROC of 0/1 labels", f"AUROC{against}", "p (Holm)", "run"]
    table = narrowed(Table(head, rows, "table3"))
    notes = [
        f"{split}; one run of each network: augmented where there is one, not frozen where there is one, of the least seed.",
        "A vote of hard labels throws the ranking away: what is left is balanced accuracy."
        if rules
        else "",
        "The differences by the paired bootstrap; p is corrected for the rules by Holm's method."
        if rules
        else "",
        f"Votes are of those on the same patches: {', '.join(job.told for job in voters)}."
        if 0 < len(voters) < len(jobs)
        else "",
        paper.beside(known),
    ]
    return Section(
        "Table 3: the networks and their vote", [table, Text(" ".join(filter(None, notes)), "soft")]
    )


def _known(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def differences(rows: Sequence[tuple[str, str, Mapping[str, Any] | None]], over: str) -> Section:
    """Groups of runs that differ in more than their seed, each with each."""
    lines = [[first, second, *_differed(difference)] for first, second, difference in rows]
    table = narrowed(
        Table(
            ["first", "less second", "AUROC", "p (Holm)", "over seeds", "p (Holm), seeds"],
            lines,
            "differences",
        )
    )
    return Section(
        "Differences",
        [table, Text(f"Drawn over {over}.{_how(table, [row[2] for row in rows])}", "soft")],
    )


def searched(
    name: str, jobs: Sequence[Job], best: int | None, picture: bytes, number: int
) -> Section:
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
        parts.append(
            Fold(
                f"{len(pruned)} pruned",
                [Table(["", "why"], [[job.told, job.why] for job in pruned])],
            )
        )
    return Section(f"Search: {name}", parts)
