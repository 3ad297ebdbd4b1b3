"""Sweeps and runs gathered: what was run, the study's tables from it, and what is missing."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcam import members, runs
from pcam.callbacks import read_rows
from pcam.comparing import resampling
from pcam.errors import ConfigError, DataError, RunError
from pcam.jobs import Job, find, flattened, varied
from pcam.report import overlays, page, study
from pcam.report.page import Part, Picture, Section, Text
from pcam.stats import votes
from pcam.stats.compare import holm, paired_difference, paired_t
from pcam.stats.curves import operating_curves, reliability
from pcam.stats.intervals import bootstrap_metrics, unit
from pcam.stats.metrics import Floats, classification_metrics

PAIRS = 15  # differences that are told; more would say little


@dataclass(frozen=True)
class Study:
    """Jobs, and the predictions of those that ended.

    Attributes:
        jobs: all of them.
        split: which the figures are of.
        drawn: resamples and seed of the bootstrap.
    """

    jobs: list[Job]
    split: str
    drawn: Mapping[str, Any]

    @cached_property
    def ended(self) -> list[Job]:
        """Those that have figures."""
        return [job for job in self.jobs if job.summary is not None and self.split in job.summary]

    @cached_property
    def predictions(self) -> members.Members | None:
        """Of those that ended, side by side; None where they are of different patches, or unlabelled."""
        paths = [job.folder / "predictions" / f"{self.split}.csv" for job in self.ended]
        if not paths or not all(path.is_file() for path in paths):
            return None
        try:
            found = members.together([members.read(path) for path in paths])
        except DataError:
            return None
        return found if found.label is not None and 0 < found.label.sum() < len(found.label) else None

    def of(self, jobs: Sequence[Job]) -> Floats:
        """Return the probabilities (K, N) of some of them."""
        assert self.predictions is not None
        return self.predictions.probability[[self.ended.index(job) for job in jobs]]

    def difference(self, first: Sequence[Job], second: Sequence[Job]) -> dict[str, Any] | None:
        """Compare the mean AUROCs of two groups of jobs, paired by patch; with seeds in common, also over these.

        Returns:
            {"value", "low", "high", "p", "seeds": {...} or None}; None where there is nothing to compare by.
        """
        if self.predictions is None or not first or not second:
            return None
        label, slides = self.predictions.label, self.predictions.slides
        assert label is not None
        told: dict[str, Any] = paired_difference(
            self.of(first), self.of(second), label, slides, figures=("auroc",), **self.drawn
        )["auroc"]
        one, other = ({job.config["seed"]: self.auroc(job) for job in side if job.config} for side in (first, second))
        common = [seed for seed in one if seed in other]
        shared = len(common) > 1 and len(one) == len(first) and len(other) == len(second)
        return {**told, "seeds": paired_t([one[seed] - other[seed] for seed in common]) if shared else None}

    def auroc(self, job: Job) -> float:
        """Return a job's AUROC, NaN where it has none."""
        assert job.summary is not None
        value = job.summary[self.split]["auroc"]["value"]
        return float("nan") if value is None else float(value)


def report(config: runs.Config, folder: Path) -> Path:
    """Write report.html, report.md, figures and csv of sweeps and runs.

    Returns:
        The page.

    Raises:
        PcamError: a folder is none of these, or is broken.
    """
    drawn = resampling(config)
    split = config["split"]
    if split not in ("valid", "test"):
        raise ConfigError(f"split={split}; it is valid or test")
    jobs = find(config["runs"])
    if not any(job.summary and split in job.summary for job in jobs) and any(job.summary for job in jobs):
        split = "valid"  # data without a labelled test split
    told = Study(jobs, split, drawn)
    title, lead = study.lead(config["title"], jobs, split, unit(told.predictions.slides) if told.predictions else "")
    sections = [
        study.ran(jobs, split),
        *_tables(told),
        *_pictures(told),
        *_also(config["also"]),
        study.unfinished(jobs),
        study.again(jobs, folder),
    ]
    sections = [section for section in sections if section.parts]
    runs.write(folder / "report.html", page.html(title, lead, sections))
    text = page.markdown(title, lead, sections)
    runs.write(folder / "report.md", text)
    for section in sections:
        for picture in page.pictures(section.parts):
            runs.write(folder / "figures" / picture.name, picture.content)
        for table in page.tables(section.parts):
            runs.write_csv(folder / f"{table.name}.csv", table.head, table.rows)
    print(page.markdown(title, [], [study.ran(jobs, split), *_tables(told)]))
    missing = [job for job in jobs if job.state not in ("ended", "pruned")]
    if missing:
        print(f"{len(missing)} of {len(jobs)} jobs did not end: {', '.join(job.told for job in missing)}\n")
    print(folder / "report.html", flush=True)
    return folder / "report.html"


