"""The attribution methods, most of them by Captum.

The explained output is the log-odds of the positive class, whichever class is predicted: a pixel
above zero speaks for that class, a pixel below zero against it. Inputs are normalised patches at
their own size, so a map has the patch's pixels, whatever size the network resizes them to. Random
draws belong to (seed, patch).

This module names the methods for the config's validation, so it imports neither torch nor Captum
until a method runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pcam.attribution.deeplift import deeplift_maps, incomplete_deeplift
from pcam.attribution.distances import (
    baseline_distance,
    input_norm,
    occlusion_window,
    reference_distance,
    window_distance,
)
from pcam.attribution.maps import TOLERANCE, Maps
from pcam.attribution.randomness import draw
from pcam.config.registry import register_method
from pcam.data.randomness import AttributionStream

if TYPE_CHECKING:
    from torch import Tensor

    from pcam.attribution.context import AttributionContext

LOG_ODDS = "log-odds"
GRADIENT = "log-odds per unit of normalised input"


@register_method("saliency", title="saliency", unit=GRADIENT, signed=False)
def saliency(context: AttributionContext, x: Tensor, index: Tensor) -> Tensor:
    """The largest absolute gradient over the channels (Simonyan et al. 2014, section 3.1)."""
    from captum.attr import Saliency

    gradients: Tensor = Saliency(context.scorer).attribute(x, abs=False)
    return gradients.abs().amax(1)


@register_method("input_x_gradient", title="input × gradient", unit=LOG_ODDS, factor=input_norm)
def input_x_gradient(context: AttributionContext, x: Tensor, index: Tensor) -> Tensor:
    """The gradient times the normalised input, summed over channels (Shrikumar et al. 2016)."""
    from captum.attr import InputXGradient

    products: Tensor = InputXGradient(context.scorer).attribute(x)
    return products.sum(1)


@register_method(
    "integrated_gradients",
    title="integrated gradients",
    unit=LOG_ODDS,
    batched=False,
    uses_baseline=True,
    factor=baseline_distance,
)
def integrated_gradients(context: AttributionContext, x: Tensor, index: Tensor) -> Maps:
    """The mean gradient on the line from the baseline to the patch, times their difference.

    Sundararajan et al. 2017, equation 1. The number of steps is doubled until the map is complete.
    """
    import torch
    from captum.attr import IntegratedGradients

    options = context.options
    baseline = context.baseline(x)
    change = context.log_odds_change(x, baseline)
    steps = options.steps
    while True:
        attributions, error = IntegratedGradients(context.scorer).attribute(
            x,
            baseline,
            n_steps=steps,
            internal_batch_size=options.batch,
            return_convergence_delta=True,
        )
        gap = error.abs().float() / change
        complete = bool((gap <= TOLERANCE).all())
        if complete or steps == options.max_steps:
            return Maps(attributions.sum(1), gap, torch.full((len(x),), steps))
        steps = min(2 * steps, options.max_steps)


@register_method("smoothgrad", title="SmoothGrad", unit=GRADIENT, signed=False, batched=False)
def smoothgrad(context: AttributionContext, x: Tensor, index: Tensor) -> Tensor:
    """Saliency of the mean gradient of noisy copies of the patch (Smilkov et al. 2017)."""
    import torch

    options = context.options
    rng = _patch_generator(context, index)
    deviation = options.noise * float(x.max() - x.min())
    noise = rng.standard_normal((options.samples, *x.shape[1:]), np.float32) * deviation
    gradients = _gradients(context, x + torch.from_numpy(noise).to(x))
    return gradients.mean(0, keepdim=True).abs().amax(1)


@register_method(
    "gradient_shap",
    title="gradient SHAP",
    unit=LOG_ODDS,
    batched=False,
    uses_references=True,
    factor=reference_distance,
)
def gradient_shap(context: AttributionContext, x: Tensor, index: Tensor) -> Tensor:
    """The expected gradient between the patch and other patches, times their difference.

    Erion et al. 2021, equation 3.
    """
    import torch

    references, samples = context.references, context.options.samples
    if references.shape[-2:] != x.shape[-2:]:
        # The patch is shown by a quarter turn and is not square.
        references = torch.rot90(references, 1, (-2, -1))
    rng = _patch_generator(context, index)
    difference = x - references[rng.integers(len(references), size=samples)]
    share = torch.from_numpy(rng.random(samples, np.float32)).to(x)[:, None, None, None]
    gradients = _gradients(context, x - share * difference)
    return (gradients * difference).mean(0, keepdim=True).sum(1)


@register_method(
    "deeplift",
    title="DeepLIFT",
    unit=LOG_ODDS,
    uses_baseline=True,
    factor=baseline_distance,
    reason_not_applicable=incomplete_deeplift,
)
def deeplift(context: AttributionContext, x: Tensor, index: Tensor) -> Maps:
    """What each pixel adds to the difference from the baseline, by the rescale rule.

    Shrikumar et al. 2017, section 3.5.1.
    """
    return deeplift_maps(context, x)


@register_method(
    "occlusion",
    title="occlusion",
    unit=LOG_ODDS,
    batched=False,
    uses_baseline=True,
    factor=window_distance,
)
def occlusion(context: AttributionContext, x: Tensor, index: Tensor) -> Tensor:
    """The drop of the log-odds when a square is replaced by the baseline, mean over squares.

    Zeiler & Fergus 2014.
    """
    from captum.attr import Occlusion

    window, stride = occlusion_window(context, x)
    drops: Tensor = Occlusion(context.scorer).attribute(
        x,
        sliding_window_shapes=(3, window, window),
        strides=(3, stride, stride),
        baselines=context.baseline(x),
        perturbations_per_eval=context.options.batch,
    )
    return drops.mean(1)


def _patch_generator(context: AttributionContext, index: Tensor) -> np.random.Generator:
    """Return the random numbers of one patch.

    Captum's own draws would depend on the batch size and the device.
    """
    (patch,) = index.tolist()
    return draw(context.options.seed, AttributionStream.METHOD, patch)


def _gradients(context: AttributionContext, points: Tensor) -> Tensor:
    """Return the gradients of the log-odds at points (S, 3, H, W)."""
    import torch
    from captum.attr import Saliency

    saliency_of = Saliency(context.scorer)
    gradients = []
    for batch in torch.split(points, context.options.batch):
        gradients.append(saliency_of.attribute(batch, abs=False))
    return torch.cat(gradients)
