"""The exported module does what the run's network does, from raw patches on."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from pcam.config.sections import HeadConfig
from pcam.data.crop import Crop
from pcam.errors import ConfigError
from pcam.exporting.comparison import compare_answers
from pcam.exporting.formats import export_onnx
from pcam.exporting.module import ExportedClassifier, Resize, RingCrop
from pcam.models.network import Network


def network(input_size: int | None, interpolation: str = "bilinear") -> Network:
    torch.manual_seed(0)
    head = HeadConfig()
    return Network("test_resnet", {}, input_size, interpolation, None, None, head, 2).eval()


def patches(*size: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (4, *size, 3), np.uint8)


def images(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("target", [32, 64, 96, 130])
def test_a_resize_is_torchs(interpolation: str, target: int) -> None:
    pixels = images(patches(48, 64)).float() / 255
    smooth = interpolation != "nearest"
    expected = F.interpolate(pixels, target, mode=interpolation, antialias=smooth)
    resized = Resize((48, 64), target, interpolation)(pixels)
    torch.testing.assert_close(resized, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    "crop", [Crop("none"), Crop("center", 32), Crop("center", 33), Crop("ring", 32)], ids=str
)
@pytest.mark.parametrize("size", [(64, 64), (48, 57)])
@torch.inference_mode()
def test_crops_are_the_runs(crop: Crop, size: tuple[int, int]) -> None:
    whole = patches(*size)
    model = network(40)
    expected = torch.sigmoid(model(images(crop(whole, np.arange(4), 0))) / 1.7)
    found = ExportedClassifier(model, size, crop, 1.7)(images(whole))
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_a_ring_has_whole_numbers_of_colour() -> None:
    whole = patches(64, 64)
    expected = Crop("ring", 32)(whole, np.arange(4), 0)
    found = RingCrop(32, (64, 64))(images(whole).float())
    assert torch.equal(found, images(expected).float())


@pytest.mark.slow
@torch.inference_mode()
def test_small_probabilities_are_not_rounded_to_zero_in_onnx() -> None:
    pytest.importorskip("onnxruntime")
    model = network(None)
    bias = list(model.head.parameters())[-1]
    bias.copy_(torch.tensor([45.0, 0.0]))
    raw = images(patches(32, 32)).contiguous()
    module = ExportedClassifier(model, (32, 32), Crop("none"), 1.0).eval()
    file = export_onnx(module, torch.zeros((2, 3, 32, 32), dtype=torch.uint8))
    logit = model(raw).double().numpy()
    assert (logit < -40).all()
    assert compare_answers(file, raw.numpy(), logit).log_odds < 1e-5


def test_a_random_crop_is_refused() -> None:
    with pytest.raises(ConfigError, match="random crops cannot be exported"):
        ExportedClassifier(network(None), (64, 64), Crop("random", 32), 1.0)
