"""Names under which files of other programs hold a network's tensors."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class Naming:
    """One way to name the tensors of a network.

    Attributes:
        description: of the names; "" for the network's own.
        own: the network's own names, by those of the file.
    """

    description: str
    own: Mapping[str, str]


def own_naming(network: nn.Module) -> Naming:
    """Return the network's own names."""
    return Naming("", {name: name for name in network.state_dict()})


def other_namings(network: nn.Module) -> Iterator[Naming]:
    """Yield further ways to name a network's tensors.

    TIAToolbox keeps a network as ``nn.Sequential(*network.children())``, whose layers have numbers,
    or keeps only the one child that has all tensors (DenseNet's ``features``).
    """
    children = [name for name, _ in network.named_children()]
    names = list(network.state_dict())
    tops = {name.partition(".")[0] for name in names}
    if tops <= set(children):
        numbers = {child: str(number) for number, child in enumerate(children)}
        numbered = {_with_top(name, numbers): name for name in names}
        yield Naming("layers by number", numbered)
    if len(tops) == 1:
        (top,) = tops
        yield Naming(f"without {top}.", {name.removeprefix(f"{top}."): name for name in names})


def _with_top(name: str, numbers: Mapping[str, str]) -> str:
    """Return a name whose first part is replaced."""
    top, _, rest = name.partition(".")
    return f"{numbers[top]}.{rest}"
