"""What an attribution method is, and how one is found by its name.

A method is a function of a context, normalised patches (B, 3, H, W) and their indices (B,). It
returns maps (B, H, W), or ``Maps`` if it also knows how complete they are::

    @register_method("absolute_input")
    @describe_method(title="absolute input", unit="normalised input", signed=False)
    def absolute_input(context, x, index):
        return x.abs().sum(1)

``describe_method`` may be left out; then the title is the name and the maps are signed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pcam.config import registry

if TYPE_CHECKING:
    from torch import Tensor

    from pcam.attribution.context import AttributionContext
    from pcam.attribution.maps import Maps

    Attribute = Callable[[AttributionContext, Tensor, Tensor], Tensor | Maps]
    Factor = Callable[[AttributionContext, Tensor], Tensor]
    Applicability = Callable[[AttributionContext, Tensor], str | None]


@dataclass(frozen=True)
class Method:
    """A way to make maps.

    Attributes:
        attribute: the function that makes them.
        title: for tables and figures.
        unit: of a map's values.
        signed: whether values below zero have a meaning.
        batched: several patches are passed at once; otherwise one by one, and the method fills a
            batch with its steps, samples or windows.
        uses_baseline: it compares a patch with the baseline.
        uses_layer: it is made of a layer's maps.
        uses_references: it compares a patch with other patches.
        factor: what it multiplies gradients with, normalised patches to (B, H, W); None if it
            uses the gradients alone.
        reason_not_applicable: why the method does not apply to a network, tried on a few patches;
            None if it does.
    """

    attribute: Attribute
    title: str
    unit: str = "arbitrary units"
    signed: bool = True
    batched: bool = True
    uses_baseline: bool = False
    uses_layer: bool = False
    uses_references: bool = False
    factor: Factor | None = None
    reason_not_applicable: Applicability | None = None

    def __call__(self, context: AttributionContext, x: Tensor, index: Tensor) -> Tensor | Maps:
        """Return the maps of normalised patches (B, 3, H, W)."""
        return self.attribute(context, x, index)


def describe_method(
    title: str,
    unit: str = "arbitrary units",
    *,
    signed: bool = True,
    batched: bool = True,
    uses_baseline: bool = False,
    uses_layer: bool = False,
    uses_references: bool = False,
    factor: Factor | None = None,
    reason_not_applicable: Applicability | None = None,
) -> Callable[[Attribute], Method]:
    """Return a decorator that makes a ``Method`` of a function; see there for the arguments."""

    def decorate(attribute: Attribute) -> Method:
        return Method(
            attribute=attribute,
            title=title,
            unit=unit,
            signed=signed,
            batched=batched,
            uses_baseline=uses_baseline,
            uses_layer=uses_layer,
            uses_references=uses_references,
            factor=factor,
            reason_not_applicable=reason_not_applicable,
        )

    return decorate


def find_method(name: str) -> Method:
    """Return a registered method.

    Raises:
        ConfigError: no method has this name.
    """
    target = registry.methods.get(name).target
    if isinstance(target, Method):
        return target
    return Method(target, title=name)
