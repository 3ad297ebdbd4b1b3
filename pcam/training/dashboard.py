"""What every dashboard gets: the metrics of a training, and its results."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from pcam.config.base import NonNegativeInt, Section

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger

    from pcam.evaluation.evaluate import Evaluation


# What W&B accepts.
Text = Annotated[str, Field(min_length=1, max_length=128)]
NOT_IN_A_PROJECT = "/\\#?%:"


def _check_project(name: str) -> str:
    found = [letter for letter in NOT_IN_A_PROJECT if letter in name]
    if found:
        text = f"{name} must not contain {' '.join(found)}"
        raise PydanticCustomError("value_fault", "{text}", {"text": text})
    return name


class WandbConfig(Section):
    """Weights & Biases.

    Attributes:
        project: that the run belongs to.
        entity: a team; None for the user.
        group: of runs; None for the sweep, in a sweep.
        tags: of the run.
        artifact: whether to upload the best checkpoint.
        table: how many patches of the final split to show with their predictions.
    """

    project: Annotated[Text, AfterValidator(_check_project)]
    entity: Text | None
    group: Text | None
    tags: list[Annotated[str, Field(min_length=1, max_length=64)]]
    artifact: bool
    table: NonNegativeInt


@dataclass(frozen=True)
class FinalResult:
    """What a dashboard gets at a training's end.

    Attributes:
        summary: what summary.json holds.
        evaluation: of the best checkpoint on the final split.
        figures: name to PNG.
    """

    summary: Mapping[str, object]
    evaluation: "Evaluation"
    figures: dict[str, bytes]


class Dashboard:
    """A Lightning logger that also gets a run's results.

    Args:
        logger: Lightning's.

    Attributes:
        guarded: passes on to the logger until it fails; a training uses this one.
    """

    def __init__(self, logger: "Logger") -> None:
        from pcam.training.guarded_logger import GuardedLogger  # Lightning takes seconds to import

        self.logger = logger
        self.guarded = GuardedLogger(logger)

    def log_result(self, result: FinalResult) -> None:
        """Log the final metrics."""
        split, metrics = result.evaluation.split, result.evaluation.metrics
        self.logger.log_metrics({f"{split}/{name}": metrics[name]["value"] for name in metrics})

    def close(self, status: int) -> None:
        """Close the dashboard.

        Args:
            status: 0 if the run finished.
        """
        self.logger.finalize("success" if status == 0 else "failed")
