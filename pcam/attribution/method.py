"""What an attribution method is, and how one is found by its name.

A method is a function of a context, normalised patches (B, 3, H, W) and their indices (B,). It
returns maps (B, H, W), or ``Maps`` if it also knows how complete they are::

    @register_method("absolute_input", title="absolute input", unit="input", signed=False)
    def absolute_input(context, x, index):
        return x.abs().sum(1)

The keywords are the attributes of ``Method``; all of them may be left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pcam.config.registry import methods

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
        title: for tables and figures; the name if it is left out.
        unit: of a map's values.
        signed: whether values below zero have a meaning.
        batched: several patches are passed at once; otherwise one by one, and the method fills a
            batch with its steps, samples or windows.
        uses_baseline: it compares a patch with the baseline.
        uses_layer: it is made of a layer's maps.
        uses_class: its maps depend on the class that is explained.
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
    uses_class: bool = True
    uses_references: bool = False
    factor: Factor | None = None
    reason_not_applicable: Applicability | None = None

    def __call__(self, context: AttributionContext, x: Tensor, index: Tensor) -> Tensor | Maps:
        """Return the maps of normalised patches (B, 3, H, W)."""
        return self.attribute(context, x, index)


def find_method(name: str) -> Method:
    """Return a registered method.

    Raises:
        ConfigError: no method has this name.
    """
    entry = methods.get(name)
    return Method(attribute=entry.target, **{"title": name, **entry.details})
