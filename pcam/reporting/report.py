"""Sweeps and runs gathered: what was run, the study's tables from it, and what is missing."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcam.errors import ConfigError, RunError, format_override
from pcam.evaluation.compare import bootstrap_settings
from pcam.reporting import job_sections, page, plots, table_sections
from pcam.reporting.comparison import Study, auroc
from pcam.reporting.page import Part, Picture, Section, Text
from pcam.runs.files import match_paths, read_json, write_csv, write_file
from pcam.runs.folder import Config
from pcam.stats import votes
from pcam.stats.compare import holm, paired_difference
from pcam.stats.curves import Curve, Reliability, operating_curves, reliability
from pcam.stats.intervals import bootstrap_metrics, unit
from pcam.stats.metrics import Floats, Labels, classification_metrics
from pcam.sweeps.grouping import group_by_config, group_repeats, label_jobs, varied_values
from pcam.sweeps.jobs import Job, find_jobs

PICTURES = ("training", "operating", "search-*", "maps-*", "also-*")
SEEDS = ("seed", "splits.seed")  # what repeats of one thing may differ in
PAIRS = 15  # differences that are told; more would say little


def report(config: Config, folder: Path) -> Path:
    """Write report.html, report.md, figures and csv of sweeps and runs.

    Returns:
        The page.

    Raises:
        PcamError: a folder is none of these, or is broken.
    """
    drawn = bootstrap_settings(config)
    split = config["split"]
    if split not in ("valid", "test"):
        raise ConfigError(f"split={split}; it is valid or test")
    jobs = label_jobs(find_jobs(config["runs"]))
    if not any(job.summary and split in job.summary for job in jobs) and any(
        job.summary for job in jobs
    ):
        split = "valid"  # data without a labelled test split
    counted, again = _once(jobs)
    told = Study(counted, split, drawn)
    together = told.together(told.ended)
    title, lead = job_sections.lead(
        config["title"], jobs, split, unit(told.side_by_side(together).slides) if together else ""
    )
    lacking = [job.told for job in jobs if job.summary is not None and split not in job.summary]
    if lacking:
        lead.append(Text(f"No figures of {split}: {', '.join(lacking)}", "notice"))
    if told.apart and len(told.ended) > 1:
        why = "; ".join(f"{', '.join(names)} ({reason})" for reason, names in told.apart.items())
        lead.append(Text(f"Not compared with the others: {why}", "notice"))
    if again:
        lead.append(
            Text(
                f"Counted once, being equal in config, seed, patches and weights: {'; '.join(again)}",
                "notice",
            )
        )
    pruned = [job.told for job in jobs if job.state == "pruned" and not job.searched]
    if pruned:
        lead.append(
            Text(f"Pruned, and so in no table but the first: {', '.join(pruned)}", "notice")
        )
    tables = _tables(told)
    sections = [
        job_sections.ran(jobs, split),
        *tables,
        *_pictures(told),
        *_searched(jobs),
        _maps(jobs),
        *_also(config["also"]),
        job_sections.unfinished(jobs),
        job_sections.again(
            jobs, [_folders("runs", config["runs"]), *_options(config)], split, together
        ),
    ]
    sections = [section for section in sections if section.parts]
    _clear(folder)
    write_file(folder / "report.html", page.html(title, lead, sections))
    write_file(folder / "report.md", page.markdown(title, lead, sections))
    for section in sections:
        for picture in page.pictures(section.parts):
            write_file(folder / "figures" / picture.name, picture.content)
        for table in page.tables(section.parts):
            write_csv(folder / f"{table.name}.csv", table.head, table.rows)
    write_csv(folder / "figures.csv", job_sections.FIGURES, job_sections.figures(counted, split))
    print(page.markdown(title, lead, [job_sections.ran(jobs, split), *tables]))
    missing = [job for job in jobs if job.state not in ("ended", "pruned")]
    if missing:
        print(
            f"{len(missing)} of {job_sections.count(len(jobs))} did not end: {', '.join(job.told for job in missing)}\n"
        )
    print(folder / "report.html", flush=True)
    return folder / "report.html"


def _once(jobs: Sequence[Job]) -> tuple[list[Job], list[str]]:
    """Leave out runs that repeat another to the seed: they are no sample of anything. Return the rest, and what is left out."""
    ended = sorted((job for job in jobs if job.state == "ended"), key=lambda job: job.searched)
    first = {job.folder: of[0] for _, of in group_by_config(ended, ()) for job in of[1:]}
    told = [f"{job.told} repeats {first[job.folder].told}" for job in jobs if job.folder in first]
    return [job for job in jobs if job.folder not in first], told


def _clear(folder: Path) -> None:
    """Take away the tables and pictures of an earlier report in the same folder."""
    if (folder / "report.html").is_file():
        for pattern in (
            *(f"{name}.csv" for name in job_sections.TABLES),
            *(f"figures/{name}.png" for name in PICTURES),
        ):
            for path in folder.glob(pattern):
                path.unlink()


def _folders(key: str, value: str | Sequence[str]) -> str:
    """Return a key of folders as it is typed from anywhere."""
    words = [str(Path(word).absolute()) for word in ([value] if isinstance(value, str) else value)]
    return format_override(key, words[0] if len(words) == 1 else words)


def _options(config: Config) -> list[str]:
    """Return what else was typed of a report."""
    words = [_folders("also", config["also"])] if config["also"] else []
    words += [format_override("title", config["title"])] if config["title"] else []
    return words + [
        format_override(key, config[key])
        for key, usual in (("split", "test"), ("resamples", 2000), ("seed", 0))
        if config[key] != usual
    ]


def _tables(told: Study) -> list[Section]:
    """Return the study's tables, as far as there are runs for them, and the differences."""
    ended = [job for job in told.ended if job.state == "ended"]
    ended = [
        job for job in ended if not job.searched
    ] or ended  # trials have a section of their own
    found = [
        table_sections.table1(ended),
        _frozen(told, ended),
        _table2(told, ended),
        _table3(told, ended),
        _differences(told, ended),
    ]
    return [section for section in found if section.parts]


