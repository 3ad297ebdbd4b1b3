"""``trainer.on_nan=skip``: a step that is not finite is not taken, counted and reported."""

import logging
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from pcam.models.classifier import PatchClassifier
from pcam.models.network import Network
from pcam.runs.files import read_metrics
from tests.run import train
from tests.training.runs import STUDY, equal_tensors

SKIP = [*STUDY, "trainer.on_nan=skip", "trainer.max_epochs=2", "optimizer=sgd"]
State = dict[str, torch.Tensor]


@pytest.fixture
def states(monkeypatch: pytest.MonkeyPatch) -> list[tuple[State, State]]:
    """Spoil the third batch of the first epoch; keep network and momenta before each batch."""
    found: list[tuple[State, State]] = []
    spoilt = [False]
    normalised = Network.normalised

    def keep(self: PatchClassifier, batch: Any, batch_idx: int) -> None:
        optimizer = self.trainer.optimizers[0]
        momenta = {
            str(position): value["momentum_buffer"].clone()
            for position, value in enumerate(optimizer.state.values())
        }
        network = {name: value.clone() for name, value in self.network.state_dict().items()}
        found.append((network, momenta))
        spoilt[0] = (self.current_epoch, batch_idx) == (0, 2)

    def spoil(self: Network, image: torch.Tensor) -> torch.Tensor:
        x = normalised(self, image)
        return x * math.nan if spoilt[0] and self.training else x

    monkeypatch.setattr(PatchClassifier, "on_train_batch_start", keep)
    monkeypatch.setattr(Network, "normalised", spoil)
    return found


def test_a_skipped_step_changes_nothing(
    tmp_path: Path, states: list[tuple[State, State]], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, logger="pcam")
    train(tmp_path, *SKIP)
    for before, after in zip(states[2], states[3], strict=True):  # network, momenta
        assert all(equal_tensors(before, after))
    assert not all(equal_tensors(states[3][0], states[4][0]))
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("epoch 1, step 3: the loss is nan on 16 patches (train-")
    assert line.endswith("; step skipped (1 so far)")
    rows = read_metrics(tmp_path / "metrics.csv")
    assert [row["train/skipped"] for row in rows] == ["1", "1"]
    assert all(math.isfinite(float(row["train/loss_epoch"])) for row in rows)


@pytest.mark.slow
def test_without_a_fault_skip_changes_no_figure(tmp_path: Path) -> None:
    train(tmp_path / "skip", *SKIP)
    train(tmp_path / "stop", *SKIP, "trainer.on_nan=stop")
    skip, stop = (read_metrics(tmp_path / name / "metrics.csv") for name in ("skip", "stop"))
    for row in (*skip, *stop):
        row.pop("seconds")
        row.pop("train/skipped", None)
    assert skip == stop
