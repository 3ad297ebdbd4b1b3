"""Tests of the differences between networks on the same patches."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from pcam.config.schema import CompareConfig
from pcam.errors import ConfigError, DataError
from pcam.evaluation.predictions import (
    AlignedPredictions,
    align_predictions,
    find_predictions,
    read_predictions,
    warn_about_equal_members,
)
from pcam.runs.files import read_json
from pcam.runs.folder import read_config
from pcam.runs.identity import repeat_key
from pcam.stats.compare import delong, holm, mcnemar, paired_difference
from pcam.stats.intervals import Interval, bootstrap_metrics, unit
from pcam.stats.seeds import over_seeds, welch

COMPARED_METRICS = ("auroc", "accuracy")
OVER_PATCHES = ("delong", "mcnemar")  # tests that treat patches as independent
Test = dict[str, float]


@dataclass(frozen=True)
class TestedPair:
    """The difference of two networks, or of two groups of them, by several tests.

    Attributes:
        first: name of one.
        second: name of the other.
        tests: "auroc" and "accuracy" (value: first minus second), and for patches without slides
            "delong" and "mcnemar"; each with "p", and "p_holm" corrected for the number of pairs.
        mcnemar_method: "exact" or "chi-square"; None without this test.
    """

    first: str
    second: str
    tests: dict[str, Test]
    mcnemar_method: str | None = None


@dataclass(frozen=True)
class Comparison:
    """Networks compared on the same patches.

    Attributes:
        split: name of the split.
        patches: number of patches.
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
    for name, probability in zip(found.names, found.probability, strict=True):
        runs[name] = bootstrap_metrics(
            probability,
            found.label,
            found.slides,
            metrics=COMPARED_METRICS,
            resamples=resamples,
            seed=seed,
        )
    groups = group_repeats(paths, found.names)
    values = _values_of_groups(groups, runs)
    return Comparison(
        split=split,
        patches=len(found.ids),
        unit=unit(found.slides),
        runs=runs,
        pairs=_test_pairs(found, against, resamples, seed),
        groups=groups,
        group_metrics=_summarize_groups(values),
        group_pairs=_test_groups(values),
        resamples=resamples,
        seed=seed,
    )


# Pairs of networks --------------------------------------------------------------------------------


def _test_pairs(
    found: AlignedPredictions, against: int | None, resamples: int, seed: int
) -> list[TestedPair]:
    """Test all pairs, or all networks against one, and correct p for the number of pairs.

    Args:
        found: the labelled predictions of all networks.
        against: position from 1 of the network to compare all others with; None for all pairs.
        resamples: number of bootstrap resamples.
        seed: of the bootstrap.
    """
    pairs = []
    for first, second in _pair_positions(len(found.names), against):
        pairs.append(_test_pair(found, first, second, resamples, seed))
    for name in (*COMPARED_METRICS, *OVER_PATCHES):
        _correct_p_values(pairs, name)
    return pairs


def _pair_positions(count: int, against: int | None) -> list[tuple[int, int]]:
    """Return the pairs to test.

    Args:
        count: number of networks.
        against: position from 1 of the network to compare all others with; None for all pairs.

    Returns:
        Positions of both networks, from 0.
    """
    if against is None:
        return list(combinations(range(count), 2))
    reference = against - 1
    return [(i, reference) for i in range(count) if i != reference]


def _test_pair(
    found: AlignedPredictions, first: int, second: int, resamples: int, seed: int
) -> TestedPair:
    """Test the difference between two networks.

    DeLong's and McNemar's tests assume independent patches, so they are left out if slides are
    known.

    Args:
        found: the labelled predictions of all networks.
        first: position of one network, from 0.
        second: position of the other.
        resamples: number of bootstrap resamples.
        seed: of the bootstrap.
    """
    one, other = found.probability[first], found.probability[second]
    assert found.label is not None
    tests = paired_difference(
        one,
        other,
        found.label,
        found.slides,
        metrics=COMPARED_METRICS,
        resamples=resamples,
        seed=seed,
    )
    names = found.names[first], found.names[second]
    if found.slides is not None:
        return TestedPair(*names, tests)
    tests["delong"] = delong(one, other, found.label)
    counted = mcnemar(one >= 0.5, other >= 0.5, found.label)
    numbers = {key: value for key, value in counted.items() if not isinstance(value, str)}
    tests["mcnemar"] = numbers
    return TestedPair(*names, tests, str(counted["method"]))