def _tables(told: Study) -> list[Section]:
    """Return the study's tables, as far as there are runs for them, and the differences."""
    ended = [job for job in told.ended if job.state == "ended"]
    found = [study.table1(ended), study.frozen(ended), _table2(told, ended), _table3(told, ended), _differences(told, ended)]
    return [section for section in found if section.parts]


def _table2(told: Study, ended: Sequence[Job]) -> Section:
    rows = []
    for network in dict.fromkeys(job.network for job in ended):
        mine = [job for job in ended if job.network == network]
        on, off = [job for job in mine if job.augmented], [job for job in mine if not job.augmented]
        alike = _alike(mine, ("seed", "aug"))
        if on and off and alike:
            rows.append((network, on, off, told.difference(on, off)))
    for row, p in zip([row for row in rows if row[3]], holm([row[3]["p"] for row in rows if row[3]]), strict=True):
        assert row[3] is not None
        row[3]["p_holm"] = p
    return study.table2(rows, told.split)


def _alike(jobs: Sequence[Job], but: tuple[str, ...]) -> bool:
    """Tell whether jobs differ in nothing but some groups of keys."""
    kept = [
        {key: value for key, value in flattened(job.config or {}).items() if key.partition(".")[0] not in (*but, "splits")}
        for job in jobs
    ]
    return all(one == kept[0] for one in kept)


def _table3(told: Study, ended: Sequence[Job]) -> Section:
    """Gather one run of each network, augmented where there is one, of the least seed, and their votes."""
    chosen: dict[str, Job] = {}
    for job in sorted(ended, key=lambda job: (not job.augmented, job.config["seed"] if job.config else 0)):
        chosen.setdefault(job.network, job)
    if len(chosen) < 2:
        return Section("Table 3")
    of = [job for job in ended if job in chosen.values()]
    rules: dict[str, dict[str, Any]] = {}
    if told.predictions is not None:
        label, slides = told.predictions.label, told.predictions.slides
        assert label is not None
        best = of[int(np.nanargmax([_valid(job) for job in of]))] if not all(map(np.isnan, map(_valid, of))) else of[0]
        scores = {name: combine(told.of(of)) for name, combine in votes.RULES.items()}
        for name, score in scores.items():
            rules[name] = bootstrap_metrics(score, label, slides, figures=("auroc",), **told.drawn)["auroc"]
            against = paired_difference(score, told.of([best])[0], label, slides, figures=("auroc",), **told.drawn)["auroc"]
            hard = (score >= 0.5).astype(np.float64)
            rules[name] |= {"less": against, "hard": classification_metrics(hard, label, figures=["auroc"])["auroc"]}
        return study.table3(of, rules, best, told.split)
    return study.table3(of, rules, None, told.split)


def _valid(job: Job) -> float:
    assert job.summary is not None
    value = job.summary["valid"]["auroc"]["value"]
    return float("nan") if value is None else float(value)


