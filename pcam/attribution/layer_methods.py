"""The attribution methods that look at a layer, at the network's ReLUs or at its attention.

Like ``pcam.attribution.methods``, this module imports neither torch nor Captum until a method runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pcam.attribution import applicability
from pcam.attribution.methods import GRADIENT, LOG_ODDS
from pcam.config.registry import register_method

if TYPE_CHECKING:
    from torch import Tensor

    from pcam.attribution.context import AttributionContext


@register_method(
    "gradcam",
    title="Grad-CAM",
    unit="log-odds, weighted",
    signed=False,
    uses_layer=True,
    reason_not_applicable=applicability.no_layer_map,
)
def gradcam(context: AttributionContext, x: Tensor, index: Tensor) -> Tensor:
    """A layer's maps weighted by their mean gradients, clipped at zero.

    Selvaraju et al. 2017, equation 2. The map of a transformer is its patches' tokens.
    """
    from pcam.attribution.layer_maps import compute_layer_maps

    maps, gradients = compute_layer_maps(context, x)
    weights = gradients.mean((2, 3), keepdim=True)
    return _resize((weights * maps).sum(1, keepdim=True).relu(), x)


@register_method(
    "hirescam",
    title="HiResCAM",
    unit=LOG_ODDS,
    signed=False,
    uses_layer=True,
    reason_not_applicable=applicability.no_layer_map,
)
def hirescam(context: AttributionContext, x: Tensor, index: Tensor) -> Tensor:
    """Grad-CAM with the gradient of each place instead of the mean (Draelos & Carin 2020)."""
    from pcam.attribution.layer_maps import compute_layer_maps

    maps, gradients = compute_layer_maps(context, x)
    return _resize((gradients * maps).sum(1, keepdim=True).relu(), x)


@register_method(
    "guided_backprop",
    title="guided backpropagation",
    unit=GRADIENT,
    signed=False,
    reason_not_applicable=applicability.unguided_activations,
)
def guided_backprop(context: AttributionContext, x: Tensor, index: Tensor) -> Tensor:
    """Saliency of gradients that pass a ReLU only if above zero (Springenberg et al. 2015)."""
    from captum.attr import GuidedBackprop

    gradients: Tensor = GuidedBackprop(context.scorer).attribute(x)
    return gradients.abs().amax(1)


@register_method(
    "guided_gradcam",
    title="guided Grad-CAM",
    unit="product",
    signed=False,
    uses_layer=True,
    reason_not_applicable=applicability.unguided_activations_or_no_layer_map,
)
def guided_gradcam(context: AttributionContext, x: Tensor, index: Tensor) -> Tensor:
    """Guided backpropagation times Grad-CAM (Selvaraju et al. 2017, section 3.2)."""
    return guided_backprop(context, x, index) * gradcam(context, x, index)


@register_method(
    "attention_rollout",
    title="attention rollout",
    unit="share of attention (of no class)",
    signed=False,
    uses_class=False,
    reason_not_applicable=applicability.no_attention,
)
def attention_rollout(context: AttributionContext, x: Tensor, index: Tensor) -> Tensor:
    """How much of each patch's token attention carries to the end (Abnar & Zuidema 2020).

    It is the same whichever class is explained.
    """
    from pcam.attribution.rollout import compute_rollout

    return _resize(compute_rollout(context, x)[:, None], x)


def _resize(layer_map: Tensor, x: Tensor) -> Tensor:
    """Return a layer's map (B, 1, h, w) at the patches' size, (B, H, W)."""
    from torch.nn.functional import interpolate

    return interpolate(layer_map, tuple(x.shape[-2:]), mode="bilinear")[:, 0]
