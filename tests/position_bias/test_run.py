"""The command of positional bias."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import SMALL, TINY
from tests.run import run_command, train

QUICK = ["patches=24", "map.patches=6", "map.step=16", "resamples=100"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    train(folder, *TINY, *SMALL, "trainer.max_epochs=1", "crop=center", "crop.size=64")
    return folder


def test_one_run(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_command(monkeypatch, tmp_path, "bias", f"run={run}", *QUICK, "hydra.run.dir=out")
    printed, out = capsys.readouterr().out, tmp_path / "out"
    summary = json.loads((out / "summary.json").read_text())
    assert summary["patches"] == 24
    with (out / "answers.csv").open(newline="") as file:
        answers = list(csv.DictReader(file))
    assert [row["label"] for row in answers].count("1") == summary["positive"]
    assert f"24 of 40 patches, {summary['positive']} positive" in printed
    assert abs(float(answers[0]["row"])) <= 16
    assert summary["centre_visible"] == 1  # a crop of 64 of 96 contains it at any offset
    assert summary["over"] == "slides"
    assert 0 < summary["labelling_rule"]["unchanged"]["value"] < 1
    assert summary["labelling_rule"]["centre_only"]["value"] < 0  # unshifted, it is always right
    assert "64x64 of 96x96; shifted by rows -16 to +16, columns -16 to +16" in printed
    assert "shifted and rotated: AUROC beyond noise" in printed
    for name in ("shift_map", "swaps", "views"):
        assert min(Image.open(out / "figures" / f"{name}.png").size) > 200, name
    with (out / "shift_map.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["row"], row["column"]) for row in rows[:2]] == [("-16", "-16"), ("-16", "0")]
    middle = next(row for row in rows if (row["row"], row["column"]) == ("0", "0"))
    assert float(middle["agreement"]) == 1
    run_command(
        monkeypatch,
        tmp_path,
        "bias",
        f"run={run}",
        *QUICK,
        "data.batch_size=5",
        "hydra.run.dir=again",
    )
    other = json.loads((tmp_path / "again" / "summary.json").read_text())
    assert other["views"]["shift"]["agreement"] == summary["views"]["shift"]["agreement"]


def test_runs_with_each_crop_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = [*TINY, *SMALL, "trainer.max_epochs=1"]
    train(tmp_path / "all" / "0", *small)
    train(tmp_path / "all" / "1", *small, "crop=center32")
    train(tmp_path / "all" / "2", *small, "crop=ring")
    train(tmp_path / "all" / "3", *small, "crop=random", "crop.size=32")
    (tmp_path / "all" / "multirun.yaml").write_text(
        "hydra: {}"
    )  # Hydra leaves one in a sweep's folder
    run_command(monkeypatch, tmp_path, "bias", "runs=[all/*]", *QUICK, "hydra.run.dir=out")
    printed = capsys.readouterr().out
    assert "shifted with mirrored edges by rows -16 to +16" in printed
    assert "all but the centre 32x32; it cannot be shifted" in printed
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    whole, centre, ring, anywhere = summary["runs"]
    assert len(whole["swaps"]) == 8 + 2
    assert centre["swaps"] == []
    assert centre["centre_visible"] < 0.2
    assert "views" not in ring
    text = (tmp_path / "out" / "bias.md").read_text()
    assert "all but the centre 32x32" in text
    assert "centre 32x32 (trained on random crops)" in text
    assert len(summary["compare"]["pairs"]) == 6
    assert (
        summary["compare"]["patches"] == whole["patches"] == 24
    )  # the same patches in every column
    values = list(summary["compare"]["runs"].values())
    assert [one["auroc"] for one in summary["runs"]] == [one["auroc"] for one in values]
    gone = centre["views"]["shift"]["auroc"]["value"] - anywhere["views"]["shift"]["auroc"]["value"]
    assert centre["beyond_random"]["value"] == pytest.approx(gone)
    assert "beyond_random" not in anywhere


def test_runs_on_other_patches_are_not_compared(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train(tmp_path / "other", *TINY, *SMALL, "data.test=41", "trainer.max_epochs=1")
    with pytest.raises(SystemExit):
        run_command(
            monkeypatch, tmp_path, "bias", f"runs=[{run},other]", *QUICK, "hydra.run.dir=out"
        )
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "other has other patches than" in error
    assert "data=" in error


def test_a_square_as_high_as_an_oblong_patch_is_still_shifted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    for split, label, number in [
        (s, k, i) for s in ("train", "valid", "test") for k in "ab" for i in range(8)
    ]:
        place = tmp_path / "data" / split / label
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (48, 64, 3), np.uint8)).save(
            place / f"{split}{label}{number}.png"
        )
    words = [
        "data=folder",
        f"data.root={tmp_path / 'data'}",
        "data.positive=b",
        "data.batch_size=4",
        "trainer.progress=false",
    ]
    train(tmp_path / "run", *TINY, *words, "trainer.max_epochs=1", "crop=center", "crop.size=48")
    few = [
        "patches=12",
        "map.patches=4",
        "map.step=8",
        "resamples=100",
        "centre=16",
        "hydra.run.dir=out",
    ]
    run_command(monkeypatch, tmp_path, "bias", "run=run", *few)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["moved"] == {"low": [0, -8], "high": [0, 8], "mirrored": False}


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("patches=1", "patches=1"),
        ("centre=96", "the side of the patches, 96 pixels"),
        ("reach=0", "reach=0"),
        ("map.step=0", "map.step=0"),
        ("split=tests", "did you mean test"),
        ("resamples=10", "at least 100"),
        ("runs=[a]", "not both"),
    ],
)
def test_bad_input_is_one_line(
    word: str,
    message: str,
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as caught:
        run_command(monkeypatch, tmp_path, "bias", f"run={run}", *QUICK, word, "hydra.run.dir=out")
    assert caught.value.code == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ")
    assert message in error
    assert not (tmp_path / "out").exists()


def test_the_study_s_section_composes_as_a_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_command(monkeypatch, tmp_path, "train", "experiment=positional_bias", "--cfg", "hydra")
    assert "crop: none,center,random,center32,ring" in capsys.readouterr().out