def _frozen(told: Study, ended: Sequence[Job]) -> Section:
    """Set each way of fine-tuning beside all layers (of the same settings, where there are several), on valid."""
    valid = told if told.split == "valid" else Study(told.jobs, "valid", told.drawn)
    rows: list[table_sections.Way] = []
    for apart, mine in group_by_config(ended, (*SEEDS, "finetune")):
        ways: dict[str, list[Job]] = {}
        for job in mine:
            assert job.config is not None
            ways.setdefault(str(job.config["finetune"]["name"]), []).append(job)
        of = (
            {way: group_by_config(those, SEEDS) for way, those in ways.items()}
            if len(ways) > 1
            else {}
        )
        wholes = dict(of.get("full", ()))
        for way, groups in of.items():
            for how, those in groups:
                whole = wholes.get(how) if len(wholes) > 1 else next(iter(wholes.values()), None)
                less = valid.difference(those, whole) if whole and way != "full" else None
                rows.append((_apart(apart, how), way, those, less))
    _corrected([row[3] for row in rows if row[3] is not None])
    return table_sections.frozen(rows)


def _table2(told: Study, ended: Sequence[Job]) -> Section:
    """Pair each augmentation of a network with none, where nothing else but the seed differs."""
    rows: list[table_sections.Row2] = []
    for apart, mine in group_by_config(ended, (*SEEDS, "aug")):
        off = [job for job in mine if not job.augmented]
        for name in dict.fromkeys(job.augmentation for job in mine if job.augmented and off):
            for how, on in group_by_config(
                [job for job in mine if job.augmentation == name], SEEDS
            ):
                rows.append((_apart(apart, how), on, off, told.difference(on, off)))
    _corrected([row[3] for row in rows if row[3] is not None])
    return table_sections.table2(rows, told.split)


def _apart(*told: str) -> str:
    return ", ".join(filter(None, told))


def _corrected(differences: Sequence[dict[str, Any]]) -> None:
    """Add p corrected by Holm's method, of the patches' and of the seeds' tests apart."""
    for group in (differences, [one["seeds"] for one in differences if one["seeds"] is not None]):
        for one, p in zip(group, holm([one["p"] for one in group]), strict=True):
            one["p_holm"] = p


def _table3(told: Study, ended: Sequence[Job]) -> Section:
    """Gather one run of each network and their votes: the study's own would be augmented, and not its head alone."""
    chosen: dict[tuple[str, str, str], Job] = {}

    def last(job: Job) -> tuple[bool, bool, int]:
        assert job.config is not None
        return not job.augmented, job.config["finetune"]["name"] == "frozen", job.config["seed"]

    for job in sorted(ended, key=last):
        chosen.setdefault((job.network, job.scale, job.data), job)
    if len({network for network, _, _ in chosen}) < 2:
        return Section("Table 3")
    of = [job for job in ended if job in chosen.values()]
    scores = [told.scores(job) for job in of]
    hard = [None if one is None else _hard(one.probability, one.label) for one in scores]
    rules: dict[str, dict[str, Any]] = {}
    voters = told.together(of)
    if len(voters) < 2:
        return table_sections.table3(of, hard, rules, [], None, told.split)
    valid = [auroc(job, "valid") for job in voters]
    best = 0 if np.isnan(valid).all() else int(np.nanargmax(valid))
    side = told.side_by_side(voters)
    for name, combine in votes.RULES.items():
        score = combine(side.probability)
        rules[name] = bootstrap_metrics(
            score, side.label, side.slides, metrics=("auroc",), **told.drawn
        )["auroc"]
        less = paired_difference(
            score, side.probability[best], side.label, side.slides, metrics=("auroc",), **told.drawn
        )
        # a mean rank is no probability that 0.5 could divide
        rules[name] |= {
            "less": {**less["auroc"], "seeds": None},
            "hard": None if name == "rank_mean" else _hard(score, side.label),
        }
    _corrected([rule["less"] for rule in rules.values()])
    return table_sections.table3(of, hard, rules, voters, voters[best], told.split)


