"""Faults of single patches and the stain of splits, from a survey's measures.

The thresholds were set on 13,000 patches of PatchCamelyon and on synthetic ones: between what clean
patches reach and what faults look like.
"""

from collections.abc import Mapping, Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from pcam.data.audit.measures import Floats
from pcam.data.audit.survey import Survey

# Mean luminance. Tissue reaches down to 47 (43 under a fold); black outside of a slide is 26 to 41.
DARK = 45.0
# HSV saturation; PatchCamelyon excludes patches whose blurred maximum is below (Veeling et al.).
PALE = 0.07
FLAT = 3.0  # deviation, grey values
# Ratio of bands: about 0.43 after a Gaussian of 2 pixels, 0.30 of 3; sharp patches: 0.6 to 2.8.
BLURRED = 0.55
FOREIGN = 0.03  # share of the area
THRESHOLDS = {"dark": DARK, "pale": PALE, "flat": FLAT, "blurred": BLURRED, "foreign": FOREIGN}

STAINS = ("haematoxylin", "eosin")
EDGES = np.linspace(0, 2.5, 51)  # of the histograms, optical density
QUANTILES = np.linspace(0, 1, 501)

Faults = Mapping[str, NDArray[np.bool_]]


class StainFigures(TypedDict):
    """The optical density of one stain over the patches of a split.

    Attributes:
        mean: None without tissue.
        sd: Over patches.
        sd_between_slides: Over the slides' means; None if slides are unknown.
        histogram: Patches in each bin of ``EDGES``.
    """

    mean: float | None
    sd: float | None
    sd_between_slides: float | None
    histogram: list[int]


class StainDistance(TypedDict):
    """How much the stain of two splits differs.

    Attributes:
        standardised: Difference of the means over the pooled standard deviation (Cohen,
            "Statistical power analysis for the behavioral sciences", 1988: 0.8 is large).
        wasserstein: Mean distance of the quantiles, optical density.
    """

    standardised: float
    wasserstein: float


StainDistances = Mapping[str, Mapping[str, StainDistance]]  # by pair of splits, by stain


def find_faults(survey: Survey) -> Faults:
    """Return which of N patches have which fault, bool (N,) each.

    Args:
        survey: Of the patches; `pcam.data.audit.survey.Survey` defines the measures.

    Returns:
        dark: mean luminance below 45: outside of the scanned area, or under dirt.
        blank: no colour (highest HSV saturation of the 32x32 image below 0.07), or no structure
            (deviation of its luminance below 3 grey values); not dark.
        void: rows or columns without a picture; neither dark nor blank.
        foreign: colours that haematoxylin and eosin cannot mix on at least 3 % of the area;
            neither dark nor blank.
        blurred: sharpness below 0.55; neither dark nor blank. Like other measures of focus
            (Pech-Pacheco et al., ICPR 2000), it compares fine with coarser detail.
    """
    dark = survey.luminance < DARK
    blank = ~dark & ((survey.saturation < PALE) | (survey.contrast < FLAT))
    usable = ~(dark | blank)
    return {
        "blank": blank,
        "dark": dark,
        "blurred": usable & (survey.sharpness < BLURRED),
        "foreign": usable & (survey.foreign >= FOREIGN),
        "void": usable & (survey.void > 0),
    }


def stain_figures(stain: Floats, slides: Sequence[str] | None) -> dict[str, StainFigures]:
    """Return each stain's optical density over patches.

    Args:
        stain: float32 (N, 2), of a survey; NaN for patches without tissue.
        slides: N names, or None.
    """
    present = ~np.isnan(stain[:, 0])
    slide_numbers = None
    if slides is not None and present.any():
        slide_numbers = np.unique(np.asarray(slides)[present], return_inverse=True)[1]
    figures: dict[str, StainFigures] = {}
    for column, name in enumerate(STAINS):
        values = stain[present, column].astype(float)
        between = None
        if slide_numbers is not None:
            slide_means = np.bincount(slide_numbers, values) / np.bincount(slide_numbers)
            between = float(slide_means.std())
        counts, _ = np.histogram(np.clip(values, EDGES[0], EDGES[-1]), EDGES)
        figures[name] = {
            "mean": float(values.mean()) if len(values) else None,
            "sd": float(values.std()) if len(values) else None,
            "sd_between_slides": between,
            "histogram": counts.tolist(),
        }
    return figures


def stain_distance(first: Floats, second: Floats) -> dict[str, StainDistance]:
    """Return how much the stains of two splits differ.

    Args:
        first: float32 (N, 2), of a survey.
        second: float32 (M, 2).

    Returns:
        By stain; without stains that have no tissue.
    """
    distances: dict[str, StainDistance] = {}
    for column, name in enumerate(STAINS):
        one, other = _known(first[:, column]), _known(second[:, column])
        if len(one) == 0 or len(other) == 0:
            continue
        pooled = np.sqrt((one.var() + other.var()) / 2)
        gaps = np.abs(np.quantile(one, QUANTILES) - np.quantile(other, QUANTILES))
        distances[name] = {
            "standardised": float(abs(one.mean() - other.mean()) / max(pooled, 1e-6)),
            "wasserstein": float(gaps.mean()),
        }
    return distances


def _known(values: Floats) -> NDArray[np.float64]:
    return values[~np.isnan(values)].astype(float)


def largest_stain_distance(distances: StainDistances) -> tuple[float, str]:
    """Return the largest standardised distance of all stains and pairs of splits.

    Args:
        distances: By pair of splits, by stain.

    Returns:
        The distance and where it is ("eosin of train and test"); 0 and "" if there is none.
    """
    found = [(0.0, "")]
    for pair, stains in distances.items():
        found += [(one["standardised"], f"{name} of {pair}") for name, one in stains.items()]
    return max(found)
