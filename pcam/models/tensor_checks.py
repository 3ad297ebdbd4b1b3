"""Whether tensors of a file can be a network's weights."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from pcam.errors import printable, shorten_value

FLOATS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
COUNTER = "num_batches_tracked"  # of BatchNorm, the only integers of a network
VARIANCE = "running_var"
SHOWN = 3


def describe_unusable(state: Mapping[Any, object]) -> str | None:
    """Return which values of a state are no weights by their type; None if all may be.

    Weights are dense tensors of floating-point numbers, each with memory of its own. Conversions
    of other types would succeed, and change the values.

    Args:
        state: values by name.
    """
    wrong = []
    for name, value in state.items():
        fault = _fault_of(name, value)
        if fault:
            wrong.append(f"{shorten_value(name)} is {fault}")
    return _list(wrong)


def _fault_of(name: object, value: object) -> str:
    if not isinstance(name, str) or printable(name) != name:
        return "no name of a tensor"
    if not isinstance(value, Tensor):
        return f"of type {type(value).__name__}, not a tensor"
    if value.layout is not torch.strided or value.is_quantized:
        return "sparse or quantized"
    if value.device.type == "meta":
        return "without values (meta)"
    if value.numel() > value.untyped_storage().nbytes() // value.element_size():
        return "of repeated values"
    if value.dtype in FLOATS:
        return ""
    if name.endswith(COUNTER) and value.dtype == torch.int64:
        return ""
    return str(value.dtype).removeprefix("torch.")


def describe_negative_variances(state: Mapping[str, object]) -> str | None:
    """Return which of BatchNorm's running variances are negative; None if none is."""
    wrong = []
    for name, value in state.items():
        if name.endswith(VARIANCE) and isinstance(value, Tensor) and bool((value < 0).any()):
            wrong.append(f"{name} is negative")
    return _list(wrong)


def _list(faults: list[str]) -> str | None:
    if not faults:
        return None
    more = f", … (+{len(faults) - SHOWN})" if len(faults) > SHOWN else ""
    return ", ".join(faults[:SHOWN]) + more
