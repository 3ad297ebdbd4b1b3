"""Run folders, and the folders of sweeps."""

import json
import shutil
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from pcam.errors import RunError
from tests.mutations.cases import Content, Mutation, any_content
from tests.mutations.files import file_mutations
from tests.mutations.keys import accepted
from tests.mutations.texts import ODD, Keys, csv_mutations, tree_mutations
from tests.mutations.trained import copy_run

SHARES = frozenset(("auroc", "average_precision", "accuracy", "balanced_accuracy", "f1"))
SHARES |= frozenset(("precision", "sensitivity", "specificity", "brier", "ece"))
PREDICTIONS = "predictions/valid.csv"
METRICS, SPLITS = "metrics.csv", "splits.csv"
NAMES_OF_LIBRARIES = ("model.name", "optimizer.name")  # any of timm's, which is slow to ask


def read_jobs(folder: Path) -> Content:
    """Return what a report says of a run or a sweep.

    Raises:
        RunError: a job is damaged or cannot be read.
    """
    from pcam.reporting.markdown import render_part
    from pcam.reporting.report import build_tables, drop_repeats
    from pcam.reporting.sections.commands import _run_commands
    from pcam.reporting.sections.jobs import build_jobs, list_figures
    from pcam.reporting.study import Study
    from pcam.sweeps.jobs import find_jobs
    from pcam.sweeps.labels import label_jobs

    jobs = label_jobs(find_jobs(str(folder)))
    for job in jobs:
        if job.state in ("damaged", "unreadable") or "is damaged" in job.reason:
            raise RunError(job.reason)
    counted, _ = drop_repeats(jobs)
    study = Study(counted, "valid", 100, 0)
    sections = [build_jobs(jobs, "valid"), *build_tables(study)]
    text = "\n".join(render_part(part) for section in sections for part in section.parts)
    return {
        "states": [job.state for job in jobs],
        "reasons": [job.reason for job in jobs],
        "configs": [job.config and job.config.model_dump() for job in jobs],
        "rows": [job.rows for job in jobs],
        "summaries": [job.summary for job in jobs],
        "labels": [job.label for job in jobs],
        "figures": list_figures(counted, "valid"),
        "commands": str(_run_commands(jobs, "valid")),
        "text": text,
    }


class Run:
    """The files of a run that are text."""

    name = "run"

    def build(self, folder: Path) -> None:
        """Copy a run."""
        copy_run(folder)
        shutil.rmtree(folder / "checkpoints")

    def read(self, folder: Path) -> Content:
        """Report the run, compare its predictions, and read its splits."""
        from pcam.data.splits import read_split
        from pcam.evaluation.predictions import find_predictions, read_predictions
        from pcam.runs.folder import read_config
        from pcam.sweeps.pruning import best_rank

        content = dict(read_jobs(folder))
        read_config(folder)
        found = read_predictions(find_predictions(str(folder), "valid")[0])
        content["ids"] = sorted(found.ids)
        content["predictions"] = sorted(
            zip(found.ids, found.probability.tolist(), found.logit.tolist(), strict=True)
        )
        content["labels of patches"] = sorted(found.labelled_patches)
        content["slides"] = found.slides and sorted(found.slides)
        content["positive"] = found.positive
        ids = [f"{split}-{row:06d}" for split in ("train", "valid", "test") for row in range(400)]
        content["split"] = read_split(folder / SPLITS, ids).tolist()
        content["rank"] = best_rank(folder, 0)
        return content

    @cached_property
    def mutations(self) -> list[Mutation]:
        """Bytes of each file, values of the trees, and cells of the tables."""
        from tests.mutations.trained import trained_run

        run = trained_run()
        config = yaml.safe_load((run / "config.yaml").read_text())
        summary = json.loads((run / "summary.json").read_text())
        found = file_mutations("config.yaml", any_content)
        found += file_mutations("summary.json", any_content)
        found += file_mutations(METRICS, any_content)
        found += file_mutations(PREDICTIONS, any_content)
        found += file_mutations(SPLITS, any_content)
        found += tree_mutations("config.yaml", config, fits_config, _is_required)
        found += tree_mutations("summary.json", summary, fits_summary, _is_needed)
        found += csv_mutations(
            PREDICTIONS,
            ("id", "label", "probability", "logit", "slide", "positive"),
            _same_kind,
            ("label", "logit", "slide", "positive"),
        )
        found += csv_mutations(SPLITS, ("id", "split"), any_content)
        columns = ("epoch", "seconds", "train/loss_epoch", "valid/auroc", "valid/loss")
        found += csv_mutations(METRICS, columns, any_content, columns[2:], any_content)
        return [_known(mutation) for mutation in found]


