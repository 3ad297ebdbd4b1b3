"""What is wrong with single patches, and how splits are stained: from a survey's figures.

Every threshold was set on 13,000 patches of PatchCamelyon and on made ones: between what the clean ones reach and what
faults look like.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcam.data.audit.survey import Floats, Survey

DARK = 45.0  # mean luminance; tissue goes down to 47 (43 under a fold), the black outside of a slide is 26 to 41
PALE = 0.07  # HSV saturation: PatchCamelyon itself left out patches whose maximum, blurred, is below it (Veeling et al. 2018)
FLAT = 3.0  # grey values
BLURRED = 0.55  # ratio of bands; a Gaussian of 2 pixels gives about 0.43, of 3 pixels 0.30, sharp patches 0.6 to 2.8
FOREIGN = 0.03  # share of the area
THRESHOLDS = {"dark": DARK, "pale": PALE, "flat": FLAT, "blurred": BLURRED, "foreign": FOREIGN}

STAINS = ("haematoxylin", "eosin")
EDGES = np.linspace(0, 2.5, 51)  # of the histograms, optical density


def faults(survey: Survey) -> dict[str, NDArray[np.bool_]]:
    """Return which of N patches have which fault, bool (N,) each.

    dark: mean luminance below 45: outside of the scanned area, or under dirt.
    blank: no colour (highest HSV saturation of the 32x32 image below 0.07), or no structure (deviation of its luminance
        below 3 grey values); not dark.
    void: rows or columns that carry no picture; neither dark nor blank. See `pcam.data.audit.survey.Survey`.
    foreign: colours that haematoxylin and eosin cannot mix on at least 3 % of the area; neither dark nor blank. See
        `pcam.data.audit.survey.foreign`.
    blurred: sharpness below 0.55; neither dark nor blank. See `pcam.data.audit.survey.Survey`; as other measures of focus do
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


def stain_figures(stain: Floats, slides: Sequence[str] | None) -> dict[str, dict[str, Any]]:
    """Return each stain's optical density over patches: mean, sd, sd between slides' means (None: unknown), histogram.

    Args:
        stain: float32 (N, 2), of a survey; not-a-number where a patch has no tissue.
        slides: N names, or None.
    """
    present = ~np.isnan(stain[:, 0])
    out: dict[str, dict[str, Any]] = {}
    for column, name in enumerate(STAINS):
        values = stain[present, column].astype(float)
        between = None
        if slides is not None and len(values):
            _, number = np.unique(np.asarray(slides)[present], return_inverse=True)
            between = float((np.bincount(number, values) / np.bincount(number)).std())
        out[name] = {
            "mean": float(values.mean()) if len(values) else None,
            "sd": float(values.std()) if len(values) else None,
            "sd_between_slides": between,
            "histogram": np.histogram(np.clip(values, EDGES[0], EDGES[-1]), EDGES)[0].tolist(),
        }
    return out


def stain_distance(a: Floats, b: Floats) -> dict[str, dict[str, float]]:
    """Return how far two splits' stains are apart.

    ``standardised`` is the difference of the means over the pooled standard deviation (Cohen, "Statistical power analysis
    for the behavioral sciences", 1988: 0.8 is large); ``wasserstein`` is the mean distance of their quantiles, in optical
    density.
    """
    out: dict[str, dict[str, float]] = {}
    level = np.linspace(0, 1, 501)
    for column, name in enumerate(STAINS):
        one, two = (values[~np.isnan(values[:, column]), column].astype(float) for values in (a, b))
        if len(one) == 0 or len(two) == 0:
            continue
        pooled = np.sqrt((one.var() + two.var()) / 2)
        out[name] = {
            "standardised": float(abs(one.mean() - two.mean()) / max(pooled, 1e-6)),
            "wasserstein": float(np.abs(np.quantile(one, level) - np.quantile(two, level)).mean()),
        }
    return out


def furthest(distances: Mapping[str, Mapping[str, Mapping[str, float]]]) -> tuple[float, str]:
    """Return the largest standardised distance and what it is between ("eosin, train and test"); 0 and "" if there is none."""
    every = [
        (d["standardised"], f"{name}, {pair}")
        for pair, stains in distances.items()
        for name, d in stains.items()
    ]
    return max(every, default=(0.0, ""))
