"""Evaluate a trained network on a split: ``python -m pcam.evaluate run=FOLDER split=test``."""

from pathlib import Path
from typing import TYPE_CHECKING

from pcam.cli.command import Invocation, command
from pcam.cli.console import show
from pcam.runs.folder import read_config

if TYPE_CHECKING:
    from pcam.config.schema import EvaluateConfig


@command("evaluate")
def main(invocation: "Invocation[EvaluateConfig]") -> float:
    """Compute a run's metrics with their intervals; return AUROC, for sweepers."""
    read_config(Path(invocation.config.run))  # before torch, which takes seconds to import
    from pcam.evaluation.evaluate import evaluate_run
    from pcam.evaluation.output import write_evaluation
    from pcam.evaluation.saved_run import open_run
    from pcam.evaluation.tables import format_evaluation
    from pcam.galleries.evaluated import replace_gallery

    config, folder = invocation.config, invocation.folder
    run = open_run(Path(config.run))
    evaluation = evaluate_run(run, config)
    write_evaluation(evaluation, folder)
    show(format_evaluation(evaluation), "")
    pages = replace_gallery(run, evaluation, config.gallery, folder)
    show(*pages, folder)
    return evaluation.metrics["auroc"]["value"]


if __name__ == "__main__":
    main()
