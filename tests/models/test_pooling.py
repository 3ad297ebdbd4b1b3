import pytest
import torch

from pcam.errors import ConfigError
from pcam.models.backbones import build_backbone
from pcam.models.pooling import TokenPool


def test_tokens_are_pooled_as_asked() -> None:
    tokens = torch.arange(24.0).reshape(2, 4, 3)  # a class token, a register, two patches
    cls, mean = tokens[:, 0], tokens[:, 2:].mean(1)
    assert torch.equal(TokenPool("cls", 2)(tokens), cls)
    assert torch.equal(TokenPool("patch_avg", 2)(tokens), mean)
    assert torch.equal(TokenPool("cls_avg", 2)(tokens), torch.cat([cls, mean], 1))


@pytest.mark.parametrize(("pool", "width"), [("cls", 64), ("patch_avg", 64), ("cls_avg", 128)])
def test_a_transformer_s_tokens(pool: str, width: int) -> None:
    backbone = build_backbone("test_vit", {}, pool, 160).eval()
    image = torch.rand(1, 3, 160, 160)
    features = backbone(image)
    assert features.shape == (1, width)
    tokens = backbone[0].forward_features(image)
    assert torch.equal(features, TokenPool(pool, 1)(tokens))


def test_networks_without_tokens_are_refused() -> None:
    with pytest.raises(ConfigError, match="model.head.pool=cls needs a vision transformer, not"):
        build_backbone("test_resnet", {}, "cls", None)
    with pytest.raises(ConfigError, match="needs a class token, which .* has not; use patch_avg"):
        build_backbone("test_vit", {"class_token": False}, "cls_avg", 160)
