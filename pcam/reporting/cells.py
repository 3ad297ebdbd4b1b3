"""Cells that the report's tables share: networks, figures with intervals, differences."""

from collections.abc import Mapping, Sequence

from pcam.reporting.differences import Difference
from pcam.reporting.page import Table
from pcam.reporting.study import config_of, summary_of
from pcam.stats.formatting import format_difference, format_interval, format_p_value
from pcam.stats.seeds import over_seeds
from pcam.sweeps.jobs import Job

NETWORKS = {
    "efficientnet_b0": "EfficientNet-B0",
    "tf_efficientnet_b7": "EfficientNet-B7",
    "resnet50": "ResNet-50",
    "legacy_xception": "Xception",
    "googlenet": "GoogLeNet",
    "vgg16": "VGG-16",
    "densenet201": "DenseNet201",
}
DIFFERENCE_HEAD = ("p (Holm)", "over seeds", "p (Holm), seeds")  # after the difference itself


def network_name(network: str) -> str:
    """Return a network's name in tables."""
    return NETWORKS.get(network, network)


def describe_network(job: Job, *details: str) -> str:
    """Return a job's network as tables show it.

    Args:
        job: whose configuration can be read.
        details: what distinguishes it from others with the same network.

    Returns:
        "ResNet-50", "test_resnet in place of ResNet-50 (smoke), aug=none".
    """
    name = network_name(job.network)
    trained = config_of(job).model.name
    if trained != job.network:
        name = f"{trained} in place of {name} ({job.scale})"
    elif job.scale != "full":
        name += f" ({job.scale})"
    return join_details(name, *details)


def join_details(*details: str) -> str:
    """Return the details that are not empty, with commas."""
    return ", ".join(filter(None, details))


def count_jobs(count: int) -> str:
    """Return "1 job", "2 jobs"."""
    return f"{count} job" if count == 1 else f"{count} jobs"


def figure_cell(figure: Mapping[str, float | None]) -> str:
    """Return a figure with its interval.

    Args:
        figure: "value", "low" and "high"; None where unknown.

    Returns:
        "0.925 [0.907, 0.940]", or "not defined".
    """
    known = {}
    for key in ("value", "low", "high"):
        value = figure.get(key)
        known[key] = float("nan") if value is None else value
    return format_interval(known, form=".3f")


def figures_cell(figures: Sequence[Mapping[str, float | None]]) -> str:
    """Return a figure of one run or several.

    Args:
        figures: the same figure of each run.

    Returns:
        One run's with its interval, "0.925 [0.907, 0.940]", or mean and standard deviation of
        several runs, "0.925 ± 0.012 (3 runs)".
    """
    if len(figures) == 1:
        return figure_cell(figures[0])
    known = []
    for figure in figures:
        value = figure["value"]
        if value is not None:
            known.append(value)
    if not known:
        return "not defined"
    runs = over_seeds(known)
    return f"{runs['mean']:.3f} ± {runs['sd']:.3f} ({len(known)} runs)"


def split_figures(jobs: Sequence[Job], split: str, name: str) -> list[Mapping[str, float | None]]:
    """Return a figure of each job's split."""
    return [summary_of(job)[split][name] for job in jobs]


def difference_cells(difference: Difference | None) -> list[str]:
    """Return the difference and the cells of ``DIFFERENCE_HEAD``.

    Args:
        difference: of two groups of jobs; None for a row without one.

    Returns:
        Four cells, empty where nothing was tested.
    """
    if difference is None:
        return ["", "", "", ""]
    by_patch = [format_difference(difference.patches), format_p_value(difference.p)]
    by_seed = ["", ""]
    if difference.seeds is not None:
        by_seed = [format_difference(difference.seeds), format_p_value(difference.seeds_p)]
    return by_patch + by_seed


def difference_note(table: Table, differences: Sequence[Difference | None]) -> str:
    """Return how the differences in a table were tested; "" if it has none.

    Args:
        table: as shown, without its empty columns.
        differences: of its rows.
    """
    sentences = []
    if "p (Holm)" in table.head:
        bootstrap = (
            "The difference is of the mean AUROCs; its interval and p are from the paired "
            "bootstrap (other patches, the same runs)"
        )
        if "over seeds" in table.head:
            bootstrap += ", over seeds from the paired t-test (the same patches, other seeds)"
        sentences.append(f"{bootstrap}.")
        sentences.append("p is corrected for the number of differences by Holm's method.")
    known = [difference for difference in differences if difference is not None]
    if any(difference.only_shared_seeds for difference in known):
        sentences.append("Differences are over the seeds that both groups have.")
    return " ".join(sentences)
