"""Whether a method applies to a network.

Each function tries a network on a few normalised patches (B, 3, H, W). It returns the reason why
the method does not apply, or None if it does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pcam.attribution.context import AttributionContext
    from pcam.attribution.scorer import Scorer

# Activations for which guided backpropagation has no rule: name of the backward step to title.
OTHER_ACTIVATIONS = {
    "Silu": "SiLU",
    "Gelu": "GELU",
    "Hardtanh": "ReLU6",
    "Hardswish": "hard swish",
    "Hardsigmoid": "hard sigmoid",
    "LeakyRelu": "leaky ReLU",
    "Elu": "ELU",
    "Mish": "Mish",
    "Sigmoid": "sigmoid",
    "Softplus": "softplus",
    "Prelu": "PReLU",
}


def no_layer_map(context: AttributionContext, x: Tensor) -> str | None:
    """Grad-CAM and HiResCAM need a layer whose output is the channels of a map."""
    from pcam.attribution.tokens import find_token_grid

    if context.layer is None:
        return "no convolution's map is the network's last; choose another layer with layer=NAME"
    calls = _record_calls(context.layer, context.scorer, x)
    if not calls:
        return "the layer does not run"
    first_input, output = calls[0]
    if output is first_input:
        return "the layer returns its input unchanged"
    grid = find_token_grid(context.scorer.network, x)
    if grid is not None and grid.holds(output):
        return _unused_tokens(context, x)
    shape = _describe_unless_map(output)
    if shape is not None:
        return f"the layer returns {shape}, not the channels of a map"
    return None


def _unused_tokens(context: AttributionContext, x: Tensor) -> str | None:
    """Return that the log-odds depend on no token of the patches, so that every map is empty."""
    from pcam.attribution.layer_maps import compute_layer_maps

    _, gradients = compute_layer_maps(context, x)
    if bool(gradients.any()):
        return None
    return (
        "the class token alone is used after the layer, so the gradient of the patches' tokens is "
        "zero; choose an earlier layer with layer=NAME"
    )


def _describe_unless_map(output: object) -> str | None:
    """Return what a layer's output is; None if it is a map, (B, C, h, w) with h and w above 1."""
    from torch import Tensor

    if not isinstance(output, Tensor):
        return type(output).__name__
    if output.ndim != 4 or min(output.shape[-2:]) < 2:
        return "x".join(map(str, output.shape[1:]))
    return None


def _record_calls(layer: nn.Module, scorer: Scorer, x: Tensor) -> list[tuple[object, object]]:
    """Return the first input and the output of each call of a layer in one forward pass."""
    import torch

    calls: list[tuple[object, object]] = []

    def record(module: nn.Module, inputs: tuple[object, ...], output: object) -> None:
        calls.append((inputs[0] if inputs else None, output))

    handle = layer.register_forward_hook(record)
    with torch.no_grad():
        scorer(x)
    handle.remove()
    return calls


def unguided_activations(context: AttributionContext, x: Tensor) -> str | None:
    """Guided backpropagation needs ReLUs, all of them modules, because Captum guides no others.

    The ReLUs in the graph of a backward pass are compared with those that are modules.
    """
    module_calls, output = _count_relu_calls(context.scorer, x)
    steps = _backward_steps(output)
    others = _other_activations(steps)
    if others:
        names = " and ".join(others)
        return f"its rule is for ReLU only, and the network has {names}"
    relus = sum(step.startswith("ReluBackward") for step in steps)
    if relus == 0:
        return "the network has no ReLU"
    if relus > module_calls:
        return (
            f"{relus - module_calls} of the network's {relus} ReLUs are functions, not modules, "
            "and would not be guided"
        )
    return None


def _other_activations(steps: Sequence[str]) -> list[str]:
    """Return the titles of the activations without a rule, in alphabetic order.

    Args:
        steps: names of all steps of a backward pass.
    """
    found = set()
    for prefix, title in OTHER_ACTIVATIONS.items():
        if any(step.startswith(f"{prefix}Backward") for step in steps):
            found.add(title)
    return sorted(found)


def _count_relu_calls(scorer: Scorer, x: Tensor) -> tuple[int, Tensor]:
    """Return how often ReLU modules run in one forward pass, and its output.

    Args:
        scorer: the network.
        x: normalised patches (B, 3, H, W).

    Returns:
        The number of calls, and log-odds (B,) with their graph.
    """
    from torch import nn

    calls = 0

    def count(module: nn.Module, inputs: object, output: object) -> None:
        nonlocal calls
        calls += 1

    relus = [module for module in scorer.modules() if isinstance(module, nn.ReLU)]
    handles = [module.register_forward_hook(count) for module in relus]
    output: Tensor = scorer(x.requires_grad_())
    for handle in handles:
        handle.remove()
    return calls, output


def _backward_steps(output: Tensor) -> list[str]:
    """Return the names of all steps of a backward pass.

    Args:
        output: of the forward pass.

    Returns:
        The class of each step, such as "ReluBackward0", in no particular order.
    """
    seen = set()
    names = []
    remaining = [output.grad_fn]
    while remaining:
        step = remaining.pop()
        if step is None or step in seen:
            continue
        seen.add(step)
        names.append(type(step).__name__)
        remaining += [previous for previous, _ in step.next_functions]
    return names


def unguided_activations_or_no_layer_map(context: AttributionContext, x: Tensor) -> str | None:
    """Guided Grad-CAM needs what guided backpropagation and Grad-CAM need."""
    return unguided_activations(context, x) or no_layer_map(context, x)


def no_attention(context: AttributionContext, x: Tensor) -> str | None:
    """Attention rollout needs the attention of each of a vision transformer's blocks."""
    from pcam.attribution.rollout import rollout_fault

    return rollout_fault(context, x)
