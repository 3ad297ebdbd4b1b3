"""Losses by name.

A registered loss is a function ``(logit, label, config) -> Tensor``: log-odds (B,), labels 0 or 1
(B,) and its section of the config to each patch's loss (B,). ``outputs`` of its config class says
how many outputs the network has: 1, the log-odds, or 2, whose difference is the log-odds::

    class MarginConfig(LossConfig):
        margin: float = 1.0

    @register_loss("margin", config=MarginConfig)
    def margin(logit, label, config): ...
"""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pcam.config.base import NonNegativeFloat, PositiveFloat
from pcam.config.registry import register_loss
from pcam.config.sections import LossConfig

if TYPE_CHECKING:
    from torch import Tensor

DEFAULT_OUTPUTS = 1


class BinaryCrossEntropyConfig(LossConfig):
    """Binary cross entropy over one output.

    Attributes:
        label_smoothing: share of the target that is spread over both classes.
        positive_weight: how many patches a positive one counts as; auto: as many as make both
            classes of the training patches count alike; None for one.
    """

    outputs: ClassVar[int] = 1

    label_smoothing: Annotated[float, Field(ge=0, lt=1)]
    positive_weight: PositiveFloat | Literal["auto"] | None = None


class CrossEntropyConfig(BinaryCrossEntropyConfig):
    """Cross entropy over two outputs."""

    outputs: ClassVar[int] = 2


class FocalConfig(BinaryCrossEntropyConfig):
    """Focal loss over one output.

    Attributes:
        gamma: how much less a patch counts that is classified well; 0 for cross entropy.
    """

    gamma: NonNegativeFloat


@register_loss("ce", config=CrossEntropyConfig)
@register_loss("bce", config=BinaryCrossEntropyConfig)
def smoothed_cross_entropy(
    logit: "Tensor", label: "Tensor", config: BinaryCrossEntropyConfig
) -> "Tensor":
    """Return each patch's cross entropy (B,)."""
    loss = cross_entropy(logit, label, config.label_smoothing)
    return weigh_positives(loss, label, config.positive_weight)


@register_loss("focal", config=FocalConfig)
def focal(logit: "Tensor", label: "Tensor", config: FocalConfig) -> "Tensor":
    """Return each patch's focal loss (B,): its cross entropy times (1 - p)^gamma.

    p is the probability of the patch's own class (Lin et al. 2017).
    """
    loss = cross_entropy(logit, label, config.label_smoothing)
    from torch.nn.functional import logsigmoid

    sign = 2 * label.to(logit.dtype) - 1
    # (1 - p)^gamma by its logarithm: of 0^gamma the gradient is infinite where gamma < 1
    doubt = (config.gamma * logsigmoid(-sign * logit)).exp()
    return weigh_positives(doubt * loss, label, config.positive_weight)


def weigh_positives(
    loss: "Tensor", label: "Tensor", weight: float | Literal["auto"] | None
) -> "Tensor":
    """Return losses (B,) of which those of positive patches are multiplied by a weight.

    Args:
        loss: of each patch, (B,).
        label: 0 or 1, (B,).
        weight: a number, or None for 1.

    Raises:
        ValueError: the weight is auto, which ``balancing_weight`` has to make a number.
    """
    if weight is None:
        return loss
    if weight == "auto":
        raise ValueError("positive_weight is auto, and has to be a number here")
    return loss * (1 + (weight - 1) * label.to(loss.dtype))


def balancing_weight(labels: NDArray[np.uint8]) -> float:
    """Return the weight of positive patches with which both classes count alike.

    Args:
        labels: 0 or 1, (N,), of the training patches.

    Returns:
        Negative patches per positive one; 1 with one class only.
    """
    positives = int(np.count_nonzero(labels))
    negatives = len(labels) - positives
    return negatives / positives if positives and negatives else 1.0


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