def _hard(score: Floats, label: Labels) -> float:
    """Return the AUROC of 0/1 labels, which is balanced accuracy."""
    return classification_metrics((score >= 0.5).astype(np.float64), label, metrics=["auroc"])[
        "auroc"
    ]


def _differences(told: Study, ended: Sequence[Job]) -> Section:
    """Compare groups of runs that differ in more than their seed, each with each."""
    groups = group_repeats(ended)
    pairs = [
        pair for pair in combinations(groups, 2) if told.paired(*(groups[name] for name in pair))
    ]
    if not pairs:
        return Section("Differences")
    if len(pairs) > PAIRS:
        said = f"{len(pairs)} pairs of {len(groups)} groups are too many to tell here; python -m pcam.compare tells them (below)."
        return Section("Differences", [Text(said, "soft")])
    rows = [
        (first, second, told.difference(groups[first], groups[second])) for first, second in pairs
    ]
    _corrected([row[2] for row in rows if row[2] is not None])
    return table_sections.differences(rows, unit(told.side_by_side(told.together(ended)).slides))


def _pictures(told: Study) -> list[Section]:
    """Return curves of training, and ROC and calibration; a run has one colour in both."""
    parts: list[Part] = []
    of = group_repeats([job for job in told.jobs if job.rows or told.scores(job) is not None])
    colour = {job.folder: number for number, jobs in enumerate(of.values()) for job in jobs}
    groups = group_repeats([job for job in told.jobs if job.rows])
    if groups:
        rows = {
            name: (colour[jobs[0].folder], [job.rows for job in jobs])
            for name, jobs in groups.items()
        }
        parts.append(
            Picture(
                "training.png", plots.training(rows, "training"), "losses and valid AUROC by epoch"
            )
        )
    groups = group_repeats(
        [job for job in told.ended if job.state == "ended" and told.scores(job) is not None]
    )
    if groups:
        lines = {
            name: (colour[jobs[0].folder], [_curves(told, job) for job in jobs])
            for name, jobs in groups.items()
        }
        parts.append(
            Picture(
                "operating.png",
                plots.operating(lines, told.split),
                f"ROC and calibration, {told.split}",
            )
        )
    return [Section("Curves", parts)]


def _curves(told: Study, job: Job) -> tuple[Curve, Reliability]:
    one = told.scores(job)
    assert one is not None
    few: dict[str, Any] = {**told.drawn, "resamples": 100}  # bands are not drawn
    roc = operating_curves(one.probability, one.label, one.slides, **few)["roc"]
    return roc, reliability(one.probability, one.label, one.slides, **few)


def _maps(jobs: Sequence[Job]) -> Section:
    """Show the last maps that were drawn as training went."""
    maps: list[Part] = []
    for number, job in enumerate(jobs):
        drawn = sorted((job.folder / "figures" / "attribution").glob("epoch-*.png"))
        if drawn:
            last = drawn[-1]
            maps.append(
                page.Fold(
                    f"{job.told}, {last.stem}",
                    [Picture(f"maps-{number}.png", last.read_bytes(), job.told)],
                )
            )
    return Section("Maps as training ended", maps)


def _searched(jobs: Sequence[Job]) -> list[Section]:
    """Draw each search's trials; its best is chosen by valid alone."""
    found: list[Section] = []
    for place in dict.fromkeys(job.folder.parent for job in jobs if job.searched):
        tried = [job for job in jobs if job.folder.parent == place and job.summary is not None]
        if len(tried) < 2:
            continue
        score: NDArray[np.float64] = np.array([auroc(job, "valid") for job in tried])
        best = int(np.nanargmax(score)) if not np.isnan(score).all() else None
        each = [varied_values(job) for job in tried]
        values = {key: [one.get(key) for one in each] for key in each[0]}
        numbers, ended = (
            [int(job.folder.name) for job in tried],
            [job.state == "ended" for job in tried],
        )
        picture = plots.trials(numbers, values, score.tolist(), ended, best)
        found.append(table_sections.searched(place.name, tried, best, picture, len(found)))
    return found


def _also(folders: Sequence[str] | str) -> list[Section]:
    """Return the pictures that other doors left.

    Raises:
        RunError: one holds none.
    """
    parts: list[Part] = []
    for word in [folders] if isinstance(folders, str) else folders:
        for path in match_paths(word, "also"):
            drawn = sorted(path.glob("figures/*.png")) or sorted(path.glob("*/figures/*.png"))
            if not drawn:
                raise RunError(
                    f"also: {path} holds no figures; it is a folder that another door left"
                )
            of = (read_json(path / "summary.json") or {}).get("run")
            parts.append(Text(f"{path.name}{f': of {Path(of).name}' if of else ''}", "soft"))
            parts += [
                Picture(
                    f"also-{len(parts)}-{one.name}", one.read_bytes(), one.stem.replace("_", " ")
                )
                for one in drawn
            ]
    return [Section("From other doors", parts)]
