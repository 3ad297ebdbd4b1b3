import pytest
import torch

from pcam.attribution.options import BASELINES
from tests.attribution.networks import linear_network, make_explainer, random_patches


def test_baselines_by_name() -> None:
    network, x = linear_network(), random_patches(2)
    values = {name: make_explainer(network, baseline=name).baseline(x) for name in BASELINES}
    white = (1 - 0.5) / 0.25
    assert float(values["white"].min()) == pytest.approx(white)
    assert float(values["white"].max()) == pytest.approx(white)
    assert float(values["black"].max()) == pytest.approx(-2.0)
    assert float(values["mean"].abs().max()) == 0
    torch.testing.assert_close(values["patch"][1, :, 3, 4], x[1].mean((1, 2)))
