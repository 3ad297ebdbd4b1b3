"""Jobs side by side: their predictions of the same patches, and what differs between groups of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pcam.errors import DataError
from pcam.evaluation.predictions import read_predictions
from pcam.stats.compare import paired_difference
from pcam.stats.metrics import Floats, Labels
from pcam.stats.seeds import paired_t
from pcam.sweeps.jobs import Job


@dataclass(frozen=True)
class Scores:
    """What one job, or several side by side, said of a split's patches.

    Attributes:
        patches: a number, the same where patches and labels are; then their order is too.
        label: (N,), 0 or 1, both there.
        probability: (N,), or (K, N) of K jobs.
        slides: N names, or None.
    """

    patches: int
    label: Labels
    probability: Floats
    slides: list[str] | None


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
    def _read(self) -> dict[Path, Scores | str]:
        """Each job's predictions, by its folder, or why there are none to compare by."""
        found: dict[Path, Scores | str] = {}
        orders: dict[Any, list[str]] = {}  # of the first job with these patches
        for job in self.ended:
            assert job.summary is not None
            path = job.folder / "predictions" / f"{self.split}.csv"
            try:
                one = read_predictions(path) if path.is_file() else None
            except DataError as error:
                found[job.folder] = str(error)
                continue
            if one is None:
                found[job.folder] = f"no predictions/{self.split}.csv"
            elif one.label is None or not 0 < one.label.sum() < len(one.label):
                found[job.folder] = "patches without labels, or of one class"
            else:
                sha = job.summary["data"].get(self.split, {}).get("sha256")
                key = (sha, frozenset(zip(one.ids, one.label.tolist(), strict=True)))
                place = {name: i for i, name in enumerate(one.ids)}
                order = [place[name] for name in orders.setdefault(key, one.ids)]
                slides = None if one.slides is None else [one.slides[i] for i in order]
                found[job.folder] = Scores(
                    list(orders).index(key), one.label[order], one.probability[order], slides
                )
        return found

    def scores(self, job: Job) -> Scores | None:
        """Return a job's predictions; None where there are none to compare by."""
        found = self._read.get(job.folder)
        return None if isinstance(found, str) else found

    def together(self, jobs: Sequence[Job]) -> list[Job]:
        """Return those that can be laid side by side: the most that are of the same patches."""
        groups: dict[int, list[Job]] = {}
        for job in jobs:
            if (found := self.scores(job)) is not None:
                groups.setdefault(found.patches, []).append(job)
        return max(groups.values(), key=len, default=[])

    def side_by_side(self, jobs: Sequence[Job]) -> Scores:
        """Lay jobs of the same patches side by side."""
        each = [found for job in jobs if (found := self.scores(job)) is not None]
        slides = next((one.slides for one in each if one.slides is not None), None)
        return Scores(
            each[0].patches, each[0].label, np.stack([one.probability for one in each]), slides
        )

    @cached_property
    def apart(self) -> dict[str, list[str]]:
        """Jobs that cannot be compared with the others, by why."""
        compared = {job.folder for job in self.together(self.ended)}
        why: dict[str, list[str]] = {}
        for job in self.ended:
            if job.folder not in compared:
                found = self._read[job.folder]
                why.setdefault(
                    found if isinstance(found, str) else f"other patches of {self.split}", []
                ).append(job.told)
        return why

    def paired(
        self, first: Sequence[Job], second: Sequence[Job]
    ) -> tuple[list[Job], list[Job]] | None:
        """Return those of two groups that can be compared; None where they are of different patches, or nothing is known."""
        one, other = self.together(first), self.together(second)
        return (
            (one, other) if one and other and len(self.together([one[0], other[0]])) == 2 else None
        )

    def difference(self, first: Sequence[Job], second: Sequence[Job]) -> dict[str, Any] | None:
        """Compare the mean AUROCs of two groups of jobs, paired by patch; with seeds in common, over these, and also by seed.

        Returns:
            {"value", "low", "high", "p", "seeds": {...} or None, "common": whether runs were left out whose seed the other
            group lacks}; None where there is nothing to compare by.
        """
        pair = self.paired(first, second)
        if pair is None:
            return None
        one, other = ({job.config["seed"]: job for job in side if job.config} for side in pair)
        once = (len(one), len(other)) == (len(pair[0]), len(pair[1]))
        common = [seed for seed in one if seed in other] if once else []
        sides = (
            ([one[seed] for seed in common], [other[seed] for seed in common]) if common else pair
        )
        left, right = map(self.side_by_side, sides)
        slides = left.slides if left.slides is not None else right.slides
        told: dict[str, Any] = paired_difference(
            left.probability,
            right.probability,
            left.label,
            slides,
            metrics=("auroc",),
            **self.drawn,
        )["auroc"]
        seeds = [self.auroc(one[seed]) - self.auroc(other[seed]) for seed in common]
        fewer = bool(common) and 2 * len(common) < len(one) + len(other)
        return {**told, "seeds": paired_t(seeds) if len(seeds) > 1 else None, "common": fewer}

    def auroc(self, job: Job) -> float:
        """Return a job's AUROC, NaN where it has none."""
        return auroc(job, self.split)


def auroc(job: Job, split: str) -> float:
    """Return a job's AUROC of a split, NaN where it has none."""
    assert job.summary is not None
    value = job.summary[split]["auroc"]["value"]
    return float("nan") if value is None else float(value)
