"""Run folders as trainings write them, without training: scores are drawn."""

import csv
import json
import shutil
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import yaml

from pcam.config.schema import ReportConfig
from pcam.reporting.output import write_report
from pcam.reporting.report import build_report
from pcam.runs.files import write_csv, write_json
from pcam.runs.predictions import write_predictions
from pcam.stats.intervals import bootstrap_metrics
from pcam.stats.metrics import Floats, Labels
from tests.run import composed_values, summary_with

RESAMPLES = 100
SPLITS = {"valid": 48, "test": 60}
PATCHES = {"patches": 60, "positive": 30}


@cache
def composed_yaml(*overrides: str) -> str:
    content = composed_values(*overrides)
    content.pop("resume", None)
    return yaml.safe_dump(content, sort_keys=False)


def labels_of(split: str) -> tuple[Labels, list[str], list[str]]:
    """Return labels, ids and slides of a split: the same for every run."""
    count = SPLITS[split]
    labels = (np.arange(count) % 2).astype(np.uint8)
    ids = [f"{split}-{number:06d}" for number in range(count)]
    slides = [f"{split}-slide-{number % 6}" for number in range(count)]
    return labels, ids, slides


def draw_scores(labels: Labels, strength: float, seed: int) -> Floats:
    """Return probabilities that rank positives higher the larger the strength."""
    noise = np.random.default_rng(seed).normal(size=len(labels))
    return 1 / (1 + np.exp(-(strength * (labels - 0.5) + noise)))


def write_run(
    folder: Path, *overrides: str, strength: float = 1.0, draw: int = 0, epochs: int = 2
) -> None:
    """Write a finished run.

    Args:
        folder: of the run.
        overrides: of its config.
        strength: how well it ranks.
        draw: seed of its scores.
        epochs: rows of metrics.csv.
    """
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(composed_yaml(*overrides))
    summary = summary_with(0.5, 0.5, epochs=epochs, processes=1)
    data = {"train": {**PATCHES, "sha256": "a" * 64}}
    for number, split in enumerate(SPLITS):
        labels, ids, slides = labels_of(split)
        scores = draw_scores(labels, strength, 10 * draw + number)
        write_predictions(folder, split, ids, labels, scores, slides)
        summary[split] = bootstrap_metrics(scores, labels, slides, resamples=RESAMPLES, seed=0)
        data[split] = {**PATCHES, "sha256": f"{number}" * 64}
    summary["data"] = data
    write_json(folder / "summary.json", summary)
    columns = ["epoch", "seconds", "train/loss_epoch", "valid/loss", "valid/auroc"]
    rows = [[epoch, 6.0, 0.7 - epoch / 10, 0.6, 0.5 + epoch / 10] for epoch in range(epochs)]
    write_csv(folder / "metrics.csv", columns, rows)


def write_sweep(folder: Path) -> Path:
    """Write a sweep: two networks with and without augmentation over two seeds."""
    common = ["scale=smoke", "trainer.max_epochs=10"]
    jobs = []
    choices = product(("resnet50", "efficientnet_b0"), ("dihedral", "none"), (0, 1))
    for number, (recipe, augmentation, seed) in enumerate(choices):
        words = [f"recipe={recipe}", f"aug={augmentation}", f"seed={seed}"]
        strength = 1.2 if augmentation == "dihedral" else 0.8
        write_run(folder / str(number), *common, *words, strength=strength, draw=number)
        jobs.append([*common, *words])
    write_record(folder, jobs, ["recipe", "aug", "seed"])
    return folder


def write_search(folder: Path, rates: Sequence[float]) -> Path:
    """Write a search over the learning rate."""
    for number, rate in enumerate(rates):
        words = ["scale=smoke", "recipe=resnet50", "aug=none", f"optimizer.lr={rate}"]
        write_run(folder / str(number), *words, strength=1 + number % 2, draw=20 + number)
    write_record(folder, None, ["optimizer.lr"], trials=len(rates))
    return folder


def write_record(
    folder: Path, jobs: list[list[str]] | None, varied: list[str], trials: int | None = None
) -> None:
    record = {"command": "train", "started": "", "commit": None, "words": ["scale=smoke"]}
    write_json(folder / "sweep.json", {**record, "jobs": jobs, "varied": varied, "trials": trials})


def copy_sweep(sweep: Path, folder: Path) -> Path:
    """Return a copy of a sweep, to be changed."""
    shutil.copytree(sweep, folder)
    return folder


def read_summary(job: Path) -> dict[str, dict[str, dict[str, float]]]:
    return json.loads((job / "summary.json").read_text())


def change_summary(job: Path, changes: Mapping[str, object]) -> None:
    """Replace values of a run's summary, by dotted key."""
    content = json.loads((job / "summary.json").read_text())
    for key, value in changes.items():
        *sections, name = key.split(".")
        part = content
        for section in sections:
            part = part[section]
        part[name] = value
    (job / "summary.json").write_text(json.dumps(content))


def change_config(job: Path, changes: Mapping[str, object]) -> None:
    """Replace values or sections of a run's config, by dotted key."""
    content = yaml.safe_load((job / "config.yaml").read_text())
    for key, value in changes.items():
        *sections, name = key.split(".")
        part = content
        for section in sections:
            part = part[section]
        part[name] = value
    (job / "config.yaml").write_text(yaml.safe_dump(content, sort_keys=False))


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def make_report(folder: Path, *runs: Path, **settings: object) -> str:
    """Write the report on runs into a folder; return its Markdown."""
    names = [str(run) for run in runs]
    defaults = {"also": [], "split": "test", "title": None, "resamples": RESAMPLES, "seed": 0}
    config = ReportConfig.model_validate({"runs": names, **defaults, **settings})
    write_report(build_report(config), folder)
    return (folder / "report.md").read_text()
