"""A user's own attribution method."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch

from pcam.attribution.context import AttributionContext
from pcam.attribution.method import find_method
from pcam.config import registry
from pcam.errors import ConfigError
from tests.attribution.networks import make_explainer, make_network, random_patches


@pytest.fixture
def absolute_input() -> Iterator[str]:
    @registry.register_method("absolute_input", title="absolute input", signed=False)
    def absolute_input(
        context: AttributionContext, x: torch.Tensor, index: torch.Tensor
    ) -> torch.Tensor:
        return x.abs().sum(1)

    yield "absolute_input"
    registry.methods._entries.pop("absolute_input")


def test_a_registered_function_makes_maps(absolute_input: str) -> None:
    x = random_patches(3, 32)
    explainer = make_explainer(make_network())
    maps = explainer.maps(absolute_input, x, torch.arange(3))
    torch.testing.assert_close(maps.values, x.abs().sum(1))
    assert not maps.complete
    assert explainer.reason_not_applicable(absolute_input, x) is None
    method = find_method(absolute_input)
    assert method.title == "absolute input"
    assert not method.signed


def test_an_unknown_method_is_an_error() -> None:
    with pytest.raises(ConfigError, match="did you mean gradcam"):
        find_method("gradcan")


@pytest.mark.slow
def test_names_are_known_without_torch() -> None:
    code = (
        "import sys; from pcam.config import registry; assert 'gradcam' in registry.methods;"
        "assert 'attribution' in registry.callbacks;"
        "sys.exit(any(name in sys.modules for name in ('torch', 'captum', 'lightning', 'timm')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
