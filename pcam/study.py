"""Jobs side by side: their predictions of the same patches, and what differs between groups of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pcam.errors import DataError
from pcam.evaluation import members
from pcam.stats.compare import paired_difference, paired_t
from pcam.stats.metrics import Floats
from pcam.sweeps.jobs import Job


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
        return None if isinstance(self._side_by_side, str) else self._side_by_side

    @property
    def alone(self) -> str:
        """Why there are no predictions to compare by; nothing where there are."""
        return self._side_by_side if isinstance(self._side_by_side, str) else ""

    @cached_property
    def _side_by_side(self) -> members.Members | str:
        paths = [job.folder / "predictions" / f"{self.split}.csv" for job in self.ended]
        lacking = [job.told for job, path in zip(self.ended, paths, strict=True) if not path.is_file()]
        if not paths:
            return f"no job has figures of {self.split}"
        if len({job.summary["data"].get(self.split, {}).get("sha256") for job in self.ended if job.summary}) > 1:
            return f"they are of different patches of {self.split} (summary.json: data.{self.split}.sha256)"
        if lacking:
            return f"{', '.join(lacking)}: no predictions/{self.split}.csv"
        try:
            found = members.together([members.read(path) for path in paths])
        except DataError as error:
            return str(error)
        if found.label is None or not 0 < found.label.sum() < len(found.label):
            return "the patches have no labels, or are of one class"
        return found

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
