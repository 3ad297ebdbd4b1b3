import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from pcam.data.crop import Crop
from pcam.data.sources.synthetic.source import SyntheticSource
from pcam.errors import ConfigError
from pcam.models.classifier import cross_entropy
from pcam.models.network import Network
from tests.run import composed

PATCHES = torch.from_numpy(SyntheticSource("train", 8).read(np.arange(8))).permute(0, 3, 1, 2)
HEAD = {"pool": "avg", "hidden": None, "dropout": 0.0, "batch_norm": False}


def network(**settings: object) -> Network:
    torch.manual_seed(0)
    given = {
        "name": "test_resnet", "kwargs": {}, "input_size": 32, "interpolation": "bilinear", "mean": None, "std": None,
        "head": HEAD, "outputs": 2, **settings,
    }  # fmt: skip
    return Network(**given)


def test_the_study_s_six_networks_take_raw_patches() -> None:
    # B0 in B7's place and pools of 32 px keep it quick; the real sizes are run by docs/networks.py
    sizes = {
        "resnet50": 23.5,
        "efficientnet_b0": 4.0,
        "vgg16": 14.7,
        "densenet201": 18.1,
        "xception": 20.8,
        "googlenet": 5.6,
    }
    for name, millions in sizes.items():
        config = composed(f"model={name}")
        model = {k: v for k, v in config["model"].items() if k not in ("weights", "at_scale")} | {
            "input_size": 96
        }
        outputs = 1 if config["loss"]["name"] == "bce" else 2
        net = Network(
            **model, interpolation=config["crop"]["interpolation"], outputs=outputs
        ).eval()
        out = net(PATCHES[:2])
        assert out.shape == (2,)
        assert out.dtype == torch.float32
        assert torch.isfinite(out).all()
        assert sum(p.numel() for p in net.backbone.parameters()) / 1e6 == pytest.approx(
            millions, abs=0.06
        ), name
        first = next(m for m in net.head if isinstance(m, nn.Linear))
        assert first.out_features == (512 if name in ("vgg16", "densenet201") else outputs)


def test_the_recipes_of_the_study() -> None:
    google = composed("model=googlenet")
    assert (google["loss"]["name"], google["crop"]["train"], google["crop"]["size"]) == (
        "bce",
        "center",
        64,
    )
    assert google["model"]["input_size"] == 224
    assert composed("model=googlenet", "crop=none", "loss=ce")["loss"]["name"] == "ce"
    assert composed("model=efficientnet_b7")["model"]["name"] == "tf_efficientnet_b7"
    for name in ("vgg16", "densenet201"):
        assert composed(f"model={name}")["model"]["head"]["hidden"] == 512


def seen_by(net: Network, image: torch.Tensor) -> torch.Tensor:
    seen = []
    net.backbone.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    net.eval()(image)
    return seen[0]


def test_nearest_repeats_pixels_bit_for_bit() -> None:
    centre = Crop("center", 32)(PATCHES.permute(0, 2, 3, 1).numpy(), np.arange(8), 0)
    net = network(input_size=96, interpolation="nearest", mean=0.0, std=1.0)
    seen = seen_by(net, torch.from_numpy(np.ascontiguousarray(centre)).permute(0, 3, 1, 2))
    repeated = np.repeat(np.repeat(centre, 3, axis=1), 3, axis=2)
    assert ((seen * 255).round().byte().permute(0, 2, 3, 1).numpy() == repeated).all()
    assert (seen == seen_by(net, torch.from_numpy(repeated).permute(0, 3, 1, 2))).all()


def test_normalisation_is_that_of_the_weights() -> None:
    image = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    image[:, 0] = 255
    seen = seen_by(network(), image)
    assert seen[0, :, 0, 0].tolist() == pytest.approx([1, -1, -1])  # test_resnet was trained so
    from pcam.models.backbones import pretrained_info

    assert pretrained_info("resnet50").mean == (
        0.485,
        0.456,
        0.406,
    )  # ImageNet's, as the weights' makers publish
    assert (
        pretrained_info("legacy_xception").mean
        == pretrained_info("googlenet").std
        == (0.5, 0.5, 0.5)
    )
    assert seen_by(network(mean=0.5, std=[0.5, 0.25, 1]), image)[
        0, :, 0, 0
    ].tolist() == pytest.approx([1, -2, -0.5])


