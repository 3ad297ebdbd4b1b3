"""The audit as a page: one HTML file with its pictures."""

from collections import Counter
from collections.abc import Mapping

import numpy as np

from pcam.config.classes import describe_positive
from pcam.data.audit.check import VERDICTS, Verdict, sort_by_verdict
from pcam.data.audit.pictures import show_check
from pcam.data.audit.quality import EDGES, STAINS, StainFigures
from pcam.data.audit.run import Audit
from pcam.data.base import PatchSource
from pcam.runs.figures import canvas, clean_axes, png
from pcam.runs.pages import data_uri, page_environment

# Okabe and Ito's colours, which people with a colour vision deficiency can distinguish.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
HEADLINES: Mapping[Verdict, str] = {
    "pass": "No problems found",
    "warn": "Review before training",
    "fail": "Fix before training",
}
Rows = list[list[str]]


def render_page(audit: Audit, sources: Mapping[str, PatchSource]) -> str:
    """Return the audit as HTML.

    Args:
        audit: Of these sources.
        sources: The same splits, from which the pictures are read.

    Returns:
        One file, which contains its pictures.
    """
    counts = Counter(check.verdict for check in audit.checks)
    template = page_environment("pcam.data.audit").get_template("audit.html.j2")
    return template.render(
        title="Audit of the patches",
        headline=HEADLINES[audit.verdict],
        patches=sum(facts["patches"] for facts in audit.splits.values()),
        counts=[(verdict, counts[verdict]) for verdict in VERDICTS if counts[verdict]],
        splits=_split_rows(audit),
        positive=describe_positive(audit.classes),
        checks=[show_check(check, sources) for check in sort_by_verdict(audit.checks)],
        histograms=data_uri(_histograms(audit), "png"),
        stains=_stain_rows(audit),
        distances=_distance_rows(audit),
        thresholds=audit.thresholds,
    )


def _split_rows(audit: Audit) -> Rows:
    """Return the rows of the table of splits.

    Args:
        audit: Of any splits.

    Returns:
        Split, patches, size, positive patches, distinct patches and slides.
    """
    rows = []
    for split, facts in audit.splits.items():
        patches, positive, slides = facts["patches"], facts["positive"], facts["slides"]
        height, width = facts["shape"][:2]
        share = "unknown"
        if positive is not None:
            share = f"{positive:,} ({positive / patches:.1%})"
        rows.append([
            split,
            f"{patches:,}",
            f"{width}×{height}",
            share,
            f"{facts['distinct']:,}",
            "unknown" if slides is None else f"{slides:,}",
        ])  # fmt: skip
    return rows


def _stain_rows(audit: Audit) -> Rows:
    """Return the rows of the table of stains.

    Args:
        audit: Of any splits.

    Returns:
        Split, stain, mean, standard deviation over patches and over slides.
    """
    rows = []
    for split, stains in audit.stain.items():
        for stain in STAINS:
            cells = _format_stain(stains[stain])
            rows.append([split, stain, *cells])
    return rows


def _format_stain(figures: StainFigures) -> list[str]:
    """Return the mean and the standard deviations of a stain; "unknown" for None."""
    values = (figures["mean"], figures["sd"], figures["sd_between_slides"])
    return ["unknown" if value is None else f"{value:.3f}" for value in values]


def _distance_rows(audit: Audit) -> Rows:
    """Return the rows of the table of distances.

    Args:
        audit: Of any splits.

    Returns:
        Pair of splits, stain, standardised distance and Wasserstein distance.
    """
    rows = []
    for pair, stains in audit.stain_distances.items():
        for stain, distance in stains.items():
            standardised = f"{distance['standardised']:.2f}"
            wasserstein = f"{distance['wasserstein']:.3f}"
            rows.append([pair, stain, standardised, wasserstein])
    return rows


def _histograms(audit: Audit) -> bytes:
    """Return the histograms of each stain per split, a PNG."""
    figure = canvas(9.6, 2.9, 150)
    for axes, stain in zip(figure.subplots(1, len(STAINS)), STAINS, strict=True):
        limit = 0.5
        for color, (split, figures) in zip(COLORS, audit.stain.items(), strict=False):
            counts = np.array(figures[stain]["histogram"], float)
            density = counts / max(counts.sum(), 1) / np.diff(EDGES)
            axes.stairs(density, EDGES, color=color, label=split, linewidth=1.4)
            nearly_all = EDGES[1:][counts.cumsum() <= 0.999 * counts.sum()]
            limit = max(limit, float(nearly_all.max(initial=0)) + 0.1)
        axes.set(
            xlabel=f"{stain}, optical density",
            ylabel="density of patches",
            xlim=(0, limit),
            ylim=(0, None),
        )
        clean_axes(axes)
        axes.legend(frameon=False, fontsize=8)
    return png(figure)
