from collections.abc import Iterator

import numpy as np
import pytest
import torch

from pcam.config import registry
from pcam.config.registry import register_loss
from pcam.config.sections import LossConfig
from pcam.errors import ConfigError
from pcam.models.losses import balancing_weight, count_outputs, cross_entropy
from pcam.training.preparation import build_classifier
from tests.conftest import TINY
from tests.registries import restored
from tests.run import composed


def losses_of(config: LossConfig, logit: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    return registry.losses.get(config.name).target(logit, label, config)


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


@pytest.mark.parametrize(("name", "outputs"), [("ce", 2), ("bce", 1), ("focal", 1)])
def test_the_loss_decides_the_network_s_outputs(name: str, outputs: int) -> None:
    assert count_outputs(composed(f"loss={name}").loss) == outputs


def test_focal_loss_is_cross_entropy_times_a_power_of_the_doubt() -> None:
    logit, label = torch.tensor([2.0, -1.0, 0.5]), torch.tensor([1, 0, 0])
    own = torch.where(label > 0, logit.sigmoid(), 1 - logit.sigmoid())
    config = composed("loss=focal", "loss.gamma=3").loss
    assert torch.allclose(losses_of(config, logit, label), -((1 - own) ** 3) * own.log())
    plain = composed("loss=focal", "loss.gamma=0").loss
    assert torch.allclose(losses_of(plain, logit, label), cross_entropy(logit, label, 0.0))


@pytest.mark.parametrize("gamma", [0, 0.5, 1, 2])
def test_focal_loss_of_a_sure_network_has_a_gradient(gamma: float) -> None:
    logit = torch.tensor([200.0, -200.0, 200.0, -200.0], requires_grad=True)
    config = composed("loss=focal", f"loss.gamma={gamma}").loss
    losses_of(config, logit, torch.tensor([1, 0, 0, 1])).sum().backward()
    assert torch.allclose(logit.grad, torch.tensor([0.0, 0.0, 1.0, -1.0]))


@pytest.mark.parametrize("name", ["ce", "bce", "focal"])
def test_a_positive_patch_counts_as_its_weight(name: str) -> None:
    logit, label = torch.tensor([2.0, -1.0]), torch.tensor([1, 0])
    plain = losses_of(composed(f"loss={name}").loss, logit, label)
    weighted = losses_of(composed(f"loss={name}", "loss.positive_weight=4").loss, logit, label)
    assert torch.allclose(weighted, plain * torch.tensor([4.0, 1.0]))


@pytest.mark.parametrize(
    ("labels", "weight"), [([1, 0, 0, 0], 3.0), ([1, 1, 1, 0], 1 / 3), ([0, 0], 1.0), ([1], 1.0)]
)
def test_the_balancing_weight_is_negatives_per_positive(labels: list[int], weight: float) -> None:
    assert balancing_weight(np.array(labels, np.uint8)) == pytest.approx(weight)


def test_auto_takes_the_weight_from_the_training_patches() -> None:
    labels = np.array([1, 0, 0, 0, 0], np.uint8)
    config = composed(*TINY, "loss.positive_weight=auto")
    model = build_classifier(config, labels)
    assert model.hparams["loss"]["positive_weight"] == 4.0
    loss = model.compute_loss(torch.zeros(2), torch.tensor([1, 0]))
    assert loss[0] == pytest.approx(4 * float(loss[1]))


@pytest.mark.parametrize("value", ["0", "-1", "nan", "many"])
def test_a_weight_that_is_no_positive_number_is_refused(value: str) -> None:
    with pytest.raises(ConfigError, match=r"loss\.positive_weight"):
        composed(f"loss.positive_weight={value}")


@pytest.mark.usefixtures("user_entries")
def test_a_user_s_loss_trains_a_network() -> None:
    class PowerConfig(LossConfig):
        gamma: float

    @register_loss("power", config=PowerConfig)
    def power(logit: torch.Tensor, label: torch.Tensor, config: PowerConfig) -> torch.Tensor:
        plain = cross_entropy(logit, label, 0.0)
        return (1 - torch.exp(-plain)) ** config.gamma * plain

    from pcam.models.classifier import PatchClassifier

    config = composed("model.name=test_resnet", "model.input_size=32")
    settings = dict(build_classifier(config).hparams)
    model = PatchClassifier(**{**settings, "loss": {"name": "power", "gamma": 2.0}})
    assert model.network.head[-1].out_features == 1
    logit, label = torch.tensor([0.0, 3.0]), torch.tensor([1, 1])
    loss = model.compute_loss(logit, label)
    assert loss[0] == pytest.approx(0.25 * 0.6931, abs=1e-3)
    assert loss[1] < loss[0] / 1000
