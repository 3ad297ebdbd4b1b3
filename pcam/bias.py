"""Whether a network's predictions depend on the position in a patch: ``python -m pcam.bias run=FOLDER`` or ``runs=[...]``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pcam.cli.command import Invocation, command

if TYPE_CHECKING:
    from pcam.config.schema import BiasConfig


@command("bias")
def main(invocation: Invocation[BiasConfig]) -> None:
    """Measure what changes if a run's patches are shifted, rotated and mixed."""
    from pcam.position_bias import comparison_tables, output, run, tables

    config, folder = invocation.config, invocation.folder
    if config.run is not None:
        result = run.measure_bias(config)
        output.write_bias(result, folder)
        print(f"{tables.format_bias(result)}\n\n{folder}", flush=True)
        return
    results = []
    for result in run.measure_runs(config):
        results.append(result)
        output.write_bias(result, folder / run.result_names(results)[-1])
        print(f"{tables.format_bias(result)}\n", flush=True)
    comparison = run.compare_runs(results, folder)
    page = output.write_bias_comparison(comparison, folder)
    print(f"{comparison_tables.format_bias_comparison(comparison)}\n{page}", flush=True)


if __name__ == "__main__":
    main()
