"""Losses by name.

A registered loss is a function ``(logit, label, config) -> Tensor``: log-odds (B,), labels 0 or 1
(B,) and its section of the config to each patch's loss (B,). ``outputs`` of its config class says
how many outputs the network has: 1, the log-odds, or 2, whose difference is the log-odds::

    class FocalConfig(LossConfig):
        gamma: float = 2.0

    @register_loss("focal", config=FocalConfig)
    def focal(logit, label, config): ...
"""

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from pcam.config.registry import register_loss
from pcam.config.sections import LossConfig

if TYPE_CHECKING:
    from torch import Tensor

DEFAULT_OUTPUTS = 1


class BinaryCrossEntropyConfig(LossConfig):
    """Binary cross entropy over one output.

    Attributes:
        label_smoothing: share of the target that is spread over both classes.
    """

    outputs: ClassVar[int] = 1

    label_smoothing: Annotated[float, Field(ge=0, lt=1)]


class CrossEntropyConfig(BinaryCrossEntropyConfig):
    """Cross entropy over two outputs."""

    outputs: ClassVar[int] = 2


@register_loss("ce", config=CrossEntropyConfig)
@register_loss("bce", config=BinaryCrossEntropyConfig)
def smoothed_cross_entropy(
    logit: "Tensor", label: "Tensor", config: BinaryCrossEntropyConfig
) -> "Tensor":
    """Return each patch's cross entropy (B,)."""
    return cross_entropy(logit, label, config.label_smoothing)


def cross_entropy(logit: "Tensor", label: "Tensor", label_smoothing: float) -> "Tensor":
    """Return each patch's cross entropy.

    With p = sigmoid(logit) this is binary cross entropy and, if the logit is the difference of two
    outputs, also the softmax cross entropy over both. A smoothed label is 1 - s/2 or s/2
    (Szegedy et al. 2016, for two classes).

    Args:
        logit: log-odds, (B,).
        label: 0 or 1, (B,).
        label_smoothing: s, share of the target that is spread over both classes.

    Returns:
        (B,), of the logit's dtype.
    """
    from torch.nn import functional as F

    target = label.to(logit.dtype) * (1 - label_smoothing) + label_smoothing / 2
    return F.binary_cross_entropy_with_logits(logit, target, reduction="none")


def count_outputs(config: LossConfig) -> int:
    """Return how many outputs a loss needs of the network."""
    outputs: int = getattr(config, "outputs", DEFAULT_OUTPUTS)
    return outputs