def _correct_p_values(pairs: Sequence[TestedPair], name: str) -> None:
    """Add "p_holm" to one test of every pair: p corrected for the number of pairs."""
    add_corrected_p([pair.tests[name] for pair in pairs if name in pair.tests])


def add_corrected_p(tests: Sequence[Test]) -> None:
    """Add "p_holm" to tests.

    Args:
        tests: each with its "p", which is corrected for their number.
    """
    corrected = holm([test["p"] for test in tests])
    for test, p in zip(tests, corrected, strict=True):
        test["p_holm"] = p


# Groups of runs that differ only in their seed ----------------------------------------------------


def group_repeats(paths: Sequence[Path], names: Sequence[str]) -> dict[str, list[str]]:
    """Return the names of runs that differ only in their seed, in groups of two or more.

    Args:
        paths: files of predictions; those outside of a run folder belong to no group.
        names: the name of each.

    Returns:
        The names of each group by its label: "vgg16 none (3 seeds)".
    """
    repeats: dict[str, list[str]] = {}
    seeds: dict[str, set[int]] = {}
    for path, name in zip(paths, names, strict=True):
        folder = path.parent.parent
        if not (folder / "config.yaml").is_file():
            continue
        config = read_config(folder)
        key = repeat_key(config, read_json(folder / "summary.json"), folder)
        repeats.setdefault(key, []).append(name)
        seeds.setdefault(key, set()).add(config.seed)
    groups: dict[str, list[str]] = {}
    for key, members in repeats.items():
        if len(members) > 1:
            label = _label_group(members, len(seeds[key]))
            groups[_unique(label, groups)] = members
    return groups


def _label_group(members: Sequence[str], seeds: int) -> str:
    """Return the label of runs that differ only in their seed.

    Args:
        members: their names, which end with "seed 1".
        seeds: number of different seeds.
    """
    noun = "seeds" if seeds == len(members) else "runs"
    network = members[0].partition(" seed")[0]
    return f"{network} ({len(members)} {noun})"


def _unique(label: str, others: Collection[str]) -> str:
    """Return a label that is not among others: groups may differ in a key that is not shown."""
    number, candidate = 1, label
    while candidate in others:
        number += 1
        candidate = f"{label} #{number}"
    return candidate


Values = dict[str, dict[str, list[float]]]  # group to metric to one value per run


def _values_of_groups(groups: dict[str, list[str]], runs: dict[str, dict[str, Interval]]) -> Values:
    """Return each metric of each group's runs.

    Args:
        groups: the names of the runs by group.
        runs: the metrics by the run's name.
    """
    values: Values = {}
    for group, members in groups.items():
        metrics = [runs[name] for name in members]
        values[group] = {
            name: [intervals[name]["value"] for intervals in metrics] for name in COMPARED_METRICS
        }
    return values


def _summarize_groups(values: Values) -> dict[str, dict[str, dict[str, float]]]:
    """Return mean and standard deviation of each metric by group.

    Args:
        values: group to metric to one value per run.

    Returns:
        Group to metric to what ``over_seeds`` returns.
    """
    summary: dict[str, dict[str, dict[str, float]]] = {}
    for group, metrics in values.items():
        summary[group] = {}
        for name in COMPARED_METRICS:
            summary[group][name] = over_seeds(metrics[name])
    return summary


def _test_groups(values: Values) -> list[TestedPair]:
    """Test each pair of groups by Welch's t over seeds; p is corrected for the number of pairs."""
    pairs = []
    for first, second in combinations(values, 2):
        tests = {}
        for metric in COMPARED_METRICS:
            tests[metric] = welch(values[first][metric], values[second][metric])
        pairs.append(TestedPair(first, second, tests))
    for metric in COMPARED_METRICS:
        _correct_p_values(pairs, metric)
    return pairs
