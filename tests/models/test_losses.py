from collections.abc import Iterator

import pytest
import torch

from pcam.config import registry
from pcam.config.registry import register_loss
from pcam.config.sections import LossConfig
from pcam.models.losses import count_outputs, cross_entropy
from tests.registries import restored
from tests.run import composed


@pytest.fixture
def user_entries() -> Iterator[None]:
    with restored(registry.losses):
        yield


def test_cross_entropy_of_a_smoothed_label() -> None:
    logit, label = torch.tensor([2.0, -1.0]), torch.tensor([1, 0])
    probability = torch.sigmoid(logit)
    target = torch.tensor([0.95, 0.05])
    expected = -(target * probability.log() + (1 - target) * (1 - probability).log())
    assert torch.allclose(cross_entropy(logit, label, 0.1), expected)


@pytest.mark.parametrize(("name", "outputs"), [("ce", 2), ("bce", 1)])
def test_the_loss_decides_the_network_s_outputs(name: str, outputs: int) -> None:
    assert count_outputs(composed(f"loss={name}").loss) == outputs


@pytest.mark.usefixtures("user_entries")
def test_a_user_s_loss_trains_a_network() -> None:
    class FocalConfig(LossConfig):
        gamma: float

    @register_loss("focal", config=FocalConfig)
    def focal(logit: torch.Tensor, label: torch.Tensor, config: FocalConfig) -> torch.Tensor:
        plain = cross_entropy(logit, label, 0.0)
        return (1 - torch.exp(-plain)) ** config.gamma * plain

    from pcam.models.classifier import PatchClassifier
    from pcam.training.preparation import build_classifier

    config = composed("model.name=test_resnet", "model.input_size=32")
    settings = dict(build_classifier(config).hparams)
    model = PatchClassifier(**{**settings, "loss": {"name": "focal", "gamma": 2.0}})
    assert model.network.head[-1].out_features == 1
    logit, label = torch.tensor([0.0, 3.0]), torch.tensor([1, 1])
    loss = model.compute_loss(logit, label)
    assert loss[0] == pytest.approx(0.25 * 0.6931, abs=1e-3)
    assert loss[1] < loss[0] / 1000