def test_floats_of_the_same_range_give_the_same_and_a_gradient() -> None:
    net = network().eval()
    image = PATCHES.float().requires_grad_()
    out = net(image)
    assert (out == net(PATCHES)).all()
    assert torch.autograd.grad(out.sum(), image)[0].abs().sum() > 0


def test_log_odds_make_softmax_cross_entropy() -> None:
    net = network(input_size=96).eval()
    two = net.head(net.backbone((PATCHES.float() / 255 - net.mean) / net.std))
    label = torch.tensor([0, 1] * 4)
    for smoothing in (0.0, 0.1):
        expected = F.cross_entropy(two, label, reduction="none", label_smoothing=smoothing)
        assert torch.allclose(cross_entropy(net(PATCHES), label, smoothing), expected, atol=1e-5)


def test_head_settings_have_an_effect() -> None:
    net = network(
        input_size=96, head={"pool": "flatten", "hidden": 16, "dropout": 0.5, "batch_norm": True}
    )
    assert [type(layer) for layer in net.head] == [
        nn.Linear,
        nn.BatchNorm1d,
        nn.ReLU,
        nn.Dropout,
        nn.Linear,
    ]
    assert net.head[0].in_features > network().head[0].in_features


def tensors(module: nn.Module) -> list[torch.Tensor]:
    return [value.clone() for value in module.state_dict().values()]


def changed(module: nn.Module, before: list[torch.Tensor]) -> list[bool]:
    return [
        not torch.equal(a, b) for a, b in zip(module.state_dict().values(), before, strict=True)
    ]


def test_trap_a_frozen_backbone_whose_batchnorm_moves() -> None:
    net = network()
    net.train()
    before = tensors(net.backbone)
    net.freeze(True, keep_statistics=False)
    net.train()  # Lightning calls it again after each validation
    net(PATCHES).sum().backward()
    assert not any(changed(net.backbone, before))
    assert all(p.grad is None for p in net.backbone.parameters())
    assert all(p.grad is not None for p in net.head.parameters())
    net.freeze(False, keep_statistics=False)
    assert all(m.training for m in net.modules())
    net(PATCHES).sum().backward()
    assert any(changed(net.backbone, before))
    assert all(p.grad is not None for p in net.backbone.parameters())


def test_statistics_are_kept_where_that_is_asked_for_and_weights_train() -> None:
    net = network()
    net.train()
    before = tensors(net.backbone)
    net.freeze(False, keep_statistics=True)
    net(PATCHES).sum().backward()
    assert not any(changed(net.backbone, before))
    norms = [m for m in net.backbone.modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms
    assert all(not m.training and m.weight.grad is not None for m in norms)


def test_trap_equal_batchnorms_are_all_in_the_optimizer() -> None:
    from pcam.models.schedules import build_optimizer

    net = network()
    settings = {"name": "adam", "lr": 1.0, "head_lr": 2.0, "weight_decay": 0.0, "kwargs": {}}
    optimizer = build_optimizer(net.backbone.parameters(), net.head.parameters(), **settings)
    held = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert sorted(held) == sorted(id(p) for p in net.parameters())
    assert [group["lr"] for group in optimizer.param_groups] == [1.0, 2.0]


def test_bad_settings_are_told() -> None:
    with pytest.raises(ConfigError, match="model.name=resnet5 is not a network; did you mean"):
        network(name="resnet5")
    with pytest.raises(ConfigError, match="does not take model.kwargs"):
        network(kwargs={"nonsense": 1})
    with pytest.raises(ConfigError, match=r"model.kwargs.checkpoint_path is the framework's own"):
        network(kwargs={"checkpoint_path": "x"})
    with pytest.raises(ConfigError, match="unknown key model.head.hiden; did you mean hidden"):
        network(head={**HEAD, "hiden": 3})
    with pytest.raises(
        ConfigError, match="crop.interpolation=nearst is not known; did you mean nearest"
    ):
        network(interpolation="nearst")
    with pytest.raises(ConfigError, match="model.name=hf-hub:somebody/net is not a network"):
        network(name="hf-hub:somebody/net")
