"""Networks compared on the same patches: each alone, in pairs, and in groups over seeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pcam.config.schema import CompareConfig
from pcam.errors import ConfigError, DataError
from pcam.evaluation.alignment import align_predictions, warn_about_equal_members
from pcam.evaluation.groups import compare_groups, group_repeats, summarize_groups, values_of_groups
from pcam.evaluation.pairs import COMPARED_METRICS, TestedPair, compare_pairs
from pcam.evaluation.predictions import find_predictions, read_predictions
from pcam.stats.intervals import Interval, bootstrap_metrics, unit


@dataclass(frozen=True)
class Comparison:
    """Networks compared on the same patches.

    Attributes:
        split: name of the split.
        patches: number of patches.
        positive: name of the positive class; None if the files do not say it.
        unit: what the bootstrap resamples: "slides" or "patches".
        runs: each network's metrics with intervals.
        pairs: tests of pairs of networks.
        groups: name to members, of runs that differ only in their seed.
        group_metrics: group to metric to {"mean", "sd", "runs"}.
        group_pairs: tests of pairs of groups, over seeds.
        resamples: number of bootstrap resamples.
        seed: of the bootstrap.
    """

    split: str
    patches: int
    positive: str | None
    unit: str
    runs: dict[str, dict[str, Interval]]
    pairs: list[TestedPair]
    groups: dict[str, list[str]]
    group_metrics: dict[str, dict[str, dict[str, float]]]
    group_pairs: list[TestedPair]
    resamples: int
    seed: int


def compare(config: CompareConfig) -> Comparison:
    """Test the differences between networks on the same patches.

    Args:
        config: the config of ``pcam.compare``.

    Raises:
        ConfigError: fewer than two networks, or ``against`` names none of them.
        RunError: a folder has no predictions of the split.
        DataError: the predictions are of different patches, or have no labels.
    """
    paths = find_predictions(config.runs, config.split)
    return compare_predictions(
        paths,
        config.split,
        against=config.against,
        resamples=config.resamples,
        seed=config.seed,
    )


def compare_predictions(
    paths: Sequence[Path], split: str, *, against: int | None = None, resamples: int, seed: int
) -> Comparison:
    """Compare the predictions in csv files, see ``compare``.

    Args:
        paths: two or more files.
        split: name of the split, for messages and tables.
        against: position from 1 of the file to compare all others with; None for all pairs.
        resamples: number of bootstrap resamples.
        seed: of the bootstrap.
    """
    if len(paths) < 2:
        raise ConfigError(f"runs: a comparison needs at least two; only {paths[0]} is given")
    if against is not None and against > len(paths):
        raise ConfigError(f"against={against}: the runs are 1 to {len(paths)}")
    found = align_predictions([read_predictions(path) for path in paths])
    if found.label is None:
        raise DataError(f"split={split}: these predictions have no labels, so no test is possible")
    warn_about_equal_members(found)
    runs = {}
    for name, logit in zip(found.names, found.logit, strict=True):
        runs[name] = bootstrap_metrics(
            logit,
            found.label,
            found.slides,
            log_odds=True,
            metrics=COMPARED_METRICS,
            resamples=resamples,
            seed=seed,
        )
    groups = group_repeats(paths, found.names)
    values = values_of_groups(groups, runs)
    return Comparison(
        split=split,
        patches=len(found.ids),
        positive=found.positive,
        unit=unit(found.slides),
        runs=runs,
        pairs=compare_pairs(found, against, resamples, seed),
        groups=groups,
        group_metrics=summarize_groups(values),
        group_pairs=compare_groups(values),
        resamples=resamples,
        seed=seed,
    )
