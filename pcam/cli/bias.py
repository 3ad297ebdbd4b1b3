"""Positional bias of one run, or of several side by side: measure, write, return what to print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pcam.runs.folder import read_config

if TYPE_CHECKING:
    from pcam.config.schema import BiasConfig


def run_bias(config: BiasConfig, folder: Path) -> str:
    """Measure the run or the runs that a config names; write the results and return their tables.

    Args:
        config: with ``run`` or ``runs``.
        folder: for the results; each of several runs has a subfolder.

    Raises:
        PcamError: a run or the data cannot be used.
    """
    if config.run is not None:
        return _measure_one(config, Path(config.run), folder)
    return _measure_several(config, folder)


def _measure_one(config: BiasConfig, run: Path, folder: Path) -> str:
    read_config(run)  # before torch, which takes seconds to import
    from pcam.position_bias.output import write_bias
    from pcam.position_bias.run import measure_bias
    from pcam.position_bias.tables import format_bias

    result = measure_bias(config)
    write_bias(result, folder)
    return format_bias(result, config.tables == "all")


def _measure_several(config: BiasConfig, folder: Path) -> str:
    from pcam.position_bias.comparison_tables import format_comparison
    from pcam.position_bias.output import write_bias, write_comparison
    from pcam.position_bias.run import compare_runs, measure_runs, result_names
    from pcam.position_bias.tables import format_bias, format_run

    all_tables = config.tables == "all"
    results, texts = [], []
    for result in measure_runs(config):
        results.append(result)
        # Each is written as soon as it is measured: the next may fail.
        write_bias(result, folder / result_names(results)[-1])
        texts.append(format_bias(result) if all_tables else format_run(result))
    comparison = compare_runs(results, folder)
    write_comparison(comparison, folder)
    return "\n\n".join([*texts, format_comparison(comparison)])
