"""What methods multiply gradients with: distances of pixels, (B, H, W).

If all gradients were alike, a map would be this distance. So its share of a region is what a
network without knowledge would give by chance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from pcam.attribution.context import AttributionContext


def input_norm(context: AttributionContext, x: Tensor) -> Tensor:
    """Return the distance of each pixel from the network's zero."""
    import torch

    norm: Tensor = torch.linalg.vector_norm(x, dim=1)
    return norm


def baseline_distance(context: AttributionContext, x: Tensor) -> Tensor:
    """Return the distance of each pixel from the baseline."""
    return input_norm(context, x - context.baseline(x))


def reference_distance(context: AttributionContext, x: Tensor) -> Tensor:
    """Return the root mean square of the distances from the references.

    Each reference has gradients of its own, so the squares are averaged.
    """
    import torch

    squares = [input_norm(context, x - reference) ** 2 for reference in context.references]
    return torch.stack(squares).mean(0).sqrt()


def window_distance(context: AttributionContext, x: Tensor) -> Tensor:
    """Return the distance from the baseline of what occlusion replaces.

    A pixel's value in the map is the mean over the squares that cover it.
    """
    import torch

    window, stride = occlusion_window(context, x)
    rows = _overlap(x.shape[-2], window, stride).to(x)
    columns = _overlap(x.shape[-1], window, stride).to(x)
    squared = baseline_distance(context, x) ** 2
    return torch.einsum("hi,bij,wj->bhw", rows**2, squared, columns**2).sqrt()


def occlusion_window(context: AttributionContext, x: Tensor) -> tuple[int, int]:
    """Return the side of occlusion's square and the distance between two squares, pixels."""
    window = min(context.options.window, *x.shape[-2:])
    stride = min(context.options.stride, window)
    return window, stride


def _overlap(size: int, window: int, stride: int) -> Tensor:
    """Return (size, size): the share of the squares over one place that also cover another.

    Both places lie on one side of a patch.
    """
    import torch

    count = -(-(size - window) // stride) + 1
    starts = torch.arange(count)[:, None] * stride
    places = torch.arange(size)
    covered = ((places >= starts) & (places < starts + window)).float()
    return covered.T @ covered / covered.sum(0)[:, None]