def _known(mutation: Mutation) -> Mutation:
    """A run without a summary has not finished; one without metrics has no curves."""
    places = ("summary.json: missing", "metrics.csv: missing")
    if mutation.name in places or mutation.name == f"{METRICS}: header only":
        return Mutation(mutation.name, mutation.apply, any_content)
    return mutation


def _same_kind(before: Content, after: Content) -> bool:
    """Accept other numbers in their ranges, and other names."""
    numbers = after["predictions"]
    assert isinstance(numbers, list)
    return all(0 <= probability <= 1 for _, probability, _ in numbers)


def fits_config(keys: Keys, before: object, odd: object) -> bool:
    """Return whether a value may be in a run's config."""
    label = next(name for name, value in ODD.items() if value is odd)
    key = ".".join(map(str, keys))
    if key in NAMES_OF_LIBRARIES and label in ("text", "space"):
        return True  # a report shows it; where it is used, an unknown network is refused
    return accepted("train", key, label) or (key.endswith(".at_scale") and odd == {})


def _is_required(keys: Keys) -> bool:
    return False  # keys with defaults may be missing; others are refused


def _is_needed(keys: Keys) -> bool:
    return False


def fits_summary(keys: Keys, before: object, odd: object) -> bool:
    """Return whether a value may be in a run's summary."""
    path = list(map(str, keys))
    if path[0] in ("valid", "test"):
        return _fits_split(path, odd)
    if path[0] == "data":
        return _fits_data(path, odd)
    if path == ["tta"]:
        return odd is None
    if path == ["pruned"] or path == ["commit"]:
        return odd is None or (path == ["commit"] and isinstance(odd, str))
    if path == ["parameters"]:
        return odd == {}
    if path == ["batch"] or path == ["input_size"] or path == ["max_epochs"]:
        return odd is None or (path != ["batch"] and _is_count(odd))
    if path == ["batch", "changes"]:
        return odd == []
    if path[0] in ("epochs", "best_epoch", "processes", "seed", "patch_size", "parameters"):
        return _is_count(odd) or (path[0] == "best_epoch" and odd is None)
    if path[0] == "versions":
        return len(path) == 2 or isinstance(odd, dict)
    if isinstance(before, str):
        return isinstance(odd, str)
    return path[0] in ("intervals", "step", "splits", "batched", "weights", "classes")


def _is_count(odd: object) -> bool:
    return isinstance(odd, int) and not isinstance(odd, bool) and odd >= 0


def _fits_split(path: list[str], odd: object) -> bool:
    if len(path) == 1:
        return path[0] == "test" and odd is None
    if len(path) == 2:
        return False
    if odd is None:
        return True
    if isinstance(odd, bool) or not isinstance(odd, int | float):
        return False
    return 0 <= odd <= 1 if path[1] in SHARES else 0 <= odd < float("inf")


def _fits_data(path: list[str], odd: object) -> bool:
    if len(path) == 3 and path[2] == "sha256":
        return isinstance(odd, str)
    if len(path) == 3:
        return _is_count(odd)
    return path == ["data"] and odd == {}


