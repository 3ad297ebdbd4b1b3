"""``pcam.predict`` on a small run: Kaggle's submission, and a user's own patches."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest

from pcam.data.sources.kaggle import submission_rows
from pcam.errors import DataError
from pcam.evaluation.inference import predict_logits
from pcam.evaluation.saved_run import open_run
from tests.conftest import write_folder, write_kaggle
from tests.run import run_command


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_kaggle_gets_its_submission(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, source = write_kaggle(tmp_path / "kaggle", 12, 8)
    wanted = [row["id"] for row in read_rows(root / "sample_submission.csv")]
    words = [f"run={run}", "data=kaggle", f"data.root={root}", "hydra.run.dir=out"]
    run_command(monkeypatch, tmp_path, "predict", *words)
    assert "predict  kaggle: 8 patches, slides unknown" in capsys.readouterr().out
    predictions = read_rows(tmp_path / "out" / "predictions" / "predict.csv")
    probability = {row["id"]: row["probability"] for row in predictions}
    submitted = read_rows(tmp_path / "out" / "submission.csv")
    assert [row["id"] for row in submitted] == wanted
    assert [row["label"] for row in submitted] == [probability[name] for name in wanted]

    # Each id has the probability of its own patch, cropped as in training.
    patches = source.read(np.arange(12, 20))[:, 16:80, 16:80]
    logits = predict_logits(open_run(run).model, patches, batch_size=8)
    found = [float(probability[name]) for name in wanted]
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-logits)), atol=1e-6)

    # With labels, and hard labels in the submission.
    labels = ["id,label", *(f"{name},{source.labels[12 + i]}" for i, name in enumerate(wanted))]
    (tmp_path / "solution.csv").write_text("\n".join(labels) + "\n")
    run_command(monkeypatch, tmp_path, "predict", *words, "submit=class", "labels=solution.csv")
    printed = capsys.readouterr()
    assert "AUROC" in printed.out
    assert "the leaderboard's AUROC of 0 and 1 is balanced accuracy" in printed.err
    submitted = read_rows(tmp_path / "out" / "submission.csv")
    assert {row["label"] for row in submitted} <= {"0", "1"}


def test_labels_must_cover_every_patch(
    run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "labels.csv").write_text("id,label\nother,1\n")
    with pytest.raises(SystemExit):
        run_command(
            monkeypatch, tmp_path, "predict", f"run={run}", "labels=labels.csv", "hydra.run.dir=out"
        )
    assert "labels.csv lacks 40 of 40 patches, first test-" in capfd.readouterr().err


def test_own_patches_need_neither_labels_nor_a_train_folder(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_folder(tmp_path / "labelled", 6, ("test",))
    words = (f"run={run}", "data=folder")
    run_command(
        monkeypatch, tmp_path, "predict", *words, f"data.root={root}", "hydra.run.dir=labelled-out"
    )
    assert "AUROC" in capsys.readouterr().out
    bare = tmp_path / "bare" / "test"
    bare.mkdir(parents=True)
    for path in root.glob("test/*/*.png"):
        shutil.copy(path, bare)
    words = (*words, f"data.root={bare.parent}")
    run_command(monkeypatch, tmp_path, "predict", *words, "hydra.run.dir=bare-out")
    probability = {}
    for name in ("labelled", "bare"):
        rows = read_rows(tmp_path / f"{name}-out" / "predictions" / "test.csv")
        probability[name] = {
            row["id"].rpartition("/")[2]: float(row["probability"]) for row in rows
        }
    assert probability["bare"] == pytest.approx(probability["labelled"], abs=1e-6)
    with pytest.raises(SystemExit):
        run_command(monkeypatch, tmp_path, "evaluate", *words, "hydra.run.dir=evaluated")
    assert "these patches have no labels" in capsys.readouterr().err


def test_a_submission_that_does_not_fit_the_sample_is_an_error(tmp_path: Path) -> None:
    probability = np.full(3, 0.5)
    with pytest.raises(DataError, match=r"sample_submission\.csv is missing"):
        submission_rows(tmp_path, list("abc"), probability, "probability")
    for listed, message in (
        ("abcd", "lacks 1 ids of .* first d"),
        ("ab", "has 1 ids that are not in .* first c"),
        ("abcc", "1 ids more than once"),
    ):
        rows = "".join(f"{name},0\n" for name in listed)
        (tmp_path / "sample_submission.csv").write_text(f"id,label\n{rows}")
        with pytest.raises(DataError, match=message):
            submission_rows(tmp_path, list("abc"), probability, "probability")
