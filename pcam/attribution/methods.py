"""Maps of what a network's log-odds owe to each pixel, by Captum.

What is explained is the log-odds of the positive class, whichever class is called: above zero a pixel speaks for it, below
zero against it. Inputs are normalised patches at their own size, so a map has the patch's pixels, whatever size the network
resizes them to. Where a method draws at random, the draws belong to (seed, patch).
"""

import numpy as np
import torch
from torch import Tensor

from pcam.attribution.options import SMALLEST, TOLERANCE, AttributionContext, Maps
from pcam.data.randomness import Purpose, draw


def saliency(e: AttributionContext, x: Tensor, index: Tensor) -> Maps:
    """The largest absolute gradient over the channels (Simonyan et al. 2014, section 3.1)."""
    from captum.attr import Saliency

    return _maps(Saliency(e.scorer).attribute(x, abs=False).abs().amax(1))


def input_x_gradient(e: AttributionContext, x: Tensor, index: Tensor) -> Maps:
    """The gradient times the normalised input, summed over the channels (Shrikumar et al. 2016)."""
    from captum.attr import InputXGradient

    return _maps(InputXGradient(e.scorer).attribute(x).sum(1))


def integrated_gradients(e: AttributionContext, x: Tensor, index: Tensor) -> Maps:
    """The gradient along the way from the baseline, times that way (Sundararajan et al. 2017, equation 1)."""
    from captum.attr import IntegratedGradients

    baseline, steps = e.baseline(x), e.options.steps
    size = change(e, x, baseline)
    while True:
        found, miss = IntegratedGradients(e.scorer).attribute(
            x,
            baseline,
            n_steps=steps,
            internal_batch_size=e.options.batch,
            return_convergence_delta=True,
        )
        gap = miss.abs().float() / size
        if bool((gap <= TOLERANCE).all()) or steps == e.options.max_steps:
            return Maps(found.sum(1), gap, torch.full((len(x),), steps))
        steps = min(2 * steps, e.options.max_steps)


def smoothgrad(e: AttributionContext, x: Tensor, index: Tensor) -> Maps:
    """Saliency of the mean gradient of noisy copies of the patch (Smilkov et al. 2017)."""
    rng = _of_patch(e, index)
    noise = rng.standard_normal((e.options.samples, *x.shape[1:]), np.float32) * (
        e.options.noise * float(x.max() - x.min())
    )
    return _maps(
        _gradients(e, x + torch.from_numpy(noise).to(x)).mean(0, keepdim=True).abs().amax(1)
    )


def gradient_shap(e: AttributionContext, x: Tensor, index: Tensor) -> Maps:
    """The expected gradient between the patch and other patches, times their difference (Erion et al. 2021, equation 3)."""
    references, rng, count = e.references, _of_patch(e, index), e.options.samples
    if references.shape[-2:] != x.shape[-2:]:  # the patch is shown turned, and is not square
        references = torch.rot90(references, 1, (-2, -1))
    way = x - references[rng.integers(len(references), size=count)]
    left = torch.from_numpy(rng.random(count, np.float32)).to(x)[:, None, None, None]
    return _maps((_gradients(e, x - left * way) * way).mean(0, keepdim=True).sum(1))


def deeplift(e: AttributionContext, x: Tensor, index: Tensor) -> Maps:
    """What each pixel adds to the difference from the baseline, by the rescale rule (Shrikumar et al. 2017, section 3.5.1)."""
    from captum.attr import DeepLift

    baseline = e.baseline(x)
    found, miss = DeepLift(e.pooled_by_relus).attribute(x, baseline, return_convergence_delta=True)
    return Maps(
        found.sum(1), miss.abs() / change(e, x, baseline), torch.zeros(len(x), dtype=torch.int64)
    )


def gradcam(e: AttributionContext, x: Tensor, index: Tensor) -> Maps:
    """A layer's maps weighted by their mean gradients, what lies below zero cut off (Selvaraju et al. 2017, equation 2)."""
    from captum.attr import LayerAttribution, LayerGradCam

    found = LayerGradCam(e.scorer, e.layer).attribute(x.requires_grad_(), relu_attributions=True)
    return _maps(LayerAttribution.interpolate(found, tuple(x.shape[-2:]), "bilinear").sum(1))


