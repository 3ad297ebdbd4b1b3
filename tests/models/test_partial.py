"""A part of a backbone is trained: its last blocks, or adapters."""

import pytest
import timm
import torch
from torch import nn

from pcam.config.sections import LastBlocksFinetune, LoraFinetune
from pcam.errors import ConfigError
from pcam.models.backbones import build_backbone
from pcam.models.partial import LowRank, add_adapters, train_last_blocks, trained_parameters


def last(blocks: int) -> LastBlocksFinetune:
    return LastBlocksFinetune(name="last_blocks", blocks=blocks, batchnorm="kept")


LORA = LoraFinetune(name="lora", rank=2, alpha=4.0)


@pytest.mark.parametrize(
    ("name", "blocks", "trained", "frozen"),
    [
        ("test_vit", 2, ["blocks.4.", "norm."], ["blocks.3.", "cls_token", "pos_embed"]),
        ("resnet18", 1, ["layer4.1."], ["layer4.0.", "conv1.", "bn1."]),
        ("resnet18", 3, ["layer4.0.", "layer3.1."], ["layer3.0."]),
        ("efficientnet_b0", 1, ["blocks.6.0.", "conv_head.", "bn2."], ["blocks.5.3.", "bn1."]),
        ("convnext_tiny", 2, ["stages.3.blocks.1."], ["stages.2.blocks.8.", "stem.0."]),
        ("vit_small_patch14_reg4_dinov2", 1, ["blocks.11.", "norm."], ["blocks.10.", "reg_token"]),
    ],
)
def test_the_last_blocks_and_what_follows_are_trained(
    name: str, blocks: int, trained: list[str], frozen: list[str]
) -> None:
    with torch.device("meta"):
        network = timm.create_model(name, num_classes=0)
    train_last_blocks(network, last(blocks), name)
    for prefixes, expected in ((trained, True), (frozen, False)):
        for prefix in prefixes:
            found = [p for key, p in network.named_parameters() if key.startswith(prefix)]
            assert found, prefix
            assert all(parameter.requires_grad == expected for parameter in found), prefix


def test_more_blocks_than_there_are_is_an_error() -> None:
    network = build_backbone("test_vit", {}, "cls", 160)
    with pytest.raises(ConfigError, match="finetune.blocks=9 must be at most 6, the blocks of"):
        train_last_blocks(network, last(9), "test_vit")
    with pytest.raises(ConfigError, match="the blocks of model.name=mine are not known"):
        train_last_blocks(nn.Conv2d(3, 4, 3), last(1), "mine")


def test_adapters_change_nothing_at_first_and_are_all_that_is_trained() -> None:
    torch.manual_seed(0)
    backbone = build_backbone("test_vit", {}, "avg", 160).eval()
    image = torch.rand(2, 3, 160, 160)
    before = backbone(image)
    add_adapters(backbone, LORA, "test_vit", seed=0)
    assert torch.equal(backbone(image), before)
    width, blocks = 64, 6
    expected = blocks * 2 * (width + 3 * width + width + width)  # qkv and proj, rank 2
    assert sum(parameter.numel() for parameter in trained_parameters(backbone)) == expected
    backbone(image).sum().backward()
    assert all(parameter.grad is not None for parameter in trained_parameters(backbone))
    with torch.no_grad():
        for parameter in trained_parameters(backbone):
            parameter.add_(0.1)
    assert not torch.allclose(backbone(image), before)


def test_the_change_has_the_rank_and_scale() -> None:
    weight = torch.zeros(5, 7)
    change = LowRank(weight, 2, 6.0, torch.Generator().manual_seed(0))
    with torch.no_grad():
        change.up.copy_(torch.eye(5, 2))
    changed = change(weight)
    assert torch.allclose(changed[:2], 3 * change.down)
    assert int(torch.linalg.matrix_rank(changed)) == 2


def test_networks_without_attention_have_no_adapters() -> None:
    with pytest.raises(ConfigError, match="needs layers attn.qkv and attn.proj; .*test_resnet"):
        add_adapters(build_backbone("test_resnet", {}, "avg", None), LORA, "test_resnet", 0)
