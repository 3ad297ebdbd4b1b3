"""The results of a training: scores of its best checkpoint, and what summary.json holds."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from scipy.special import expit

from pcam.config.classes import Classes, title_suffix
from pcam.config.schema import TrainConfig
from pcam.data.base import PatchSource, describe_source
from pcam.data.provider import source_provider
from pcam.evaluation.decision import DecisionRule
from pcam.evaluation.evaluate import Evaluation
from pcam.models.scores import Scores
from pcam.models.weights import WeightsOrigin
from pcam.runs.figures import write_figure
from pcam.runs.files import read_metrics, write_json
from pcam.runs.folder import network_label
from pcam.runs.predictions import write_predictions
from pcam.runs.provenance import code_commit, library_versions
from pcam.runs.trees import JsonObject
from pcam.stats.formatting import format_metrics
from pcam.stats.intervals import METHOD, RESAMPLES, Interval, bootstrap_metrics, unit
from pcam.training.plots import plot_curves

LEVEL = 0.95
THRESHOLD = 0.5
BOOTSTRAP_SEED = 0


@dataclass(frozen=True)
class SplitResult:
    """The scores of a split by the best checkpoint.

    Attributes:
        split: its name.
        source: its patches.
        scores: of each patch, in the source's order.
        metrics: each with its interval.
    """

    split: str
    source: PatchSource
    scores: Scores
    metrics: dict[str, Interval]

    @property
    def unit(self) -> str:
        """What the bootstrap draws: slides or patches."""
        return unit(self.source.groups)


@dataclass(frozen=True)
class SplitData:
    """What identifies the patches of a split.

    Attributes:
        patches: how many.
        positive: how many of them are positive.
        sha256: of ids, labels and some patches' pixels.
    """

    patches: int
    positive: int
    sha256: str


@dataclass(frozen=True)
class Summary:
    """What summary.json holds beside the metrics of each split.

    Attributes:
        intervals: how the intervals are calculated.
        epochs: how many epochs were trained.
        max_epochs: how many there would have been without an early end.
        best_epoch: the epoch of the best checkpoint, from 0.
        pruned: why the median rule ended the training; None if it did not.
        seed: of the run.
        scale: at which the run was trained.
        weights: what the network was initialised with.
        parameters: of backbone and head.
        splits: how the patches were split, and how many were left out.
        classes: the names of the labels 0 and 1.
        patch_size: height and width of the whole patches, pixels.
        data: per split.
        device: name of the GPU, or cpu.
        processes: how many trained together.
        precision: Lightning's name of it.
        batchnorm: statistics of the backbone's BatchNorm once it is trained: kept or moving.
        input_size: what the network resizes patches to, pixels; None if it does not.
        batched: whether whole batches were augmented on the device.
        batch: patches and accumulated batches per process: as asked, and as used in the end where
            a device's memory did not hold a batch, with the epochs (from 0) of the changes.
        find_lr: learning rates that a search before the training has found; None if they were set.
        step: how the network was computed in training steps, and what a trial measured.
        versions: of the libraries.
        commit: of the code.
    """

    intervals: dict[str, str | float | int]
    epochs: int
    max_epochs: int
    best_epoch: int
    pruned: dict[str, float] | None
    seed: int
    scale: str
    weights: WeightsOrigin
    parameters: dict[str, int]
    splits: dict[str, str | dict[str, int]]
    classes: list[str]
    patch_size: list[int]
    data: dict[str, SplitData]
    device: str
    processes: int
    precision: str
    batchnorm: str
    input_size: int | None
    batched: bool
    batch: dict[str, int | list[dict[str, int]]]
    find_lr: dict[str, float] | None
    step: dict[str, str | float | dict[str, float]]
    versions: dict[str, str]
    commit: str | None

    def to_json(self, results: Mapping[str, SplitResult]) -> JsonObject:
        """Return the content of summary.json."""
        metrics = {split: result.metrics for split, result in results.items()}
        return {**metrics, **asdict(self)}


def measure(split: str, source: PatchSource, scores: Scores) -> SplitResult:
    """Return the metrics of a split with their intervals."""
    metrics = bootstrap_metrics(
        scores.logit, scores.label, source.groups, log_odds=True, means={"loss": scores.loss}
    )
    return SplitResult(split, source, scores, metrics)


def to_evaluation(
    config: TrainConfig, folder: Path, result: SplitResult, weights: str, classes: Classes
) -> Evaluation:
    """Return a split's result as ``pcam.evaluate`` would.

    Args:
        config: the run's.
        folder: the run's.
        result: of the split.
        weights: what the network was initialised with.
        classes: the names of the labels 0 and 1.
    """
    return Evaluation(
        run=folder,
        network=network_label(config),
        weights=weights,
        scale=config.scale,
        data=config.data.name,
        classes=classes,
        centre_labelled=source_provider(config.data).centre_labelled,
        split=result.split,
        tta="none",
        source=result.source,
        label=result.scores.label,
        logit=result.scores.logit,
        rule=DecisionRule.fixed(THRESHOLD),
        metrics=result.metrics,
        resamples=RESAMPLES,
        seed=BOOTSTRAP_SEED,
    )


def describe_intervals(unit_name: str) -> dict[str, str | float | int]:
    """Return how the intervals of a summary are calculated."""
    return {"level": LEVEL, "over": unit_name, "method": METHOD, "resamples": RESAMPLES}


def describe_data(
    sources: Mapping[str, PatchSource], fingerprints: Mapping[str, str]
) -> dict[str, SplitData]:
    """Return what identifies the patches of each split."""
    described = {}
    for split, source in sources.items():
        assert source.labels is not None
        positive = int(source.labels.sum())
        described[split] = SplitData(len(source), positive, fingerprints[split])
    return described


def environment() -> tuple[dict[str, str], str | None]:
    """Return the versions of the libraries, and the commit of the code."""
    return library_versions(), code_commit()


def write_results(
    folder: Path,
    config: TrainConfig,
    summary: Mapping[str, object],
    results: Mapping[str, SplitResult],
    unfreeze_epoch: int | None,
    classes: Classes,
) -> bytes:
    """Write predictions, the figure of the training, and summary.json.

    Returns:
        The figure, a PNG. The results do not depend on it, so it may fail to be written.
    """
    for result in results.values():
        write_predictions(
            folder,
            result.split,
            result.source.ids,
            result.scores.label,
            expit(result.scores.logit),
            result.source.groups,
            classes[1],
            result.scores.logit,
        )
    title = f"{network_label(config)} on {config.data.name}{title_suffix(classes)}"
    curves = plot_curves(read_metrics(folder / "metrics.csv"), title, unfreeze_epoch)
    write_figure(folder / "figures" / "curves.png", curves)
    write_json(folder / "summary.json", summary)
    return curves


def format_result(
    config: TrainConfig, result: SplitResult, best_epoch: int, classes: Classes
) -> str:
    """Return the final table, and which checkpoint it is of.

    Args:
        config: of the run.
        result: of the final split.
        best_epoch: of the checkpoint, from 0.
        classes: the names of the labels 0 and 1.
    """
    count = describe_source(result.source, classes, config.scale)
    table = format_metrics(result.split, count, result.metrics, result.unit)
    table += f"\n  checkpoint of epoch {best_epoch + 1}"
    if result.split == "valid":
        table += (
            f"\n  {config.data.name} has no labelled test split: "
            "these metrics are of valid, which chose the checkpoint"
        )
    return table
