import pytest
import torch

from pcam.models.epoch_means import EpochMeans


def test_means_are_weighted_by_the_batches_sizes() -> None:
    means = EpochMeans()
    means.update({"loss": torch.tensor(1.0)}, 3)
    means.update({"loss": torch.tensor(5.0)}, 1)
    totals = means.totals()
    assert float(totals["loss"] / totals["size"]) == pytest.approx(2.0)


def test_an_epoch_starts_anew() -> None:
    means = EpochMeans()
    means.update({"loss": torch.tensor(1.0)}, 3)
    means.reset()
    means.update({"loss": torch.tensor(4.0)}, 2)
    totals = means.totals()
    assert float(totals["loss"] / totals["size"]) == 4.0


def test_sums_keep_no_graph() -> None:
    means = EpochMeans()
    means.update({"loss": torch.ones((), requires_grad=True) * 2}, 1)
    assert not means.totals()["loss"].requires_grad
