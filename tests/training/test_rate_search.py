"""Learning rates from a search before the training (``trainer.find_lr``)."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from pcam.errors import ConfigError
from pcam.models.classifier import Batch, PatchClassifier
from pcam.runs.folder import read_config
from pcam.runs.identity import Relation, relate_runs, run_identity
from pcam.training import rate_search
from pcam.training.rate_search import SearchedClassifier
from pcam.training.rate_suggestion import suggest_rate
from tests.conftest import Terminal
from tests.run import killed_after, train
from tests.training.runs import STUDY, equal_tensors, read_checkpoint, read_state, seen_patches

SHORT = 24  # steps of a search; a training of four epochs of six has as many
FOUR = "trainer.max_epochs=4"
FIND = "trainer.find_lr=true"


SUGGESTED = 2.3e-4


def suggest(rates: np.ndarray, losses: np.ndarray) -> float:
    """Return a fixed rate: losses of so few steps are nearly noise."""
    assert len(rates) == len(losses) > SHORT / 2
    assert np.isfinite(losses[0])
    return SUGGESTED


@pytest.fixture(autouse=True)
def short_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_search, "STEPS", SHORT)
    monkeypatch.setattr(rate_search, "suggest_rate", suggest)


def typed(summary: dict[str, Any]) -> list[str]:
    """Return the found rates as a person types them."""
    rates = summary["find_lr"]
    return [f"optimizer.{name}={rates[name]:g}" for name in ("lr", "head_lr")]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("found")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rate_search, "STEPS", SHORT)
        patch.setattr(rate_search, "suggest_rate", suggest)
        return folder, train(folder, *STUDY, FOUR, FIND, "model.head.dropout=0.2")


@pytest.mark.slow
def test_the_run_is_that_of_the_rates_on_the_command_line(
    found: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    folder, summary = found
    words = [*STUDY, FOUR, "model.head.dropout=0.2", *typed(summary)]
    other = train(tmp_path, *words)
    assert all(equal_tensors(read_state(folder), read_state(tmp_path)))
    states = [read_checkpoint(one)["optimizer_states"] for one in (folder, tmp_path)]
    moments = [{str(key): of["exp_avg"] for key, of in one[0]["state"].items()} for one in states]
    assert all(equal_tensors(*moments))
    assert other["test"] == summary["test"]
    assert other["find_lr"] is None
    identity = run_identity(read_config(folder), summary, folder)
    # Seeds find other rates, and are repeats of the same search.
    rates = {**summary["find_lr"], "lr": 2 * SUGGESTED}
    repeated = read_config(folder).model_copy(update={"seed": 7})
    repeat = run_identity(repeated, {**summary, "find_lr": rates}, folder)
    assert relate_runs(identity, repeat) is Relation.REPEATS
    without = run_identity(read_config(tmp_path), other, tmp_path)
    assert relate_runs(identity, without) is Relation.DIFFERENT


def test_both_rates_keep_their_ratio_and_the_figure_shows_the_search(
    found: tuple[Path, dict[str, Any]],
) -> None:
    folder, summary = found
    rates = summary["find_lr"]
    assert rates == {"lr": SUGGESTED, "head_lr": 2.3e-3}
    assert min(Image.open(folder / "figures" / "find_lr.png").size) > 200
    assert not [path for path in folder.rglob("*") if "lr_find" in path.name]


@pytest.mark.slow
def test_a_search_steps_with_the_ratio_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[list[float]] = []
    keep = SearchedClassifier._keep_ratio

    def recorded(self: SearchedClassifier, optimizer: Any) -> None:
        keep(self, optimizer)
        optimizer.register_step_pre_hook(
            lambda one, *_: seen.append([group["lr"] for group in one.param_groups])
        )

    monkeypatch.setattr(SearchedClassifier, "_keep_ratio", recorded)
    train(tmp_path, *STUDY, FOUR, FIND, "optimizer.head_lr=1e-3")
    assert len(seen) > 5
    for backbone, head in seen:
        assert head == pytest.approx(2 * backbone)
    assert [rates[0] for rates in seen] == sorted(rates[0] for rates in seen)


@pytest.mark.slow
def test_a_resumed_run_keeps_its_rates_and_its_patches(
    found: tuple[Path, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, summary = found
    words = [*STUDY, FOUR, FIND, "model.head.dropout=0.2"]
    step = PatchClassifier.training_step

    def searching(self: SearchedClassifier, batch: Batch, batch_idx: int) -> torch.Tensor:
        """Be the search's step, which comes to a third epoch as well, and is not killed."""
        loss = step(self, batch, batch_idx)
        self.batch_losses.append(loss.detach())
        return loss

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SearchedClassifier, "training_step", searching)
        killed_after(patch, 2, tmp_path, *words)
    seen = seen_patches(monkeypatch)
    before = len(seen)
    resumed = train(tmp_path, *words, resume=True)
    assert len(seen) - before == 12  # the last two epochs; no search
    assert resumed["find_lr"] == summary["find_lr"]
    assert all(equal_tensors(read_state(whole), read_state(tmp_path)))


