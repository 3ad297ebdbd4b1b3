"""The attribution methods that look at a layer or at the network's ReLUs, by Captum.

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

    Selvaraju et al. 2017, equation 2.
    """
    from captum.attr import LayerGradCam

    layer_map = LayerGradCam(context.scorer, context.layer).attribute(
        x.requires_grad_(), relu_attributions=True
    )
    return _resize(layer_map, x)


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
    from captum.attr import LayerGradientXActivation

    products = LayerGradientXActivation(context.scorer, context.layer).attribute(x.requires_grad_())
    return _resize(products.sum(1, keepdim=True).relu(), x)


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
    from captum.attr import GuidedGradCam

    products: Tensor = GuidedGradCam(context.scorer, context.layer).attribute(
        x.requires_grad_(), interpolate_mode="bilinear"
    )
    return products.abs().amax(1)


def _resize(layer_map: Tensor, x: Tensor) -> Tensor:
    """Return a layer's map (B, 1, h, w) at the patches' size, (B, H, W)."""
    from captum.attr import LayerAttribution

    resized: Tensor = LayerAttribution.interpolate(layer_map, tuple(x.shape[-2:]), "bilinear")
    return resized.sum(1)
