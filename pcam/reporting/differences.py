"""Differences between groups of jobs: other patches, other seeds."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pcam.reporting.study import Study, config_of, known_labels
from pcam.stats.compare import holm, paired_difference
from pcam.stats.seeds import paired_t
from pcam.sweeps.jobs import Job

Estimate = dict[str, float]  # "value", "low", "high", "p"


@dataclass(frozen=True)
class Difference:
    """The difference of the mean AUROCs of two groups of jobs.

    Attributes:
        patches: by the paired bootstrap: other patches, the same runs.
        seeds: by the paired t-test: the same patches, other seeds; None with fewer than two seeds
            in common.
        p: of ``patches``, corrected where the difference is one of several.
        seeds_p: of ``seeds``, likewise; NaN without.
        only_shared_seeds: whether runs were left out, as the other group has no run of their seed.
    """

    patches: Estimate
    seeds: Estimate | None
    p: float
    seeds_p: float
    only_shared_seeds: bool


def mean_difference(study: Study, first: Sequence[Job], second: Sequence[Job]) -> Difference | None:
    """Compare the mean AUROCs of two groups of jobs, paired by patch.

    If the groups have seeds in common, only these are compared, by patch and by seed.

    Args:
        study: of the jobs.
        first: jobs of one group.
        second: of the other.

    Returns:
        first minus second; None if nothing can be compared.
    """
    sides = study.comparable_sides(first, second)
    if sides is None:
        return None
    left, right = sides
    available = len(left) + len(right)
    seeds = shared_seeds(left, right)
    if seeds:
        left, right = jobs_of_seeds(left, seeds), jobs_of_seeds(right, seeds)
    by_patch = _bootstrap_difference(study, left, right)
    by_seed, seeds_p = None, float("nan")
    if len(seeds) > 1:
        by_seed = _seed_difference(study, left, right)
        seeds_p = by_seed["p"]
    return Difference(
        patches=by_patch,
        seeds=by_seed,
        p=by_patch["p"],
        seeds_p=seeds_p,
        only_shared_seeds=len(left) + len(right) < available,
    )


def _seed_difference(study: Study, first: Sequence[Job], second: Sequence[Job]) -> Estimate:
    """Test the differences between jobs of the same seeds, in the same order."""
    pairs = zip(first, second, strict=True)
    return paired_t([study.auroc(one) - study.auroc(other) for one, other in pairs])


def _bootstrap_difference(study: Study, first: Sequence[Job], second: Sequence[Job]) -> Estimate:
    left, right = study.align(first), study.align(second)
    return paired_difference(
        left.logit,
        right.logit,
        known_labels(left),
        right.slides if left.slides is None else left.slides,
        log_odds=True,
        metrics=("auroc",),
        resamples=study.resamples,
        seed=study.seed,
    )["auroc"]


def shared_seeds(first: Sequence[Job], second: Sequence[Job]) -> list[int]:
    """Return the seeds that two groups have in common.

    Args:
        first: jobs with a config.
        second: likewise.

    Returns:
        The seeds in the order of ``first``; none if a group has a seed twice, as it is then unclear
        which jobs are a pair.
    """
    left, right = _seeds(first), _seeds(second)
    if len(set(left)) < len(left):
        return []
    if len(set(right)) < len(right):
        return []
    return [seed for seed in left if seed in right]


def _seeds(jobs: Sequence[Job]) -> list[int]:
    """Return the seed of each job."""
    return [config_of(job).seed for job in jobs]


def jobs_of_seeds(jobs: Sequence[Job], seeds: Sequence[int]) -> list[Job]:
    """Return the job of each seed."""
    found = {config_of(job).seed: job for job in jobs}
    return [found[seed] for seed in seeds]


def correct_p_values(differences: Sequence[Difference | None]) -> list[Difference | None]:
    """Correct p by Holm's method, by patches and by seeds separately.

    Args:
        differences: of one table; None is kept in its place, and is not counted.

    Returns:
        The same differences with corrected ``p`` and ``seeds_p``.
    """
    tested = {}
    for position, difference in enumerate(differences):
        if difference is not None:
            tested[position] = difference
    patches = holm([difference.p for difference in tested.values()])
    seeds = holm([difference.seeds_p for difference in tested.values()])
    corrected = list(differences)
    for position, p, seeds_p in zip(tested, patches, seeds, strict=True):
        corrected[position] = replace(tested[position], p=p, seeds_p=seeds_p)
    return corrected
