"""The methods by name, and what makes maps by them."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pcam.attribution import applicability, methods
from pcam.attribution.options import AttributionContext, Maps
from pcam.config.tables import look_up, once

TRIED = 4  # patches on which it is tried whether a method holds

Attribute = Callable[[AttributionContext, Tensor, Tensor], Maps]


@dataclass(frozen=True)
class Method:
    """A way to make maps.

    Attributes:
        title: for a person.
        unit: of a map's values.
        signed: whether values below zero have a meaning.
        attribute: normalised patches and their indices to maps.
        batched: patches are worked on together; else one by one, the batch being filled with steps, samples or windows.
        baseline: whether it compares a patch with the baseline.
        of_layer: whether it is made of a layer's maps.
        factor: what it multiplies gradients with, normalised patches to (B, H, W); None where they stand alone.
        refusal: why it does not hold for a network.
    """

    title: str
    unit: str
    signed: bool
    attribute: Attribute
    batched: bool = True
    baseline: bool = False
    of_layer: bool = False
    factor: Callable[[AttributionContext, Tensor], Tensor] | None = None
    refusal: Callable[[AttributionContext, Tensor], str | None] | None = None


GRADIENT, LOGODDS = "log-odds per unit of normalised input", "log-odds"

METHODS: Mapping[str, Method] = {
    "saliency": Method("saliency", GRADIENT, False, methods.saliency),
    "input_x_gradient": Method(
        "input × gradient", LOGODDS, True, methods.input_x_gradient, factor=methods.input_itself
    ),
    "integrated_gradients": Method(
        "integrated gradients",
        LOGODDS,
        True,
        methods.integrated_gradients,
        batched=False,
        baseline=True,
        factor=methods.baseline_distance,
    ),
    "smoothgrad": Method("SmoothGrad", GRADIENT, False, methods.smoothgrad, batched=False),
    "gradcam": Method(
        "Grad-CAM",
        "log-odds, weighted",
        False,
        methods.gradcam,
        of_layer=True,
        refusal=applicability.no_map,
    ),
    "hirescam": Method(
        "HiResCAM", LOGODDS, False, methods.hirescam, of_layer=True, refusal=applicability.no_map
    ),
    "guided_gradcam": Method(
        "guided Grad-CAM",
        "product",
        False,
        methods.guided_gradcam,
        of_layer=True,
        refusal=applicability.unguided_or_no_map,
    ),
    "guided_backprop": Method(
        "guided backpropagation",
        GRADIENT,
        False,
        methods.guided_backprop,
        refusal=applicability.unguided,
    ),
    "occlusion": Method(
        "occlusion",
        LOGODDS,
        True,
        methods.occlusion,
        batched=False,
        baseline=True,
        factor=methods.window_distance,
    ),
    "gradient_shap": Method(
        "gradient SHAP",
        LOGODDS,
        True,
        methods.gradient_shap,
        batched=False,
        factor=methods.reference_distance,
    ),
    "deeplift": Method(
        "DeepLIFT",
        LOGODDS,
        True,
        methods.deeplift,
        baseline=True,
        factor=methods.baseline_distance,
        refusal=applicability.misses,
    ),
}


def validate_methods(names: Sequence[str], key: str) -> None:
    """Raise a ConfigError where the config's ``key`` does not list methods, each once."""
    for name in names:
        look_up(METHODS, name, key)
    once(names, key)


class Explainer(AttributionContext):
    """Makes maps of a network."""

    def maps(self, method: str, x: Tensor, index: Tensor, bar: Any = None) -> Maps:
        """Return the maps of normalised patches, on the CPU.

        Args:
            method: one of ``METHODS``.
            x: (B, 3, H, W), on the network's device.
            index: (B,), what the draws of each patch belong to.
            bar: tqdm's, to move on, a patch at a time.
        """
        parts, size = [], self.options.batch if METHODS[method].batched else 1
        for few, which in zip(torch.split(x, size), torch.split(index, size), strict=True):
            with warnings.catch_warnings():
                warnings.filterwarnings(
                    "ignore", "(Setting .*hooks|Input Tensor)"
                )  # what it does and undoes
                found = METHODS[method].attribute(self, few.detach(), which)
            parts.append(
                Maps(found.values.detach().float().cpu(), found.gap.cpu(), found.steps.cpu())
            )
            if bar is not None:
                bar.update(len(few))
        return Maps(
            *(
                torch.cat([getattr(part, key) for part in parts])
                for key in ("values", "gap", "steps")
            )
        )

    def refused(self, method: str, x: Tensor) -> str | None:
        """Return why a method does not hold for this network, None where it does; tried on a few of ``x``."""
        check = METHODS[method].refusal
        return None if check is None else check(self, x[:TRIED].detach())
