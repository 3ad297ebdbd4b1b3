"""Several networks on the same patches, told apart."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcam.config.tables import check
from pcam.errors import ConfigError, DataError
from pcam.evaluation.predictions import (
    AlignedPredictions,
    align_predictions,
    find_predictions,
    read_predictions,
)
from pcam.runs.files import write_json
from pcam.runs.folder import Config, read_config
from pcam.stats.compare import delong, holm, mcnemar, paired_difference
from pcam.stats.formatting import format_difference, format_interval, format_p_value, format_table
from pcam.stats.intervals import bootstrap_metrics, unit
from pcam.stats.seeds import over_seeds, welch

Floats = NDArray[np.float64]
FIGURES = ("auroc", "accuracy")


def compare(config: Config, folder: Path) -> dict[str, Any]:
    """Test the differences between networks on the same patches; runs that differ in seed alone are also one group.

    Returns:
        What summary.json holds.
    """
    resamples = bootstrap_settings(config)
    split = config["split"]
    paths = find_predictions(config["runs"], split)
    if len(paths) < 2:
        raise ConfigError(f"runs: a comparison needs at least two, there is {paths[0]}")
    found = align_predictions([read_predictions(path) for path in paths])
    if found.label is None:
        raise DataError(
            f"split={split}: these predictions come without labels; there is nothing to compare by"
        )
    check(config["against"], int | None, "against")
    against = config["against"]
    if against is not None and not 1 <= against <= len(paths):
        raise ConfigError(f"against={against}: the runs are 1 to {len(paths)}")
    every = list(combinations(range(len(paths)), 2))
    pairs = (
        every
        if against is None
        else [(i, against - 1) for i in range(len(paths)) if i != against - 1]
    )
    tested = [_pair(found, first, second, resamples) for first, second in pairs]
    for kind in ("auroc", "accuracy", "delong", "mcnemar"):
        some = [pair[kind] for pair in tested if kind in pair]
        for pair, p in zip(some, holm([pair["p"] for pair in some]), strict=True):
            pair["p_holm"] = p
    each = {
        name: bootstrap_metrics(row, found.label, found.slides, metrics=FIGURES, **resamples)
        for name, row in zip(found.names, found.probability, strict=True)
    }
    groups = _groups(paths, found)
    summary: dict[str, Any] = {
        "split": split,
        "patches": len(found.ids),
        "over": unit(found.slides),
        "runs": each,
        "pairs": tested,
        "groups": groups,
        "seeds": _seeds(groups, each),
        **resamples,
    }
    write_json(folder / "summary.json", summary)
    print(_compare_table(summary))
    print(f"\n{folder / 'summary.json'}")
    return summary


def _pair(
    found: AlignedPredictions, first: int, second: int, resamples: Mapping[str, Any]
) -> dict[str, Any]:
    a, b, label = found.probability[first], found.probability[second], found.label
    assert label is not None
    pair: dict[str, Any] = {"first": found.names[first], "second": found.names[second]}
    pair |= paired_difference(a, b, label, found.slides, metrics=FIGURES, **resamples)
    if found.slides is None:  # these count patches as independent
        pair |= {"delong": delong(a, b, label), "mcnemar": mcnemar(a >= 0.5, b >= 0.5, label)}
    return pair


def _groups(paths: Sequence[Path], found: AlignedPredictions) -> dict[str, list[str]]:
    """Return the names of runs by what they have in common but their seed, where a group has two or more."""
    groups: dict[str, list[str]] = {}
    for path, name in zip(paths, found.names, strict=True):
        run = path.parent.parent
        if (run / "config.yaml").is_file():
            config = {key: value for key, value in read_config(run).items() if key != "seed"}
            groups.setdefault(repr(_seedless(config)), []).append(name)
    return {
        f"{names[0].partition(' seed')[0]} ({len(names)} seeds)": names
        for names in groups.values()
        if len(names) > 1
    }


def _seedless(config: Config) -> Config:
    """Return a config without what follows the seed or says only where a run took place."""
    config = {key: value for key, value in config.items() if key not in ("logger", "trainer")} | {
        "trainer": config["trainer"]["max_epochs"]
    }
    config["splits"] = {key: value for key, value in config["splits"].items() if key != "seed"}
    return config


def _seeds(groups: Mapping[str, Sequence[str]], each: Mapping[str, Any]) -> dict[str, Any]:
    """Return mean and sd of each group of seeds, and the test of each pair of groups."""
    values = {
        group: {figure: [each[name][figure]["value"] for name in names] for figure in FIGURES}
        for group, names in groups.items()
    }
    told: dict[str, Any] = {
        "groups": {
            group: {figure: over_seeds(of[figure]) for figure in FIGURES}
            for group, of in values.items()
        }
    }
    pairs: list[dict[str, Any]] = [
        {
            "first": a,
            "second": b,
            **{figure: welch(values[a][figure], values[b][figure]) for figure in FIGURES},
        }
        for a, b in combinations(values, 2)
    ]
    for figure in FIGURES:
        for pair, p in zip(pairs, holm([pair[figure]["p"] for pair in pairs]), strict=True):
            pair[figure]["p_holm"] = p
    return {**told, "pairs": pairs}


def _compare_table(summary: Mapping[str, Any]) -> str:
    lines = [
        [name, format_interval(row["auroc"]), format_interval(row["accuracy"])]
        for name, row in summary["runs"].items()
    ]
    parts = [
        f"{summary['split']}: {summary['patches']:,} patches",
        format_table(["", "AUROC", "accuracy"], lines),
        "",
        f"differences, paired bootstrap over {summary['over']}; accuracy at threshold 0.5",
    ]
    head = ["first", "second", "AUROC", "p (Holm)", "accuracy", "p (Holm)"]
    over_patches = any("delong" in pair for pair in summary["pairs"])
    head += ["DeLong p (Holm)", "McNemar p (Holm)"] if over_patches else []
    lines = []
    for pair in summary["pairs"]:
        lines.append([pair["first"], pair["second"]])
        for figure in FIGURES:
            lines[-1] += [format_difference(pair[figure]), format_p_value(pair[figure]["p_holm"])]
        lines[-1] += [
            format_p_value(pair[test]["p_holm"]) for test in ("delong", "mcnemar") if test in pair
        ]
    parts.append(format_table(head, lines))
    seeds = summary["seeds"]
    if seeds["groups"]:
        welch_told = (
            "; differences by Welch's t (would other seeds turn the order round?)"
            if seeds["pairs"]
            else ""
        )
        parts += ["", f"over seeds: mean ± sd{welch_told}"]
        lines = [
            [group, *(f"{of[figure]['mean']:.4f} ± {of[figure]['sd']:.4f}" for figure in FIGURES)]
            for group, of in seeds["groups"].items()
        ]
        parts.append(format_table(["", "AUROC", "accuracy"], lines))
        lines = []
        for pair in seeds["pairs"]:
            lines.append([pair["first"], pair["second"]])
            for figure in FIGURES:
                lines[-1] += [
                    format_difference(pair[figure]),
                    format_p_value(pair[figure]["p_holm"]),
                ]
        if lines:
            parts.append(format_table(head[:6], lines))
    return "\n".join(parts)


def bootstrap_settings(config: Config) -> dict[str, Any]:
    """Return how the bootstrap is to draw, checked."""
    for key in ("resamples", "seed"):
        check(config[key], int, key)
    if config["seed"] < 0:
        raise ConfigError(f"seed={config['seed']} is less than 0")
    if config["resamples"] < 100:
        raise ConfigError(
            f"resamples={config['resamples']}: at least 100 are needed for an interval"
        )
    return {"resamples": config["resamples"], "seed": config["seed"]}
