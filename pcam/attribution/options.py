"""Settings of the attribution methods."""

from __future__ import annotations

from dataclasses import dataclass

from pcam.errors import ConfigError, suggest

BASELINES = ("white", "black", "mean", "patch")
PRECISIONS = ("32-true", "bf16-mixed")
COUNTS = ("steps", "max_steps", "samples", "window", "stride", "batch")


@dataclass(frozen=True)
class Options:
    """Settings of the methods; each method uses those that it needs.

    Attributes:
        baseline: what a patch is compared with and replaced by: white (glass without tissue),
            black, mean (the color that the network's normalisation maps to zero) or patch (the
            patch's own mean colour).
        steps: of integrated gradients; doubled for a patch until its map is complete.
        max_steps: upper limit of the steps.
        samples: of SmoothGrad and gradient SHAP.
        noise: standard deviation of SmoothGrad's noise, as a share of the patch's range
            (Smilkov et al. 2017).
        window: side of occlusion's square, pixels.
        stride: distance between two squares of occlusion, pixels.
        batch: number of patches in one forward pass.
        seed: of the draws.

    Raises:
        ConfigError: a value is out of range.
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
        """Check values that are passed from Python; a command's config has its own schema."""
        if self.baseline not in BASELINES:
            raise ConfigError(
                f"baseline={self.baseline} is unknown{suggest(self.baseline, BASELINES)}"
            )
        for key in COUNTS:
            value = getattr(self, key)
            if value < 1:
                raise ConfigError(f"{key}={value} must be at least 1")
        if self.steps > self.max_steps:
            raise ConfigError(f"steps={self.steps} exceeds max_steps={self.max_steps}")
        if self.stride > self.window:
            raise ConfigError(
                f"stride={self.stride} exceeds window={self.window}: the pixels between two "
                "squares would never be covered"
            )
        if not self.noise > 0:
            raise ConfigError(
                f"noise={self.noise} must be above 0; it is a share of the patch's range"
            )
        if self.seed < 0:
            raise ConfigError(f"seed={self.seed} must be at least 0")
