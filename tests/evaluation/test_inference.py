"""A run opened again: the same patches get the same probabilities, and Kaggle gets what it asks for."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from pcam.data.sources.kaggle import submission
from pcam.data.sources.synthetic.source import SyntheticSource
from pcam.errors import ConfigError, DataError, RunError
from pcam.evaluation.inference import (
    READING,
    TTA,
    open_run,
    open_split,
    predict_probabilities,
    resolve_data,
)
from pcam.data.symmetries import rotate
from pcam.runs.folder import read_config
from tests.conftest import SMALL, TINY, write_folder, write_kaggle
from tests.run import run_command, train

NOTHING = {"root": None, "batch_size": None, "num_workers": None, "limit": None, "duplicates": None}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    train(folder, *TINY, *SMALL, "trainer.max_epochs=1", "crop=center", "crop.size=64")
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_scored_again_says_what_it_said(run: Path) -> None:
    config, model = open_run(run)
    assert not model.training
    for data in ({"batch_size": 16, "num_workers": 0}, {"batch_size": 7, "num_workers": 2}):
        for split in ("valid", "test"):
            settings, splits = resolve_data(config, {"data": NOTHING, "splits": {"name": "auto"}})
            source = open_split(settings, splits, config["seed"], split)
            again = predict_probabilities(model, source, config, data, split)
            told = rows(run / "predictions" / f"{split}.csv")
            assert [row["id"] for row in told] == list(source.ids)
            assert [row["slide"] for row in told] == list(source.groups)
            np.testing.assert_allclose(
                again, [float(row["probability"]) for row in told], atol=1e-6
            )


def test_averaging_over_the_symmetries_gives_all_of_them_the_same(run: Path) -> None:
    model = open_run(run)[1]
    patches = torch.from_numpy(SyntheticSource("train", 4).read(np.arange(4))).permute(0, 3, 1, 2)

    def probability(images: torch.Tensor, tta: str) -> torch.Tensor:
        with torch.inference_mode():
            return torch.stack(
                [torch.sigmoid(model(rotate(images, symmetry))) for symmetry in TTA[tta]]
            ).mean(0)

    views = [
        torch.rot90(flipped, turns, (2, 3))
        for flipped in (patches, patches.flip(3))
        for turns in range(4)
    ]
    alone = torch.stack([probability(images, "none") for images in views])
    assert np.ptp(alone.numpy(), axis=0).min() > 1e-4  # the network itself tells them apart
    assert (
        np.ptp(torch.stack([probability(images, "d4") for images in views]).numpy(), axis=0).max()
        < 1e-5
    )
    config = read_config(run)
    source = SyntheticSource("train", 4)
    scored = predict_probabilities(
        model,
        source,
        {**config, "crop": {**config["crop"], "test": "none"}},
        config["data"],
        "test",
        "d4",
    )
    np.testing.assert_allclose(scored, probability(patches, "d4").numpy(), atol=1e-6)
    flips = [patches, patches.flip(2), patches.flip(3), patches.flip(2, 3)]
    assert (
        np.ptp(
            torch.stack([probability(images, "flips") for images in flips]).numpy(), axis=0
        ).max()
        < 1e-5
    )


def test_the_data_is_the_run_s_own_or_what_was_asked_for(run: Path) -> None:
    config = read_config(run)
    own, splits = resolve_data(
        config, {"data": {**NOTHING, "limit": 5}, "splits": {"name": "auto"}}
    )
    assert own == {**config["data"], "limit": 5}
    assert splits == config["splits"]
    asked = {
        "data": {**NOTHING, "name": "folder", "root": "/x", "positive": None},
        "splits": {"name": "official"},
    }
    other, splits = resolve_data(config, asked)
    assert other == {"name": "folder", "root": "/x", "positive": None, **READING}
    assert splits == {"name": "official"}


def test_what_cannot_be_scored_says_why(run: Path, tmp_path: Path) -> None:
    config, model = open_run(run)
    source = SyntheticSource("test", 4)
    with pytest.raises(ConfigError, match="tta=d8 is not known; there is d4, flips, none"):
        predict_probabilities(model, source, config, config["data"], "test", "d8")
    with pytest.raises(
        ConfigError,
        match="split=predict: only data=kaggle has unlabelled patches, not data=synthetic",
    ):
        open_split(config["data"], config["splits"], 0, "predict")
    with pytest.raises(DataError, match="data=synthetic has no split 'tests'; did you mean test"):
        open_split(config["data"], config["splits"], 0, "tests")
    shutil.copytree(run, tmp_path / "cut")
    shutil.rmtree(tmp_path / "cut" / "checkpoints")
    with pytest.raises(RunError, match="has no checkpoint: its training was cut off"):
        open_run(tmp_path / "cut")
    (tmp_path / "cut" / "checkpoints").mkdir()
    (tmp_path / "cut" / "checkpoints" / "best.ckpt").write_bytes(b"no checkpoint")
    with pytest.raises(RunError, match=r"best\.ckpt cannot be read safely as a checkpoint"):
        open_run(tmp_path / "cut")


def test_predictions_for_kaggle_and_their_submission(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, source = write_kaggle(tmp_path / "kaggle", 12, 8)
    wanted = [row["id"] for row in rows(root / "sample_submission.csv")]
    words = [f"run={run}", "data=kaggle", f"data.root={root}", "hydra.run.dir=out"]
    run_command(monkeypatch, tmp_path, "predict", *words)
    assert "predict  kaggle: 8 patches, slides unknown" in capsys.readouterr().out
    told = {
        row["id"]: row["probability"]
        for row in rows(tmp_path / "out" / "predictions" / "predict.csv")
    }
    submitted = rows(tmp_path / "out" / "submission.csv")
    assert [row["id"] for row in submitted] == wanted
    assert all(told[row["id"]] == row["label"] for row in submitted)
    model = open_run(run)[1]
    place = np.arange(12, 20)
    images = torch.from_numpy(source.read(place)[:, 16:80, 16:80]).permute(0, 3, 1, 2)
    with torch.inference_mode():
        known = torch.sigmoid(model(images)).numpy()
    np.testing.assert_allclose([float(told[name]) for name in wanted], known, atol=1e-6)
    (tmp_path / "solution.csv").write_text(
        "id,label\n"
        + "".join(f"{name},{source.labels[i]}\n" for name, i in zip(wanted, place, strict=True))
    )
    run_command(monkeypatch, tmp_path, "predict", *words, "submit=class", "labels=solution.csv")
    out = capsys.readouterr().out
    assert "the board's AUROC of 0 and 1 is balanced accuracy" in out
    assert "AUROC" in out
    assert {row["label"] for row in rows(tmp_path / "out" / "submission.csv")} <= {"0", "1"}


def test_own_patches_need_neither_labels_nor_a_train_folder(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_folder(tmp_path / "labelled", 6, ("test",))
    run_command(
        monkeypatch,
        tmp_path,
        "predict",
        f"run={run}",
        "data=folder",
        f"data.root={root}",
        "hydra.run.dir=a",
    )
    assert "AUROC" in capsys.readouterr().out
    bare = tmp_path / "bare" / "test"
    bare.mkdir(parents=True)
    for path in root.glob("test/*/*.png"):
        shutil.copy(path, bare)
    run_command(
        monkeypatch,
        tmp_path,
        "predict",
        f"run={run}",
        "data=folder",
        f"data.root={bare.parent}",
        "hydra.run.dir=b",
    )
    labelled = {
        row["id"].rpartition("/")[2]: row["probability"]
        for row in rows(tmp_path / "a" / "predictions" / "test.csv")
    }
    plain = {
        row["id"].rpartition("/")[2]: row["probability"]
        for row in rows(tmp_path / "b" / "predictions" / "test.csv")
    }
    assert set(plain) == set(labelled)
    for name, value in plain.items():
        assert float(value) == pytest.approx(float(labelled[name]), abs=1e-6)
    with pytest.raises(SystemExit):
        run_command(
            monkeypatch,
            tmp_path,
            "evaluate",
            f"run={run}",
            "data=folder",
            f"data.root={bare.parent}",
            "hydra.run.dir=c",
        )
    assert "these patches have no labels to measure by" in capsys.readouterr().err


def test_a_submission_that_does_not_fit_the_sample_says_why(tmp_path: Path) -> None:
    half = np.full(3, 0.5)
    with pytest.raises(DataError, match=r"sample_submission\.csv is missing"):
        submission(tmp_path, list("abc"), half, "probability")
    for listed, said in (
        ("abcd", "lacks 1 ids of .* first d"),
        ("ab", "has too 1 ids of .* first c"),
        ("abcc", "1 ids more than"),
    ):
        (tmp_path / "sample_submission.csv").write_text(
            "id,label\n" + "".join(f"{name},0\n" for name in listed)
        )
        with pytest.raises(DataError, match=said):
            submission(tmp_path, list("abc"), half, "probability")
    with pytest.raises(
        ConfigError, match="submit=labels is not known; there is probability, class"
    ):
        submission(tmp_path, list("abc"), half, "labels")
