"""What an attribution method works with: the network, a layer of it and the settings."""

from functools import cached_property

import torch
from torch import Tensor, nn

from pcam.attribution.max_pooling import replace_max_pooling
from pcam.attribution.options import Options
from pcam.attribution.scorer import Scorer

# Log-odds: a smaller change counts as this much, as that of a patch that equals its baseline.
SMALLEST_CHANGE = 1e-4


class AttributionContext:
    """A network and what its maps are made with.

    Args:
        scorer: the network; it maps normalised patches (B, 3, H, W) to log-odds (B,).
        layer: the module that Grad-CAM and HiResCAM look at, whose output is (B, C, h, w); None
            if the network has none, so that these methods do not apply.
        options: settings of the methods.
        references: normalised patches (R, 3, H, W) that gradient SHAP compares with.
    """

    def __init__(
        self, scorer: Scorer, layer: nn.Module | None, options: Options, references: Tensor
    ) -> None:
        self.scorer = scorer
        self.layer = layer
        self.options = options
        self.references = references

    @cached_property
    def scorer_without_max_pooling(self) -> Scorer:
        """The same function with max pooling written as ReLUs, for DeepLIFT."""
        return replace_max_pooling(self.scorer)

    def baseline(self, x: Tensor) -> Tensor:
        """Return the baseline of normalised patches (B, 3, H, W), of the same shape."""
        network = self.scorer.network
        name = self.options.baseline
        if name == "patch":
            return x.mean((-2, -1), keepdim=True).expand_as(x)
        if name == "mean":
            color = network.mean
        else:
            color = torch.full_like(network.mean, 1.0 if name == "white" else 0.0)
        return ((color - network.mean) / network.std).expand_as(x)

    def log_odds_change(self, x: Tensor, baseline: Tensor) -> Tensor:
        """Return |f(x) - f(baseline)|, (B,), at least ``SMALLEST_CHANGE``."""
        with torch.no_grad():
            change: Tensor = (self.scorer(x) - self.scorer(baseline)).abs()
        return change.clamp(min=SMALLEST_CHANGE)