class Sweep:
    """A sweep with a finished, a failed and a missing job, and a search's results."""

    name = "sweep"

    def build(self, folder: Path) -> None:
        """Write sweep.json and two jobs."""
        copy_run(folder / "0")
        shutil.rmtree(folder / "0/checkpoints")
        record = {
            "command": "train",
            "words": ["seed=0,1,2", "data=synthetic"],
            "started": "2026-01-01T00:00:00+00:00",
            "jobs": [["seed=0"], ["seed=1"], ["seed=2"]],
            "trials": None,
            "varied": ["seed"],
            "commit": None,
        }
        failure = {
            "error": "data.root=DIR does not exist",
            "expected": True,
            "words": ["seed=1"],
            "time": "2026-01-01T00:00:00+00:00",
        }
        (folder / "1").mkdir()
        (folder / "sweep.json").write_text(json.dumps(record))
        (folder / "1/failure.json").write_text(json.dumps(failure))
        (folder / "multirun.yaml").write_text("seed: 0\nhydra: {job: {num: 0}}\n")
        results = {"name": "optuna", "best_params": {"seed": 0}, "best_value": 0.5}
        (folder / "optimization_results.yaml").write_text(yaml.safe_dump(results))

    def read(self, folder: Path) -> Content:
        """Report the sweep, and find how to resume it."""
        from pcam.sweeps.failures import failure_summary
        from pcam.sweeps.search import name_best_trial
        from pcam.sweeps.state import newest_sweep, read_sweep, resume_command

        content = dict(read_jobs(folder))
        record = read_sweep(folder)
        content["record"] = dict(record)
        content["failures"] = failure_summary(folder)
        content["resume"] = resume_command(folder, record)
        content["newest"] = newest_sweep(folder, ["seed=0,1,2", "data=synthetic"])
        name_best_trial(folder)
        return content

    @cached_property
    def mutations(self) -> list[Mutation]:
        """Bytes of each file, and values of the trees."""
        found = file_mutations("sweep.json", any_content)
        found += file_mutations("1/failure.json", any_content)
        found += file_mutations("multirun.yaml")
        found += file_mutations("optimization_results.yaml", any_content)
        for name, values, fits in self._trees():
            found += tree_mutations(name, values, fits, lambda keys: False)
        return [_known_in_sweep(mutation) for mutation in found]

    def _trees(self) -> list[tuple[str, Mapping[str, Any], Callable[[Keys, object, object], bool]]]:
        import tempfile

        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            self.build(folder)
            sweep = json.loads((folder / "sweep.json").read_text())
            failure = json.loads((folder / "1/failure.json").read_text())
            results = yaml.safe_load((folder / "optimization_results.yaml").read_text())
        return [
            ("sweep.json", sweep, _fits_sweep),
            ("1/failure.json", failure, _fits_failure),
            ("optimization_results.yaml", results, lambda keys, before, odd: True),
        ]


def _known_in_sweep(mutation: Mutation) -> Mutation:
    """A failure that cannot be read is its own message; so is a job without one."""
    if mutation.name.startswith("1/failure.json"):
        return Mutation(
            mutation.name, mutation.apply, any_content, mutation.refused, mutation.drawn
        )
    if mutation.name.startswith(("multirun.yaml", "optimization_results.yaml")):
        return Mutation(mutation.name, mutation.apply, any_content, drawn=mutation.drawn)
    return mutation


def _fits_sweep(keys: Keys, before: object, odd: object) -> bool:
    key, inner = keys[0], len(keys) > 1
    if key in ("words", "varied") and not inner:
        return odd == []
    if key == "jobs" and len(keys) == 1:
        return odd is None or odd == []
    if key == "jobs" and len(keys) == 2:
        return odd == []
    if key == "trials":
        return odd is None or (isinstance(odd, int) and not isinstance(odd, bool) and odd in (0, 5))
    if key == "commit":
        return odd is None or isinstance(odd, str)
    if key == "command":
        return False
    return isinstance(odd, str)


def _fits_failure(keys: Keys, before: object, odd: object) -> bool:
    key = keys[0]
    if key == "expected":
        return isinstance(odd, bool)
    if key == "words" and len(keys) == 1:
        return odd == []
    return isinstance(odd, str)
