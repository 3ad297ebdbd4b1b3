"""DeepLIFT, and whether it applies to a network.

Its map is complete only if each non-linearity has a rule, so it is tried on a few patches.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from pcam.attribution.maps import TOLERANCE, Maps
from pcam.errors import describe_error

if TYPE_CHECKING:
    from torch import Tensor

    from pcam.attribution.context import AttributionContext


def deeplift_maps(context: AttributionContext, x: Tensor) -> Maps:
    """Return what each pixel adds to the difference from the baseline, by the rescale rule.

    Args:
        context: the network and the settings.
        x: normalised patches (B, 3, H, W).
    """
    import torch
    from captum.attr import DeepLift

    baseline = context.baseline(x)
    attributions, error = DeepLift(context.scorer_without_max_pooling).attribute(
        x, baseline, return_convergence_delta=True
    )
    gap = error.abs() / context.log_odds_change(x, baseline)
    return Maps(attributions.sum(1), gap, torch.zeros(len(x), dtype=torch.int64))


def incomplete_deeplift(context: AttributionContext, x: Tensor) -> str | None:
    """DeepLIFT needs a rule for each non-linearity; without one its map is not complete.

    Tried in full precision, because bfloat16 alone is not exact enough for a complete map. Over
    all patches at once, because rounding is a large share of the change of a patch that equals its
    baseline.
    """
    try:
        gap = _deeplift_gap(context, x)
    except (RuntimeError, AssertionError, AttributeError) as error:
        return f"Captum does not support the network ({describe_error(error)})"
    if gap <= TOLERANCE:
        return None
    return (
        f"its map misses the change of the log-odds by {100 * gap:.3g} %: a non-linearity has no "
        "rule"
    )


def _deeplift_gap(context: AttributionContext, x: Tensor) -> float:
    """Return DeepLIFT's gap over all patches, as a share of the change of the log-odds."""
    from pcam.attribution.context import AttributionContext
    from pcam.attribution.scorer import Scorer

    exact = AttributionContext(
        Scorer(context.scorer.network), context.layer, context.options, context.references
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        change = exact.log_odds_change(x, exact.baseline(x))
        maps = deeplift_maps(exact, x)
    return float((maps.gap * change).sum() / change.sum())
