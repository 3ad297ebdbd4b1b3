"""Jobs side by side: their predictions of the same patches."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from pcam.config.schema import TrainConfig
from pcam.errors import AccessError, DataError
from pcam.evaluation.alignment import AlignedPredictions, align_predictions
from pcam.evaluation.predictions import Predictions, read_predictions
from pcam.runs.ranking import rank_summary
from pcam.runs.tables import is_there
from pcam.runs.trees import JsonObject
from pcam.stats.metrics import Labels
from pcam.sweeps.jobs import Job


@dataclass(frozen=True)
class StudyPredictions:
    """The predictions of a study's jobs, by their folders.

    Attributes:
        predictions: of the jobs that can be compared, in the same order for the same patches.
        group: number of their patches, equal for the same patches.
        problem: why the others cannot be compared.
    """

    predictions: dict[Path, Predictions]
    group: dict[Path, int]
    problem: dict[Path, str]


@dataclass(frozen=True)
class Study:
    """Jobs and their predictions of one split.

    Attributes:
        jobs: all of them.
        split: name of the split.
        resamples: of the bootstrap.
        seed: of the bootstrap.
    """

    jobs: list[Job]
    split: str
    resamples: int
    seed: int

    def with_split(self, split: str) -> "Study":
        """Return the same jobs with another split."""
        return self if split == self.split else replace(self, split=split)

    @cached_property
    def scored(self) -> list[Job]:
        """The jobs with figures of the split."""
        with_summary = [job for job in self.jobs if job.summary is not None]
        return [job for job in with_summary if self.split in summary_of(job)]

    @cached_property
    def finished(self) -> list[Job]:
        """The scored jobs that were not pruned."""
        return [job for job in self.scored if job.state == "finished"]

    @cached_property
    def _found(self) -> StudyPredictions:
        """The predictions of all scored jobs, or why a job has none to compare."""
        found = StudyPredictions({}, {}, {})
        first: dict[tuple[object, frozenset[tuple[str, int]]], Path] = {}
        for job in self.scored:
            predictions = read_labelled(job.folder / "predictions" / f"{self.split}.csv")
            if isinstance(predictions, str):
                found.problem[job.folder] = predictions
                continue
            key = (self._fingerprint(job), predictions.labelled_patches)
            reference = first.setdefault(key, job.folder)
            if reference != job.folder:
                predictions = predictions.reorder(found.predictions[reference].ids)
            found.predictions[job.folder] = predictions
            found.group[job.folder] = list(first).index(key)
        return found

    def _fingerprint(self, job: Job) -> object:
        """Return the checksum of the split's images, None if it is unknown."""
        return summary_of(job)["data"].get(self.split, {}).get("sha256")

    def predictions(self, job: Job) -> Predictions | None:
        """Return a job's predictions; None if it has none to compare."""
        return self._found.predictions.get(job.folder)

    def comparable(self, jobs: Sequence[Job]) -> list[Job]:
        """Return the largest set of jobs with predictions of the same patches.

        Args:
            jobs: any; those without predictions are left out.

        Returns:
            Some of the jobs, in their order.
        """
        groups = self._found.group
        sets: dict[int, list[Job]] = {}
        for job in jobs:
            if job.folder in groups:
                number = groups[job.folder]
                sets.setdefault(number, []).append(job)
        return max(sets.values(), key=len, default=[])

    def align(self, jobs: Sequence[Job]) -> AlignedPredictions:
        """Return the predictions of jobs with the same patches.

        Args:
            jobs: of ``comparable``, at least one.
        """
        predictions = self._found.predictions
        return align_predictions([predictions[job.folder] for job in jobs])

    @cached_property
    def excluded(self) -> dict[str, list[str]]:
        """Labels of the scored jobs that cannot be compared with the others, by the reason."""
        compared = {job.folder for job in self.comparable(self.scored)}
        other_patches = f"other patches of {self.split}, or other labels"
        reasons: dict[str, list[str]] = {}
        for job in self.scored:
            if job.folder not in compared:
                reason = self._found.problem.get(job.folder, other_patches)
                reasons.setdefault(reason, []).append(job.label)
        return reasons

    def comparable_sides(
        self, first: Sequence[Job], second: Sequence[Job]
    ) -> tuple[list[Job], list[Job]] | None:
        """Return the jobs of two groups that can be compared.

        Args:
            first: jobs of one group.
            second: of the other.

        Returns:
            Those of each group; None if a group has none, or their patches differ.
        """
        one, other = self.comparable(first), self.comparable(second)
        if not one or not other:
            return None
        left, right = one[0].folder, other[0].folder
        if self._found.group[left] != self._found.group[right]:
            return None
        return one, other

    def auroc(self, job: Job) -> float:
        """Return a job's AUROC of the split, NaN if it has none."""
        return auroc_of(job, self.split)


def read_labelled(path: Path) -> Predictions | str:
    """Return predictions with labels of both classes, or why they cannot be compared.

    Args:
        path: of the csv file, which may be missing or damaged.
    """
    if not is_there(path):
        return f"no predictions/{path.name}"
    try:
        found = read_predictions(path)
    except (AccessError, DataError) as error:
        return str(error)
    labels = [] if found.label is None else found.label.tolist()
    if len(set(labels)) < 2:
        return "patches without labels, or of one class only"
    return found


def config_of(job: Job) -> TrainConfig:
    """Return the config of a job that has started."""
    assert job.config is not None
    return job.config


def summary_of(job: Job) -> JsonObject:
    """Return the summary of a job that has one."""
    assert job.summary is not None
    return job.summary


def known_labels(found: AlignedPredictions) -> Labels:
    """Return the labels (N,) of predictions that have them."""
    assert found.label is not None
    return found.label


def auroc_of(job: Job, split: str) -> float:
    """Return a job's AUROC of a split, NaN if it has none."""
    value = summary_of(job)[split]["auroc"]["value"]
    return float("nan") if value is None else float(value)


def best_by_valid(jobs: Sequence[Job]) -> int:
    """Return the position of the best of at least one job with a summary (``runs.ranking``)."""
    ranks = [rank_summary(summary_of(job)) for job in jobs]
    return ranks.index(max(ranks))
