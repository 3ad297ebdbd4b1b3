"""Metrics of a split: equal to the figures of a run, each patch counted once."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torchmetrics import MetricCollection
from torchmetrics.functional.classification import binary_auroc

from pcam.config import registry
from pcam.config.registry import register_metric
from pcam.models.scores import build_metrics, gather_scores
from pcam.stats.metrics import METRICS, classification_metrics
from tests.registries import restored

BATCH = 64
COUNT = 500


@pytest.fixture
def user_entries() -> Iterator[None]:
    with restored(registry.metrics):
        yield


@pytest.fixture(scope="module")
def columns() -> list[torch.Tensor]:
    """Index, label, logit and loss of a split."""
    generator = torch.Generator().manual_seed(0)
    label = torch.randint(2, (COUNT,), generator=generator)
    logit = torch.randn(COUNT, generator=generator, dtype=torch.float64) * 3 + label
    loss = torch.rand(COUNT, generator=generator, dtype=torch.float64)
    return [torch.arange(COUNT), label, logit, loss]


def update(metrics: MetricCollection, columns: list[torch.Tensor], order: torch.Tensor) -> None:
    for chosen in order.split(BATCH):
        metrics.update(*(column[chosen] for column in columns))


def expected_metrics(columns: list[torch.Tensor]) -> dict[str, float]:
    _, label, logit, loss = (column.numpy() for column in columns)
    probability = 1 / (1 + np.exp(-logit))
    expected = classification_metrics(probability, label.astype(np.uint8))
    return {"loss": float(loss.mean()), **expected}


def test_metrics_equal_those_of_a_run(columns: list[torch.Tensor]) -> None:
    metrics = build_metrics()
    update(metrics, columns, torch.arange(COUNT))
    found = {name: float(value) for name, value in metrics.compute().items()}
    assert found.keys() == {"loss", *METRICS}
    assert found == pytest.approx(expected_metrics(columns), rel=0, abs=1e-12)


def test_trap_a_patch_that_two_processes_scored_counts_once(columns: list[torch.Tensor]) -> None:
    metrics = build_metrics()
    repeated = torch.cat([torch.arange(COUNT), torch.arange(7)])
    update(metrics, columns, repeated[torch.randperm(len(repeated))])
    found = {name: float(value) for name, value in metrics.compute().items()}
    assert found == pytest.approx(expected_metrics(columns), rel=0, abs=1e-12)
    scores = gather_scores(metrics)
    assert scores.index.tolist() == list(range(COUNT))
    assert scores.label.tolist() == columns[1].tolist()


def test_a_reset_collection_starts_again(columns: list[torch.Tensor]) -> None:
    metrics = build_metrics()
    update(metrics, columns, torch.arange(COUNT))
    metrics.compute()
    metrics.reset()
    half = [column[: COUNT // 2] for column in columns]
    update(metrics, half, torch.arange(COUNT // 2))
    found = {name: float(value) for name, value in metrics.compute().items()}
    assert found == pytest.approx(expected_metrics(half), rel=0, abs=1e-12)


def test_trap_scores_that_float32_cannot_distinguish_are_ranked() -> None:
    """torchmetrics' own AUROC works in float32, which makes ties of them."""
    logit = torch.linspace(20, 24, 200, dtype=torch.float64)
    label = (torch.arange(200) >= 100).long()
    metrics = build_metrics()
    metrics.update(torch.arange(200), label, logit, torch.zeros(200))
    assert float(metrics.compute()["auroc"]) == 1.0
    assert float(binary_auroc(torch.sigmoid(logit).float(), label)) < 0.9


def test_metrics_add_nothing_to_a_checkpoint() -> None:
    assert not build_metrics().state_dict()


@pytest.mark.usefixtures("user_entries")
def test_a_user_s_metric_is_computed_with_the_others(columns: list[torch.Tensor]) -> None:
    @register_metric("spread")
    def spread(probability: np.ndarray, label: np.ndarray) -> float:
        return float(probability[label == 1].mean() - probability[label == 0].mean())

    metrics = build_metrics()
    update(metrics, columns, torch.arange(COUNT))
    probability, label = torch.sigmoid(columns[2]), columns[1]
    expected = probability[label == 1].mean() - probability[label == 0].mean()
    assert float(metrics.compute()["spread"]) == pytest.approx(float(expected))
