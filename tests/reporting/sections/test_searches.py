"""The trials of a search."""

from pathlib import Path

import pytest

from pcam.runs.files import write_json
from tests.reporting.fakes import make_report, read_summary, write_search
from tests.run import run_command


def check_best(folder: Path, text: str, rates: list[float]) -> int:
    """Check that the best trial is that of the best valid AUROC; return its number."""
    aurocs = [
        read_summary(folder / str(number))["valid"]["auroc"]["value"]
        for number in range(len(rates))
    ]
    best = aurocs.index(max(aurocs))
    (line,) = [line for line in text.splitlines() if line.startswith("Best by valid")]
    assert f"trial {best}: optimizer.lr={rates[best]:g}" in line
    assert "which did not decide" in line
    return best


@pytest.mark.slow
@pytest.mark.usefixtures("real_figures")
def test_the_best_trial_is_chosen_by_valid(sweep: Path, tmp_path: Path) -> None:
    rates = [0.001, 0.0001, 0.01]
    search = write_search(tmp_path / "multirun" / "search", rates)
    text = make_report(tmp_path / "out", search, sweep)
    best = check_best(search, text, rates)
    commands = text.partition("To repeat each part")[2]
    for name in ("evaluate", "attribute", "bias"):
        for folder in (sweep / "0", search / str(best)):
            assert f"python -m pcam.{name} run={folder}\n" in commands
    assert (tmp_path / "out" / "figures" / "search-0.png").stat().st_size > 10_000


def test_of_equal_aurocs_the_trial_of_the_lowest_loss_is_the_best(tmp_path: Path) -> None:
    search = write_search(tmp_path / "multirun" / "search", [0.001, 0.0001, 0.01])
    for number, loss in enumerate((0.5, 0.1, 0.3)):
        summary = read_summary(search / str(number))
        summary["valid"]["auroc"]["value"] = 1.0
        summary["valid"]["nll"] = {"value": loss}
        write_json(search / str(number) / "summary.json", summary)
    text = make_report(tmp_path / "out", search)
    assert "trial 1: optimizer.lr=0.0001" in text.partition("Best by valid")[2].splitlines()[0]
    assert f"python -m pcam.evaluate run={search / '1'}" in text


@pytest.mark.usefixtures("real_figures")
@pytest.mark.slow
def test_a_real_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [
        "scale=smoke",
        "data.train=64",
        "data.valid=48",
        "data.test=60",
        "trainer.max_epochs=1",
        "trainer.progress=false",
        "recipe=resnet50",
        "aug=none",
        "hydra/sweeper=random",
        "hydra.sweeper.n_trials=3",
        "optimizer.lr=tag(log,interval(1e-5,1e-2))",
        "hydra.sweep.dir=search",
    ]
    run_command(monkeypatch, tmp_path, "train", "-m", *words)
    text = make_report(tmp_path / "out", tmp_path / "search")
    ranks = []
    for number in range(3):
        valid = read_summary(tmp_path / "search" / str(number))["valid"]
        ranks.append((valid["auroc"]["value"], -valid["nll"]["value"]))
    assert f"trial {ranks.index(max(ranks))}: optimizer.lr=" in text.partition("Best by valid")[2]
    assert (tmp_path / "out" / "figures" / "search-0.png").stat().st_size > 10_000