def _differences(told: Study, ended: Sequence[Job]) -> Section:
    """Compare groups of runs that differ in more than their seed, each with each."""
    groups: dict[str, list[Job]] = {}
    for job in ended:
        flat = {key: value for key, value in flattened(job.config or {}).items() if key not in ("seed", "splits.seed")}
        groups.setdefault(repr(flat), []).append(job)
    pairs = list(combinations(groups.values(), 2))
    if not pairs or len(pairs) > PAIRS or told.predictions is None:
        return Section("Differences")
    rows = [(first, second, told.difference(first, second)) for first, second in pairs]
    known = [row[2] for row in rows if row[2] is not None]
    for difference, p in zip(known, holm([one["p"] for one in known]), strict=True):
        difference["p_holm"] = p
    return study.differences(rows, unit(told.predictions.slides))


def _pictures(told: Study) -> list[Section]:
    """Return curves of training, ROC and calibration, what a search tried, and maps drawn as training went."""
    rows = {job.told: read_rows(job.folder / "metrics.csv") for job in told.jobs if job.config is not None}
    rows = {name: lines for name, lines in rows.items() if lines}
    parts: list[Part] = []
    if rows:
        parts.append(Picture("training.png", overlays.training(rows, "training"), "losses and valid AUROC by epoch"))
    if told.predictions is not None:
        label, slides = told.predictions.label, told.predictions.slides
        assert label is not None
        few: dict[str, Any] = {**told.drawn, "resamples": 100}  # bands are not drawn
        lines = {
            job.told: (operating_curves(score, label, slides, **few)["roc"], reliability(score, label, slides, **few))
            for job, score in zip(told.ended, told.predictions.probability, strict=True)
        }
        parts.append(Picture("operating.png", overlays.operating(lines, told.split), f"ROC and calibration, {told.split}"))
    sections = [Section("Curves", parts), _searched(told.jobs)]
    maps: list[Part] = []
    for number, job in enumerate(told.jobs):
        drawn = sorted((job.folder / "figures" / "attribution").glob("epoch-*.png"))
        if drawn:
            last = drawn[-1]
            maps.append(page.Fold(f"{job.told}, {last.stem}", [Picture(f"maps-{number}.png", last.read_bytes(), job.told)]))
    return [*sections, Section("Maps as training ended", maps)]


def _searched(jobs: Sequence[Job]) -> Section:
    """Draw a search's trials; its best is chosen by valid alone."""
    tried = [job for job in jobs if job.config is not None and job.summary is not None]
    if len(tried) < 3 or not any(_is_search(job) for job in tried):
        return Section("Search")
    keys = _sought(tried)
    score: NDArray[np.float64] = np.array([_valid(job) for job in tried])
    best = int(np.nanargmax(score)) if not np.isnan(score).all() else None
    values = {key: [flattened(job.config or {}).get(key) for job in tried] for key in keys}
    picture = overlays.trials(values, score.tolist(), [job.state == "ended" for job in tried], best)
    return study.searched(tried, keys, best, picture)


def _is_search(job: Job) -> bool:
    path = job.folder.parent / "sweep.json"
    return path.is_file() and not json.loads(path.read_text()).get("jobs")


def _sought(jobs: Sequence[Job]) -> list[str]:
    return [key for key in varied([job.config for job in jobs if job.config is not None]) if key != "seed"][:8]


def _also(folders: Sequence[str] | str) -> list[Section]:
    """Return the pictures that other doors left.

    Raises:
        RunError: one holds none.
    """
    import glob

    parts: list[Part] = []
    for word in [folders] if isinstance(folders, str) else folders:
        paths = [Path(word)] if Path(word).exists() else [Path(path) for path in sorted(glob.glob(word))]
        if not paths:
            raise RunError(f"also: nothing is called {word}")
        for path in paths:
            drawn = sorted(path.glob("figures/*.png")) or sorted(path.glob("*/figures/*.png"))
            if not drawn:
                raise RunError(f"also: {path} holds no figures; it is a folder that another door left")
            summary = path / "summary.json"
            of = json.loads(summary.read_text()).get("run") if summary.is_file() else None
            parts.append(Text(f"{path.name}{f': of {Path(of).name}' if of else ''}", "soft"))
            parts += [Picture(f"also-{len(parts)}-{one.name}", one.read_bytes(), one.stem.replace("_", " ")) for one in drawn]
    return [Section("From other doors", parts)]
