"""Train and test a classifier: ``python -m pcam.train model=resnet50 data=pcam data.root=DIR``."""

from typing import TYPE_CHECKING

from pcam.cli.command import Invocation, command

if TYPE_CHECKING:
    from pcam.config.schema import TrainConfig


@command("train", creates_runs=True)
def main(invocation: "Invocation[TrainConfig]") -> float:
    """Train as the config says; return the best checkpoint's valid AUROC, for sweepers."""
    from pcam.cli.training import run_training

    return run_training(invocation)


if __name__ == "__main__":
    main()
