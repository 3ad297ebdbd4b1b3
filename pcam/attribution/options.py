"""What the methods of attribution are told, what they give, and the network that they are asked about."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from pcam.attribution.scorer import Scorer, replace_max_pooling
from pcam.errors import ConfigError, suggest

TOLERANCE = 0.01  # of the change of the log-odds: by how much a complete method's map may miss it
SMALLEST = (
    1e-4  # log-odds: a smaller change counts as this much, as that of a patch that is the baseline
)
BASELINES = ("white", "black", "mean", "patch")


@dataclass(frozen=True)
class Options:
    """Settings of the methods; each is used by those that have it.

    Attributes:
        baseline: what a patch is compared with, and replaced by: white (glass without tissue), black, mean (the colour that
            the network's normalisation takes for zero) or patch (the patch's own mean colour).
        steps: of integrated gradients, doubled for a patch until its map is complete to ``TOLERANCE``.
        max_steps: at which that ends.
        samples: of SmoothGrad and gradient SHAP.
        noise: standard deviation of SmoothGrad's, as a share of the patch's range (Smilkov et al. 2017).
        window: side of occlusion's square, pixels.
        stride: by which it moves, pixels.
        batch: patches that the network sees at once.
        seed: of the draws.
    """

    baseline: str = "white"
    steps: int = 50
    max_steps: int = 1600
    samples: int = 25
    noise: float = 0.15
    window: int = 8
    stride: int = 8
    batch: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        if self.baseline not in BASELINES:
            raise ConfigError(
                f"baseline={self.baseline} is not known{suggest(self.baseline, BASELINES)}"
            )
        for key in ("steps", "max_steps", "samples", "window", "stride", "batch"):
            if getattr(self, key) < 1:
                raise ConfigError(f"{key}={getattr(self, key)}; it is a count from 1")
        if self.steps > self.max_steps:
            raise ConfigError(f"steps={self.steps} is more than max_steps={self.max_steps}")
        if self.stride > self.window:
            raise ConfigError(
                f"stride={self.stride} is more than window={self.window}: pixels between would not be covered"
            )
        if not self.noise > 0:
            raise ConfigError(f"noise={self.noise}; it is a share of the patch's range, above 0")
        if self.seed < 0:
            raise ConfigError(f"seed={self.seed}; it is a whole number from 0")


@dataclass(frozen=True)
class Maps:
    """Maps of some patches.

    Attributes:
        values: float32 (B, H, W).
        gap: (B,), |sum of the attributions - (f(x) - f(baseline))| / |f(x) - f(baseline)|, the latter at least ``SMALLEST``;
            NaN for methods that promise none.
        steps: (B,), that integrated gradients took; 0 for other methods.
    """

    values: Tensor
    gap: Tensor
    steps: Tensor

    @property
    def complete(self) -> bool:
        """Whether the method promises that the map's sum is the change of the log-odds."""
        return not bool(self.gap.isnan().all())


class AttributionContext:
    """A network, what its maps are made with, and which layer Grad-CAM and HiResCAM look at.

    Args:
        scorer: the network.
        layer: one of its modules, whose output is (B, C, h, w); None leaves methods out that look at one.
        options: settings of the methods.
        references: normalised patches (R, 3, H, W) that gradient SHAP compares with.
    """

    def __init__(
        self, scorer: Scorer, layer: nn.Module | None, options: Options, references: Tensor
    ) -> None:
        self.scorer, self.layer, self.options, self.references = scorer, layer, options, references

    @cached_property
    def pooled_by_relus(self) -> Scorer:
        """The scorer for DeepLIFT."""
        return replace_max_pooling(self.scorer)

    def baseline(self, x: Tensor) -> Tensor:
        """Return what normalised patches (B, 3, H, W) are compared with, of their shape."""
        network, name = self.scorer.network, self.options.baseline
        if name == "patch":
            return x.mean((-2, -1), keepdim=True).expand_as(x)
        color = (
            network.mean
            if name == "mean"
            else torch.full_like(network.mean, 1.0 if name == "white" else 0.0)
        )
        return ((color - network.mean) / network.std).expand_as(x)
