"""Making maps of a network, method by method."""

import warnings
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pcam.attribution.context import AttributionContext
from pcam.attribution.layers import default_layer, find_layer
from pcam.attribution.maps import Maps, concatenate_maps, maps_of_values
from pcam.attribution.method import find_method
from pcam.attribution.options import Options
from pcam.attribution.scorer import Scorer
from pcam.errors import ConfigError, DataError
from pcam.models.classifier import PatchClassifier

TRIAL_PATCHES = 4  # number of patches on which a method's applicability is tried


class Progress(Protocol):
    """A progress bar, as tqdm's."""

    def update(self, n: float | None = 1) -> bool | None:
        """Add n patches."""


class Explainer(AttributionContext):
    """Makes maps of a network."""

    def maps(self, method: str, x: Tensor, index: Tensor, progress: Progress | None = None) -> Maps:
        """Return the maps of normalised patches, on the CPU.

        Args:
            method: name of a registered method.
            x: (B, 3, H, W), on the network's device.
            index: (B,), the patches that the random draws belong to.
            progress: a bar that is moved by the number of finished patches.
        """
        entry = find_method(method)
        size = self.options.batch if entry.batched else 1
        parts = []
        for batch, which in zip(torch.split(x, size), torch.split(index, size), strict=True):
            with warnings.catch_warnings():
                # Captum announces hooks and gradients that it sets and removes.
                warnings.filterwarnings("ignore", "(Setting .*hooks|Input Tensor)")
                result = entry(self, batch.detach(), which)
            parts.append(_on_cpu(result))
            if progress is not None:
                progress.update(len(batch))
        return concatenate_maps(parts)

    def reason_not_applicable(self, method: str, x: Tensor) -> str | None:
        """Return why a method does not apply to this network, None if it does.

        Args:
            method: name of a registered method.
            x: normalised patches (B, 3, H, W); a few of them are tried.
        """
        reason = find_method(method).reason_not_applicable
        if reason is None:
            return None
        return reason(self, x[:TRIAL_PATCHES].detach())


def _on_cpu(result: Tensor | Maps) -> Maps:
    maps = result if isinstance(result, Maps) else maps_of_values(result)
    return Maps(maps.values.detach().float().cpu(), maps.gap.cpu(), maps.steps.cpu())


def build_explainer(
    scorer: Scorer, layer: str, network_name: str, x: Tensor, options: Options, references: Tensor
) -> tuple[str | None, Explainer]:
    """Return the name of the layer that Grad-CAM looks at, and the explainer.

    Args:
        scorer: the network.
        layer: a layer's name, ``first``, ``last``, or ``auto`` for the network's default.
        network_name: name of the backbone.
        x: normalised patches (B, 3, H, W), to try the layers on.
        options: settings of the methods.
        references: normalised patches (R, 3, H, W) that gradient SHAP compares with.

    Returns:
        The layer's name is None if ``auto`` finds no layer.

    Raises:
        ConfigError: the network has no layer of this name.
    """
    automatic = layer == "auto"
    if automatic:
        layer = default_layer(scorer.network, network_name)
    try:
        name, module = find_layer(scorer, layer, x)
    except ConfigError:
        if not automatic:
            raise
        return None, Explainer(scorer, None, options, references)
    return name, Explainer(scorer, module, options, references)


def explain(
    model: PatchClassifier,
    images: NDArray[np.uint8],
    method: str = "integrated_gradients",
    options: Options | None = None,
    layer: str = "auto",
    references: NDArray[np.uint8] | None = None,
) -> Maps:
    """Return the maps of patches by one method. Nothing is printed or written.

    Args:
        model: a trained classifier.
        images: uint8 (N, H, W, 3), cropped as the network expects them.
        method: name of a registered method.
        options: settings of the methods.
        layer: that Grad-CAM and HiResCAM look at: a name, ``first``, ``last`` or ``auto``.
        references: uint8 (R, H, W, 3), other patches that gradient SHAP compares with.

    Raises:
        ConfigError: the method or the layer is unknown, the method does not apply to the network,
            or references are missing.
        DataError: references have another size.
    """
    entry = find_method(method)
    if entry.uses_references and references is None:
        raise ConfigError(f"{method} compares with other patches: pass references=IMAGES")
    network_name = str(model.hparams["network"]["name"])
    with torch.inference_mode(False), torch.enable_grad():
        scorer = Scorer(model.network)
        x = scorer.normalised(_channels_first(images))
        others = x[:1] if references is None else scorer.normalised(_channels_first(references))
        _check_size(others, x)
        _, explainer = build_explainer(scorer, layer, network_name, x, options or Options(), others)
        reason = explainer.reason_not_applicable(method, x)
        if reason is not None:
            raise ConfigError(f"{method} does not apply to {network_name}: {reason}")
        return explainer.maps(method, x, torch.arange(len(x)))


def _check_size(references: Tensor, x: Tensor) -> None:
    """Make sure that references have the size of the patches, (B, 3, H, W)."""
    if references.shape[2:] != x.shape[2:]:
        sizes = [f"{other.shape[3]}x{other.shape[2]}" for other in (references, x)]
        raise DataError(
            f"references are {sizes[0]} pixels, images are {sizes[1]}; pass references of the size"
            " of the images"
        )


def _channels_first(images: NDArray[np.uint8]) -> Tensor:
    """Return uint8 (N, 3, H, W) of (N, H, W, 3)."""
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2)
