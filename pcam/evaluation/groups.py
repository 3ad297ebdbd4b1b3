"""Groups of runs that differ only in their seed, and tests between them."""

from collections.abc import Collection, Sequence
from itertools import combinations
from pathlib import Path

from pcam.evaluation.pairs import COMPARED_METRICS, TestedPair, correct_p_values
from pcam.runs.files import read_json
from pcam.runs.folder import read_config
from pcam.runs.identity import repeat_key
from pcam.stats.intervals import Interval
from pcam.stats.seeds import over_seeds, welch

Values = dict[str, dict[str, list[float]]]  # group to metric to one value per run


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


def values_of_groups(groups: dict[str, list[str]], runs: dict[str, dict[str, Interval]]) -> Values:
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


def summarize_groups(values: Values) -> dict[str, dict[str, dict[str, float]]]:
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


def compare_groups(values: Values) -> list[TestedPair]:
    """Test each pair of groups by Welch's t over seeds; p is corrected for the number of pairs."""
    pairs = []
    for first, second in combinations(values, 2):
        tests = {}
        for metric in COMPARED_METRICS:
            tests[metric] = welch(values[first][metric], values[second][metric])
        pairs.append(TestedPair(first, second, tests))
    for metric in COMPARED_METRICS:
        correct_p_values(pairs, metric)
    return pairs