def hirescam(e: AttributionContext, x: Tensor, index: Tensor) -> Maps:
    """Grad-CAM with each place's own gradient in place of the mean over places (Draelos & Carin 2020)."""
    from captum.attr import LayerAttribution, LayerGradientXActivation

    found = (
        LayerGradientXActivation(e.scorer, e.layer)
        .attribute(x.requires_grad_())
        .sum(1, keepdim=True)
        .relu()
    )
    return _maps(LayerAttribution.interpolate(found, tuple(x.shape[-2:]), "bilinear").sum(1))


def guided_backprop(e: AttributionContext, x: Tensor, index: Tensor) -> Maps:
    """Saliency of gradients that pass a ReLU only where they are above zero (Springenberg et al. 2015)."""
    from captum.attr import GuidedBackprop

    return _maps(GuidedBackprop(e.scorer).attribute(x).abs().amax(1))


def guided_gradcam(e: AttributionContext, x: Tensor, index: Tensor) -> Maps:
    """Guided backpropagation times Grad-CAM (Selvaraju et al. 2017, section 3.2)."""
    from captum.attr import GuidedGradCam

    return _maps(
        GuidedGradCam(e.scorer, e.layer)
        .attribute(x.requires_grad_(), interpolate_mode="bilinear")
        .abs()
        .amax(1)
    )


def occlusion(e: AttributionContext, x: Tensor, index: Tensor) -> Maps:
    """What the log-odds lose when a square is replaced by the baseline (Zeiler & Fergus 2014), mean over the squares."""
    from captum.attr import Occlusion

    window, stride = _square(e, x)
    found = Occlusion(e.scorer).attribute(
        x, sliding_window_shapes=(3, window, window), strides=(3, stride, stride),
        baselines=e.baseline(x), perturbations_per_eval=e.options.batch,
    )  # fmt: skip
    return _maps(found.mean(1))


# What gradients are multiplied with, (B, H, W): where a network that knows nothing would have its map lie ------------------


def input_itself(e: AttributionContext, x: Tensor) -> Tensor:
    """How far each pixel is from the network's zero."""
    size: Tensor = torch.linalg.vector_norm(x, dim=1)
    return size


def baseline_distance(e: AttributionContext, x: Tensor) -> Tensor:
    """How far each pixel is from the baseline."""
    return input_itself(e, x - e.baseline(x))


def reference_distance(e: AttributionContext, x: Tensor) -> Tensor:
    """How far each pixel is from those of the references, their root mean square: each has gradients of its own."""
    return torch.stack([input_itself(e, x - one) ** 2 for one in e.references]).mean(0).sqrt()


def window_distance(e: AttributionContext, x: Tensor) -> Tensor:
    """How far what occlusion replaces is from the baseline: a pixel's value is the mean over the squares that cover it."""
    rows, columns = (_shared(size, *_square(e, x)).to(x) for size in x.shape[-2:])
    return torch.einsum("hi,bij,wj->bhw", rows**2, baseline_distance(e, x) ** 2, columns**2).sqrt()


def _square(e: AttributionContext, x: Tensor) -> tuple[int, int]:
    """Return the side of occlusion's square and by how much it moves."""
    window = min(e.options.window, *x.shape[-2:])
    return window, min(e.options.stride, window)


def _shared(size: int, window: int, stride: int) -> Tensor:
    """Return (size, size): of the squares that cover one place along a side, the share that cover another too."""
    starts = torch.arange(-(-(size - window) // stride) + 1)[:, None] * stride
    places = torch.arange(size)
    covered = ((places >= starts) & (places < starts + window)).float()
    return covered.T @ covered / covered.sum(0)[:, None]


def _maps(values: Tensor) -> Maps:
    size = len(values)
    return Maps(values, torch.full((size,), torch.nan), torch.zeros(size, dtype=torch.int64))


def change(e: AttributionContext, x: Tensor, baseline: Tensor) -> Tensor:
    """Return by how much the log-odds differ from the baseline's, (B,), at least ``SMALLEST``."""
    with torch.no_grad():
        size: Tensor = (e.scorer(x) - e.scorer(baseline)).abs().clamp(min=SMALLEST)
    return size


def _of_patch(e: AttributionContext, index: Tensor) -> np.random.Generator:
    """Return the random numbers of one patch: Captum's own draws would change with the batch size and the device."""
    (one,) = index.tolist()
    return draw(e.options.seed, Purpose.ATTRIBUTION, patch=one)


def _gradients(e: AttributionContext, points: Tensor) -> Tensor:
    from captum.attr import Saliency

    return torch.cat(
        [
            Saliency(e.scorer).attribute(few, abs=False)
            for few in torch.split(points, e.options.batch)
        ]
    )
