"""How a network scores patches on a GPU; here with networks that only say what they are given."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from pcam.evaluation import scoring_network
from pcam.evaluation.scoring_network import ScoringNetwork, choose_batch_size, scores_agree


def classifier(network: object = None, device: str = "cpu", size: int | None = 96) -> object:
    inner = network or SimpleNamespace(input_size=size)
    return SimpleNamespace(device=torch.device(device), network=inner, evaluated=inner)


def test_on_a_cpu_the_batch_size_is_the_config_s() -> None:
    assert choose_batch_size(classifier(), 64) == 64


def test_on_a_gpu_batches_are_large_for_small_patches() -> None:
    assert choose_batch_size(classifier(device="cuda"), 64) == 1024
    assert choose_batch_size(classifier(device="cuda"), 2048) == 2048
    assert choose_batch_size(classifier(device="cuda", size=None), 64) == 1024
    assert choose_batch_size(classifier(device="cuda", size=384), 64) == 64


def test_a_batch_that_does_not_fit_is_scored_in_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    sizes = []

    def network(images: Tensor) -> Tensor:
        sizes.append(len(images))
        if len(images) > 3:
            raise torch.cuda.OutOfMemoryError
        return images.flatten(1).sum(1)

    images = torch.arange(8.0).reshape(8, 1, 1, 1)
    assert ScoringNetwork(classifier(network))(images).tolist() == list(range(8))
    assert max(sizes) == 8
    assert sizes.count(2) == 4


def test_one_patch_that_does_not_fit_is_an_error() -> None:
    def network(images: Tensor) -> Tensor:
        raise torch.cuda.OutOfMemoryError

    with pytest.raises(torch.cuda.OutOfMemoryError):
        ScoringNetwork(classifier(network))(torch.zeros(1, 3, 4, 4))


@pytest.mark.parametrize(
    ("fast", "agree"),
    [
        ([2.0, -1.0, 0.5], True),
        ([2.05, -1.0, 0.5], True),  # 0.005 of probability
        ([2.2, -1.0, 0.5], False),
        ([2.0, -1.0, float("nan")], False),
    ],
)
def test_scores_agree_within_a_hundredth(fast: list[float], agree: bool) -> None:
    assert scores_agree(torch.tensor(fast), torch.tensor([2.0, -1.0, 0.5])) is agree


def test_scores_with_other_calls_do_not_agree() -> None:
    exact = torch.full((100,), 0.001)
    fast = exact.clone()
    fast[0] = -0.001  # 1 % of the calls
    assert not scores_agree(fast, exact)


@pytest.mark.parametrize(("error", "used"), [(0.0, True), (1.0, False)])
def test_bfloat16_is_used_where_the_first_batches_agree(
    error: float, used: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    half_precision: list[str] = []

    @contextmanager
    def autocast(kind: str, dtype: torch.dtype) -> Iterator[None]:
        half_precision.append(f"{kind} {dtype}")
        yield
        half_precision.pop()

    monkeypatch.setattr(scoring_network.torch.cuda, "is_bf16_supported", lambda: True)
    monkeypatch.setattr(scoring_network.torch, "autocast", autocast)

    def network(images: Tensor) -> Tensor:
        shift = error if half_precision == ["cuda torch.bfloat16"] else 0.0
        return images.flatten(1).sum(1) + shift

    scoring = ScoringNetwork(classifier(network, device="cuda"))
    for _ in range(3):
        scores = scoring(torch.zeros(4, 3, 2, 2))
    assert scoring.uses_bfloat16 is used
    assert scores.tolist() == [0.0] * 4
