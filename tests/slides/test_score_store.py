"""Scores that a stopped command has stored."""

from pathlib import Path

import numpy as np
import pytest

from pcam.errors import RunError
from pcam.slides.score_store import ScoreStore

PLAN = {"slide": "a.svs", "stride": 32}
SCORES = np.linspace(-3, 3, 10)


def batches(scores: np.ndarray) -> list[np.ndarray]:
    return [scores[start : start + 2] for start in range(0, len(scores), 2)]


def test_a_store_goes_on_after_its_last_whole_part(tmp_path: Path) -> None:
    store = ScoreStore(tmp_path, PLAN, 10, 4)

    def stopped() -> object:
        yield from batches(SCORES)[:3]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.fill(stopped())
    again = ScoreStore(tmp_path, PLAN, 10, 4)
    assert again.done == 4
    again.fill(batches(SCORES[4:]))
    np.testing.assert_array_equal(again.scores(), SCORES)
    np.testing.assert_array_equal(ScoreStore(tmp_path, PLAN, 10, 4).scores(), SCORES)
    assert len(list((tmp_path / "scores").glob("*.npy"))) == 3


def test_scores_of_another_grid_are_not_mixed_in(tmp_path: Path) -> None:
    ScoreStore(tmp_path, PLAN, 10, 4)
    with pytest.raises(RunError, match="has scores of another stride; set another hydra.run.dir"):
        ScoreStore(tmp_path, {**PLAN, "stride": 16}, 10, 4)


def test_scores_of_slow_batches_are_stored_before_a_part_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pcam.slides.score_store.PART_SECONDS", 0.0)
    store = ScoreStore(tmp_path, PLAN, 10, 4096)
    store.fill(batches(SCORES[:6]))
    assert store.done == 6
    again = ScoreStore(tmp_path, PLAN, 10, 4096)
    again.fill(batches(SCORES[6:]))
    np.testing.assert_array_equal(again.scores(), SCORES)


def test_scores_without_what_they_depend_on_are_refused(tmp_path: Path) -> None:
    store = ScoreStore(tmp_path, PLAN, 10, 4)
    store.fill(batches(SCORES))
    (tmp_path / "scores" / "plan.json").unlink()
    with pytest.raises(RunError, match="has scores without plan.json; remove it"):
        ScoreStore(tmp_path, PLAN, 10, 4)


@pytest.mark.parametrize("content", [b"", b"no array", "nan", "object", "many"])
def test_a_damaged_part_is_one_line(content: bytes | str, tmp_path: Path) -> None:
    ScoreStore(tmp_path, PLAN, 10, 4)
    path = tmp_path / "scores" / "000000.npy"
    arrays = {"nan": np.full(4, np.nan), "object": np.array([{}]), "many": np.zeros(11)}
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, arrays[content], allow_pickle=True)
    with pytest.raises(RunError, match="is damaged|more scores than"):
        ScoreStore(tmp_path, PLAN, 10, 4)
