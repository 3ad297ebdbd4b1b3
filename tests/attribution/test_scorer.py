import pytest
import torch

from pcam.attribution.explainer import Explainer
from pcam.attribution.layers import named_layers
from pcam.attribution.options import Options
from pcam.attribution.scorer import Scorer
from pcam.errors import ConfigError
from tests.attribution.networks import make_network, random_patches


def test_lower_precision_gives_similar_maps() -> None:
    network, x = make_network(), random_patches(2, 32)
    for method in ("saliency", "integrated_gradients", "gradcam"):
        maps = []
        for scorer in (Scorer(network), Scorer(network, "bf16-mixed")):
            layer = named_layers(scorer.network)["layer3"]
            explainer = Explainer(scorer, layer, Options(steps=8, max_steps=8), x)
            maps.append(explainer.maps(method, x, torch.arange(2)).values.flatten(1))
        exact, mixed = maps
        assert mixed.dtype == torch.float32
        assert not torch.equal(exact, mixed)
        for one, other in zip(exact, mixed, strict=True):
            assert float(torch.corrcoef(torch.stack([one, other]))[0, 1]) > 0.95, method
            assert float(other.norm() / one.norm()) == pytest.approx(1, abs=0.1)


def test_an_unknown_precision_is_an_error() -> None:
    with pytest.raises(ConfigError, match="precision=16-mixed is unknown"):
        Scorer(make_network(), "16-mixed")
