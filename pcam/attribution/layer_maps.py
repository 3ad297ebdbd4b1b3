"""A layer's output and its gradient, as the channels of a map."""

import torch
from torch import Tensor, nn

from pcam.attribution.context import AttributionContext
from pcam.attribution.scorer import Scorer
from pcam.attribution.tokens import find_token_grid


def compute_layer_maps(context: AttributionContext, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the maps of the context's layer and the gradients of the log-odds by them.

    Args:
        context: whose layer returns a map or a transformer's tokens.
        x: normalised patches (B, 3, H, W).

    Returns:
        Two of (B, C, h, w). Of tokens, those of the class and registers are left out.
    """
    assert context.layer is not None
    output, gradient = compute_layer_gradients(context.scorer, context.layer, x)
    grid = find_token_grid(context.scorer.network, x)
    if grid is not None and grid.holds(output):
        return grid.to_map(output), grid.to_map(gradient)
    return output, gradient


def compute_layer_gradients(scorer: Scorer, layer: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return what a layer returns when it runs last, and the gradient of the log-odds by it.

    Args:
        scorer: the network.
        layer: of it; it returns a tensor.
        x: normalised patches (B, 3, H, W).

    Returns:
        Two tensors of the same shape; the gradient is zero where the log-odds do not depend on
        the output.
    """
    outputs: list[Tensor] = []

    def keep(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
        outputs.append(output)
        return output.clone()  # the layers that follow may work in place

    handle = layer.register_forward_hook(keep)
    try:
        with torch.enable_grad():
            score = scorer(x.detach().requires_grad_()).sum()
    finally:
        handle.remove()
    (gradient,) = torch.autograd.grad(score, outputs[-1], materialize_grads=True)
    return outputs[-1].detach(), gradient
