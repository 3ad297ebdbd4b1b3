"""Which region the prediction comes from: the ring or the centre of a patch is replaced."""

from collections.abc import Mapping

import numpy as np

from pcam.data.base import Pixels
from pcam.data.crop import centre_square
from pcam.position_bias import views
from pcam.position_bias.probe import Probe
from pcam.position_bias.results import SwapRow
from pcam.stats.intervals import bootstrap_mean
from pcam.stats.metrics import Floats

REGIONS = ("ring", "centre")
LABELS = {"negative": 0, "positive": 1}

Swap = tuple[str, str]  # the region that is replaced, and its replacement


def swap_regions(probe: Probe, side: int) -> dict[Swap, Pixels]:
    """Return the patches with their ring or their centre replaced.

    A region is replaced by that of another patch, by itself blurred, or by its mean colour.

    Args:
        probe: the network and its patches.
        side: of the centre square, pixels.

    Returns:
        Whole patches by region and replacement; empty if the network sees no ring.
    """
    if probe.view.size is not None and probe.view.size <= side:
        return {}
    square = centre_square(side, *probe.patches.shape[1:3])
    swapped: dict[Swap, Pixels] = {}
    for name, region in (("ring", ~square), ("centre", square)):
        for given, label in LABELS.items():
            partners = views.draw_partners(probe.labels, probe.indices, label, probe.seed)
            if len(partners):
                others = probe.patches[partners]
                swapped[name, given] = views.exchange_region(probe.patches, others, region)
        swapped[name, "blurred"] = views.blur_region(probe.patches, region)
        swapped[name, "filled"] = views.fill_region(probe.patches, region)
    return swapped


def measure_swaps(probe: Probe, swapped: Mapping[Swap, Pixels]) -> list[SwapRow]:
    """Measure how the predictions change.

    Args:
        probe: the network and its patches.
        swapped: result of ``swap_regions``.

    Returns:
        A row for each swap, and for each region the contrast of another positive with another
        negative: both have the same cut, whose effect cancels.
    """
    logodds = {swap: probe.logodds(probe.view_of(patches)) for swap, patches in swapped.items()}
    rows: list[SwapRow] = []
    for (region, given), values in logodds.items():
        change = probe.change(values)
        rows.append(SwapRow(region, given, change["logodds"], change))
    for region in REGIONS:
        positive = logodds.get((region, "positive"))
        negative = logodds.get((region, "negative"))
        if positive is not None and negative is not None:
            rows.append(_contrast(probe, region, positive - negative))
    return rows


def _contrast(probe: Probe, region: str, difference: Floats) -> SwapRow:
    """Return the row of the mean difference (N,) of the positives and of the negatives."""
    sides = {}
    for name in ("positive", "negative"):
        chosen = probe.labels == LABELS[name]
        sides[name] = bootstrap_mean(
            np.where(chosen, difference, np.nan),
            probe.slides,
            resamples=probe.resamples,
            seed=probe.seed,
        )
    return SwapRow(region, "contrast", sides, None)