def test_a_short_training_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        train(tmp_path, *STUDY, FIND, "trainer.max_epochs=3")
    (line,) = caught.value.faults
    assert f"takes {SHORT} steps, and the whole training has 18" in line


def test_a_loss_that_never_falls_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_search, "suggest_rate", lambda *_: None)
    with pytest.raises(ConfigError) as caught:
        train(tmp_path, *STUDY, FIND, FOUR)
    (line,) = caught.value.faults
    assert "found no rate at which the loss falls" in line


def test_several_processes_are_refused_before_they_start(terminal: Terminal) -> None:
    words = [*STUDY, FIND, "trainer=ddp", "trainer.accelerator=cpu", "hydra.run.dir=out"]
    (line,) = terminal("train", *words).faults
    assert line.startswith("trainer.find_lr=true needs one process, and the training has 2")


def test_a_rate_without_ratio_is_refused(terminal: Terminal) -> None:
    (line,) = terminal("train", FIND, "optimizer.lr=0").faults
    assert line.startswith("optimizer.lr=0 must be greater than 0 with trainer.find_lr=true")


def test_a_resumed_run_starts_no_search(tmp_path: Path, terminal: Terminal) -> None:
    train(tmp_path / "run", *STUDY, "trainer.max_epochs=1")
    (line,) = terminal("train", "resume=run", FIND).faults
    assert "was started with trainer.find_lr=False, not True" in line


@pytest.mark.slow
def test_each_job_of_a_sweep_finds_its_own(tmp_path: Path, terminal: Terminal) -> None:
    words = [*STUDY, FIND, FOUR, "optimizer.head_lr=5e-3,5e-4", "hydra.sweep.dir=sweep"]
    answer = terminal("train", "-m", *words)
    assert answer.status == 0, answer.err
    assert answer.out.count("learning rates found in ") == 2
    for number in (0, 1):
        assert (tmp_path / "sweep" / str(number) / "figures" / "find_lr.png").is_file()


def test_a_suggestion_is_the_rate_of_the_lowest_loss_whatever_single_steps_do() -> None:
    rates = np.geomspace(1e-6, 1, 100)
    decades = np.log10(rates)
    losses = 0.5 + 0.1 * (decades + 3) ** 2  # lowest at 1e-3
    losses += np.random.default_rng(0).normal(0, 0.03, 100)
    losses[20] = 0.1  # one easy batch
    found = suggest_rate(rates, losses)
    assert found is not None
    assert 5e-4 < found < 2e-3
    losses[90:] = np.nan
    losses[95] = 0.0
    assert suggest_rate(rates, losses) == found


def test_no_suggestion_where_the_loss_rises_or_is_not_finite() -> None:
    rates = np.geomspace(1e-6, 1, 100)
    assert suggest_rate(rates, np.linspace(0.7, 2, 100)) is None
    assert suggest_rate(rates, np.full(100, np.nan)) is None
    assert suggest_rate(rates[:4], np.linspace(1, 0, 4)) is None
