import pytest
import torch

from pcam.config.sections import OptimizerConfig
from pcam.errors import ConfigError
from pcam.models.network import Network
from pcam.models.optimizers import Groups, backbone_and_head, build_optimizer
from tests.models.test_network import build_network
from tests.run import composed


def config(name: str, **kwargs: object) -> OptimizerConfig:
    return OptimizerConfig(name=name, lr=1.0, head_lr=2.0, weight_decay=0.0, kwargs=kwargs)


def groups_of(network: Network, section: OptimizerConfig) -> Groups:
    return backbone_and_head(network.backbone.parameters(), network.head.parameters(), section)


def build(section: OptimizerConfig) -> torch.optim.Optimizer:
    network = build_network()
    return build_optimizer(groups_of(network, section), section)


def test_trap_equal_batchnorms_are_all_in_the_optimizer() -> None:
    network = build_network()
    optimizer = build_optimizer(groups_of(network, config("adam")), config("adam"))
    trained = [id(one) for group in optimizer.param_groups for one in group["params"]]
    assert sorted(trained) == sorted(id(one) for one in network.parameters())
    assert [group["lr"] for group in optimizer.param_groups] == [1.0, 2.0]


@pytest.mark.parametrize("choice", ["adam", "adamw", "sgd", "timm"])
def test_each_optimizer_of_conf_takes_a_step(choice: str) -> None:
    section = composed(f"optimizer={choice}").optimizer
    optimizer = build(section)
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.ones_like(parameter)
    before = optimizer.param_groups[1]["params"][0].clone()
    optimizer.step()
    assert not torch.equal(before, optimizer.param_groups[1]["params"][0])


def test_an_argument_that_the_optimizer_does_not_take() -> None:
    with pytest.raises(ConfigError, match="optimizer.name=adam: .*nonsense"):
        build(config("adam", nonsense=1))


def test_an_unknown_optimizer_suggests_similar_ones() -> None:
    with pytest.raises(ConfigError, match="optimizer.name=adamm is not available; did you mean"):
        build(config("adamm"))


def test_fused_optimizers_are_torch_s_own_unless_an_implementation_is_chosen() -> None:
    def fused(*overrides: str) -> object:
        config = composed(*overrides).optimizer
        weights = [torch.nn.Parameter(torch.ones(1))]
        optimizer = build_optimizer(backbone_and_head(weights, [], config), config, fused=True)
        return optimizer.defaults.get("fused")

    for name in ("adam", "adamw", "sgd"):
        assert fused(f"optimizer={name}") is True
    assert fused("optimizer=adam", "+optimizer.kwargs.foreach=true") is None
    assert not fused("optimizer=timm", "optimizer.name=lamb")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("adahessian", "optimizer.name=adahessian needs second derivatives"),
        ("fusedsgd", "optimizer.name=fusedsgd: CUDA required for APEX optimizers"),
    ],
)
def test_optimizers_that_cannot_be_used_here(name: str, message: str) -> None:
    parameters = [torch.nn.Parameter(torch.zeros(1))]
    config = OptimizerConfig(name=name, lr=0.1, head_lr=0.1, weight_decay=0.0)
    with pytest.raises(ConfigError, match=message):
        build_optimizer(backbone_and_head(parameters, [], config), config)
