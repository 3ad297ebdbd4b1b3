"""A file whose answers are not the network's is not written, however sure the network is."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from pcam.errors import DataError
from pcam.evaluation.decision import DecisionRule
from pcam.evaluation.saved_run import SavedRun, open_run
from pcam.exporting.comparison import Agreement, compare_answers, refuse_other_answers
from pcam.exporting.export import build_module
from pcam.exporting.formats import ExportedFile
from pcam.exporting.module import ExportedClassifier, Size
from tests.conftest import Terminal


def compare(expected: list[float], found: list[float]) -> Agreement:
    """Return the agreement of a file of such log-odds, whose probabilities are float32."""
    with np.errstate(over="ignore"):
        probability = 1 / (1 + np.exp(-np.array(found, np.float32)))
    assert probability.dtype == np.float32
    file = ExportedFile("file", b"", lambda patches: probability)
    return compare_answers(file, np.zeros((len(found), 3, 8, 8), np.uint8), np.array(expected))


@pytest.mark.parametrize("logit", [-90.0, -60.0, -14.0, -3.0, 0.0, 3.0, 7.9, 9.0, 16.0, 60.0])
def test_float32_alone_is_no_other_answer(logit: float) -> None:
    agreement = compare([logit], [logit])
    assert agreement.probability < 1e-5
    assert agreement.log_odds < 1e-4
    refuse_other_answers("file", "run", agreement)


@pytest.mark.parametrize(
    ("expected", "found"),
    [(-14.0, -14.01), (-60.0, -61.0), (0.0, 0.001), (0.0, 0.00015), (7.0, 7.01), (20.0, 7.5)],
)
def test_other_log_odds_are_other_answers(expected: float, found: float) -> None:
    agreement = compare([0.0, expected], [0.0, found])
    with pytest.raises(DataError, match=r"^file gives other answers than run: .*log-odds"):
        refuse_other_answers("file", "run", agreement)


def test_probabilities_near_one_differ_too() -> None:
    agreement = compare([20.0], [9.0])
    assert agreement.log_odds == 0
    assert agreement.probability == pytest.approx(np.exp(-9), rel=1e-3)
    with pytest.raises(DataError, match="other answers"):
        refuse_other_answers("file", "run", agreement)


def test_log_odds_are_compared_by_their_magnitude() -> None:
    assert compare([-40.0, -2.0], [-40.2, -2.0]).log_odds == pytest.approx(0.2 / 40, rel=1e-3)
    assert compare([-0.1], [-0.2]).log_odds == pytest.approx(0.1, rel=1e-3)


def test_no_number_is_another_answer() -> None:
    with pytest.raises(DataError, match="other answers"):
        refuse_other_answers("file", "run", compare([0.0, 0.0], [0.0, float("nan")]))


def test_a_file_that_is_wrong_in_its_logits_only_is_refused(
    exported_run: Path, terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All probabilities are about 1e-6, right and wrong ones."""
    monkeypatch.setattr("pcam.exporting.export.open_run", sure_run)
    words = [f"run={exported_run}", "to=safetensors"]
    answer = terminal("export", *words, "hydra.run.dir=right")
    assert (answer.status, answer.err) == (0, "")
    assert "of the log-odds, on 48 patches of valid" in answer.out
    assert "of the log-odds" in (tmp_path / "right" / "README.md").read_text()
    monkeypatch.setattr("pcam.exporting.export.build_module", flat_module(build_module))
    (line,) = terminal("export", *words, "hydra.run.dir=wrong").faults
    assert line.startswith(f"model.safetensors gives other answers than {exported_run}")
    assert not (tmp_path / "wrong").exists()


def sure_run(folder: Path) -> SavedRun:
    """Open a run, its network less sure of the positive class by log-odds of 14."""
    run = open_run(folder)
    last = [part for part in run.model.network.head.modules() if isinstance(part, torch.nn.Linear)]
    with torch.no_grad():
        last[-1].bias[-1] -= 14
    return run


def flat_module(build: Callable[..., ExportedClassifier]) -> Callable[..., ExportedClassifier]:
    """Return a function that builds a module whose log-odds are a tenth too small."""

    def wrong(run: SavedRun, size: Size, rule: DecisionRule) -> ExportedClassifier:
        return build(run, size, dataclasses.replace(rule, temperature=rule.temperature / 0.9))

    return wrong
