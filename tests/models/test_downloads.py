import socket
import time
from pathlib import Path

import pytest
import torch.hub

from pcam.errors import WeightsError
from pcam.models import downloads
from pcam.models.backbones import build_backbone
from pcam.models.weights import load_initial_weights


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A network that swallows every packet: a connection is neither made nor refused."""

    def hang(*_: object, **__: object) -> None:
        time.sleep(60)
        raise OSError("no network")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    monkeypatch.setattr(downloads, "WAIT", 0.5)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("name", ["test_resnet", "googlenet", "legacy_xception"])
def test_a_missing_network_is_noticed_soon(name: str) -> None:
    backbone = build_backbone(name, {}, "avg", 96)
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    start = time.perf_counter()
    message = r"cannot be downloaded from .*; give a file \(model.weights=FILE\)"
    with pytest.raises(WeightsError, match=message):
        load_initial_weights(backbone, name, {}, "imagenet", 96)
    origin = load_initial_weights(backbone, name, {}, "auto", 96)
    assert time.perf_counter() - start < 15  # two attempts, and the imports
    assert (origin.asked, origin.origin) == ("auto", "random")
    assert "cannot be downloaded" in origin.detail
    for key, value in backbone.state_dict().items():
        assert torch.equal(value, before[key]), key
