"""Why a method does not hold for a network, tried on a few patches (B, 3, H, W); None where it does."""

import warnings

import torch
from torch import Tensor, nn

from pcam.attribution.methods import change, deeplift
from pcam.attribution.options import TOLERANCE, AttributionContext
from pcam.attribution.scorer import Scorer
from pcam.errors import describe_error


def no_map(e: AttributionContext, x: Tensor) -> str | None:
    """Grad-CAM and HiResCAM need a layer whose output is channels of a map."""
    if e.layer is None:
        return "the network has no convolution after which its map ends; layer=NAME names another layer"
    seen: list[tuple[object, object]] = []
    handle = e.layer.register_forward_hook(
        lambda module, inputs, out: seen.append((inputs[0] if inputs else None, out))
    )
    with torch.no_grad():
        e.scorer(x)
    handle.remove()
    if not seen:
        return "the layer does not run"
    given, out = seen[0]
    if out is given:
        return "the layer hands on what it is given"
    if not isinstance(out, Tensor) or out.ndim != 4 or min(out.shape[-2:]) < 2:
        told = "x".join(map(str, out.shape[1:])) if isinstance(out, Tensor) else type(out).__name__
        return f"the layer gives {told}, not channels of a map"
    return None


# Names of backward steps to what they are of.
OTHERS = {
    "Silu": "SiLU", "Gelu": "GELU", "Hardtanh": "ReLU6", "Hardswish": "hard swish", "Hardsigmoid": "hard sigmoid",
    "LeakyRelu": "leaky ReLU", "Elu": "ELU", "Mish": "Mish", "Sigmoid": "sigmoid", "Softplus": "softplus", "Prelu": "PReLU",
}  # fmt: skip


def unguided(e: AttributionContext, x: Tensor) -> str | None:
    """Compare the ReLUs in the graph of a backward pass with those that are modules, which alone Captum can guide."""
    runs = [0]

    def told(module: nn.Module, inputs: object, out: object) -> None:
        runs[0] += 1

    handles = [
        module.register_forward_hook(told)
        for module in e.scorer.modules()
        if isinstance(module, nn.ReLU)
    ]
    names = _graph(e.scorer(x.requires_grad_()))
    for handle in handles:
        handle.remove()
    relus = sum(name.startswith("ReluBackward") for name in names)
    others = sorted(
        {
            told
            for step, told in OTHERS.items()
            for name in names
            if name.startswith(f"{step}Backward")
        }
    )
    if others:
        return f"its rule is for ReLU alone, and the network has {' and '.join(others)}"
    if relus > runs[0]:
        return f"{relus - runs[0]} of the network's {relus} ReLUs are functions, not modules, and would go unguided"
    return None if relus else "the network has no ReLU"


def _graph(out: Tensor) -> list[str]:
    """Return the names of all steps of a backward pass."""
    seen, left, names = set(), [out.grad_fn], []
    while left:
        step = left.pop()
        if step is None or step in seen:
            continue
        seen.add(step)
        names.append(type(step).__name__)
        left += [before for before, _ in step.next_functions]
    return names


def misses(e: AttributionContext, x: Tensor) -> str | None:
    """Try it: where a non-linearity goes without its rule, the sum of the map misses the change of the log-odds.

    In full precision: in bfloat16 rounding alone would miss it. Over all patches at once: one that is the baseline changes
    nothing, and any rounding is much of that.
    """
    e = AttributionContext(Scorer(e.scorer.network), e.layer, e.options, e.references)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            size = change(e, x, e.baseline(x))
            gap = float((deeplift(e, x, torch.arange(len(x))).gap * size).sum() / size.sum())
    except (RuntimeError, AssertionError, AttributeError) as error:
        return f"Captum cannot follow the network ({describe_error(error)})"
    if gap <= TOLERANCE:
        return None
    return f"its map misses the change of the log-odds by {100 * gap:.3g} %: a non-linearity has no rule"


def unguided_or_no_map(e: AttributionContext, x: Tensor) -> str | None:
    """Guided Grad-CAM needs both."""
    return unguided(e, x) or no_map(e, x)
