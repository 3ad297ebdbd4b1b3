"""Learning rates that decay from the head to the input, by timm's groups of layers."""

import pytest
import torch

from pcam.config.sections import OptimizerConfig
from pcam.errors import ConfigError
from pcam.models.optimizers import Groups, build_optimizer
from pcam.models.parameter_groups import check_layer_groups, group_parameters
from pcam.models.partial import add_adapters, train_last_blocks
from pcam.models.schedules import build_scheduler
from tests.attribution.networks import make_network
from tests.attribution.transformers import make_transformer
from tests.run import composed

RATES = OptimizerConfig(name="sgd", lr=1.0, head_lr=5.0, weight_decay=0.0)


def rates(groups: Groups) -> dict[str, float]:
    return {group["name"]: group["lr"] for group in groups}


def test_the_rates_of_a_transformer_have_a_closed_form() -> None:
    network = make_transformer(2)
    groups = group_parameters(network, RATES, 0.5)
    # The embeddings, a block, and the last block with the norm after it.
    expected = {"backbone.0": 0.25, "backbone.1": 0.5, "backbone.2": 1.0}
    assert rates(groups) == {**expected, "head": 5.0}
    body = network.backbone[0]
    embeddings = [*body.patch_embed.parameters(), body.cls_token, body.pos_embed]
    last = [*body.blocks[1].parameters(), *body.norm.parameters()]
    parts = [embeddings, body.blocks[0].parameters(), last, network.head.parameters()]
    for group, part in zip(groups, parts, strict=True):
        assert {id(one) for one in group["params"]} == {id(one) for one in part}, group["name"]


def test_every_parameter_of_a_convolutional_network_is_in_one_group() -> None:
    network = make_network()
    groups = group_parameters(network, RATES, 0.9)
    grouped = [id(one) for group in groups for one in group["params"]]
    assert sorted(grouped) == sorted(id(one) for one in network.parameters())
    found = list(rates(groups).values())
    assert found[:-1] == pytest.approx([0.9**power for power in range(len(groups) - 2, -1, -1)])


def test_without_a_decay_the_backbone_is_one_group() -> None:
    assert rates(group_parameters(make_network(), RATES, None)) == {"backbone": 1.0, "head": 5.0}


def test_of_a_part_of_the_backbone_only_the_trained_groups_are_left() -> None:
    network, other = make_transformer(3), make_transformer(3)
    train_last_blocks(network.backbone, composed("finetune=last_blocks").finetune, "test_vit")
    expected = {"backbone.2": 0.5, "backbone.3": 1.0, "head": 5.0}
    assert rates(group_parameters(network, RATES, 0.5)) == expected
    add_adapters(other.backbone, composed("finetune=lora").finetune, "test_vit", seed=0)
    groups = group_parameters(other, RATES, 0.5)
    assert rates(groups) == {"backbone.1": 0.25, **expected}
    assert all(len(group["params"]) == 4 for group in groups[:-1])  # of qkv and proj, two each


@pytest.mark.parametrize("choice", ["adam", "adamw", "sgd", "timm"])
@pytest.mark.parametrize("schedule", ["cosine", "onecycle"])
def test_each_group_follows_the_schedule_from_its_own_rate(choice: str, schedule: str) -> None:
    config = composed(f"optimizer={choice}", f"scheduler={schedule}")
    groups = group_parameters(make_transformer(2), config.optimizer, 0.5)
    optimizer = build_optimizer(groups, config.optimizer)
    scheduler = build_scheduler(optimizer, config.scheduler, 10)
    for _ in range(10):
        found = [group["lr"] for group in optimizer.param_groups]
        shares = [rate / found[2] for rate in found]
        head = config.optimizer.head_lr / config.optimizer.lr
        assert shares == pytest.approx([0.25, 0.5, 1.0, head])
        optimizer.step()
        scheduler.step()


def test_a_step_is_as_long_as_its_group_s_rate() -> None:
    network = make_transformer(2)
    optimizer = build_optimizer(group_parameters(network, RATES, 0.5), RATES)
    before = [group["params"][0].clone() for group in optimizer.param_groups]
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    pairs = zip(before, optimizer.param_groups, strict=True)
    steps = [float((old - group["params"][0]).detach().mean()) for old, group in pairs]
    assert steps == pytest.approx([0.25, 0.5, 1.0, 5.0])


def test_a_network_without_groups_of_layers_is_refused() -> None:
    check_layer_groups(make_network().backbone, "test_resnet")
    with pytest.raises(ConfigError, match="the layers of model.name=mine are in no groups"):
        check_layer_groups(torch.nn.Linear(2, 2), "mine")
