"""The command of positional bias."""

import csv
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from tests.conftest import SMALL, TINY, Terminal, write_folder
from tests.run import composed_values, run_command, train

QUICK = ["patches=24", "map.patches=6", "map.step=16", "resamples=100"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the centre 64x64."""
    folder = tmp_path_factory.mktemp("run")
    train(folder, *TINY, *SMALL, "trainer.max_epochs=1", "crop=center", "crop.size=64")
    return folder


def copy_with(run: Path, folder: Path, sections: Mapping[str, Mapping[str, object]]) -> Path:
    """Copy a run and change sections of its config, as if it had been trained with them."""
    shutil.copytree(run, folder)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    for name, values in sections.items():
        config[name].update(values)
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    return folder


@pytest.mark.slow
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
    assert f"24 of 40 patches, {summary['positive']} positive (tumour)" in printed
    assert abs(float(answers[0]["row"])) <= 16
    assert summary["centre_visible"] == 1  # a crop of 64 of 96 contains it at any offset
    assert summary["over"] == "slides"
    assert 0 < summary["labelling_rule"]["unchanged"]["value"] < 1
    assert summary["labelling_rule"]["centre_only"]["value"] < 0  # unshifted, it is always right
    assert "64x64 of 96x96; shifted by rows -16 to +16, columns -16 to +16" in printed
    assert "shifted and rotated: AUROC beyond noise" in printed
    assert len(printed.splitlines()) <= 40
    with (out / "views.csv").open(newline="") as file:
        views = {(row["view"], row["figure"]): row for row in csv.DictReader(file)}
    shift = views["shift", "beyond.auroc"]
    assert float(shift["p"]) == summary["views"]["shift"]["beyond"]["auroc"]["p"]
    assert float(shift["low"]) == summary["views"]["shift"]["beyond"]["auroc"]["low"]
    with (out / "swaps.csv").open(newline="") as file:
        swapped = list(csv.DictReader(file))
    contrasts = [row for row in swapped if row["given"] == "contrast"]
    assert {row["figure"] for row in contrasts} == {"logodds.positive", "logodds.negative"}
    assert len(swapped) > len(contrasts) == 4
    for name in ("shift_map", "swaps", "views"):
        assert min(Image.open(out / "figures" / f"{name}.png").size) > 200, name
    with (out / "shift_map.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["row"], row["column"]) for row in rows[:2]] == [("-16", "-16"), ("-16", "0")]
    middle = next(row for row in rows if (row["row"], row["column"]) == ("0", "0"))
    assert float(middle["agreement"]) == 1


@pytest.mark.slow
def test_the_whole_is_one_key_away(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [f"run={run}", *QUICK, "detail=full", "hydra.run.dir=out"]
    run_command(monkeypatch, tmp_path, "bias", *words)
    printed = capsys.readouterr().out
    for cell in ("now positive", "positives' probability, change", "ring blurred"):
        assert cell in printed
    full, quick = (composed_values("run=x", *of, command="bias") for of in (["detail=full"], []))
    assert full["map"]["patches"] > quick["map"]["patches"]


@pytest.mark.slow
def test_the_batch_size_changes_no_prediction(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agreement = []
    for name, size in (("one", 16), ("other", 5)):
        words = ["map.patches=0", f"data.batch_size={size}", f"hydra.run.dir={name}"]
        run_command(monkeypatch, tmp_path, "bias", f"run={run}", *QUICK, *words)
        summary = json.loads((tmp_path / name / "summary.json").read_text())
        agreement.append(summary["views"]["shift"]["agreement"])
        assert not (tmp_path / name / "shift_map.csv").exists()
    assert agreement[0] == agreement[1]


@pytest.mark.slow
def test_runs_with_each_crop_are_compared(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, crop in enumerate(("none", "center32", "ring", "random")):
        section = composed_values(f"crop={crop}")["crop"]
        if crop == "random":
            section["size"] = 32
        copy_with(run, tmp_path / "all" / str(number), {"crop": section})
    # Hydra writes such a file to a sweep's folder
    (tmp_path / "all" / "multirun.yaml").write_text("hydra: {}")
    run_command(monkeypatch, tmp_path, "bias", "runs=[all/*]", *QUICK, "hydra.run.dir=out")
    printed = capsys.readouterr().out
    text = (tmp_path / "out" / "bias.md").read_text()
    assert text.strip() in printed
    assert "shifted with mirrored edges by rows -16 to +16" in printed
    assert "all but the centre 32x32; it cannot be shifted" in printed
    assert "all but the centre 32x32" in text
    assert "centre 32x32 (trained on random crops)" in text
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    whole, centre, ring, anywhere = summary["runs"]
    assert whole["moved"] == {"low": [-16, -16], "high": [16, 16], "mirrored": True}
    assert len(whole["swaps"]) == 8 + 2
    assert centre["swaps"] == []
    assert centre["centre_visible"] < 0.2
    assert "views" not in ring
    assert len(summary["compare"]["pairs"]) == 6
    assert summary["compare"]["patches"] == whole["patches"] == 24  # the same for all runs
    compared = list(summary["compare"]["runs"].values())
    assert [one["auroc"] for one in summary["runs"]] == [one["auroc"] for one in compared]
    changes = [one["views"]["shift"]["auroc"]["value"] for one in (centre, anywhere)]
    assert centre["beyond_random"]["value"] == pytest.approx(changes[0] - changes[1])
    assert "beyond_random" not in anywhere


def test_a_view_that_cannot_be_shifted_is_an_error_of_a_single_run(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copy_with(run, tmp_path / "ring", {"crop": composed_values("crop=ring")["crop"]})
    with pytest.raises(SystemExit):
        run_command(monkeypatch, tmp_path, "bias", "run=ring", *QUICK, "hydra.run.dir=out")
    assert "crop=ring: this network's view of a patch cannot be shifted" in capsys.readouterr().err


@pytest.mark.slow
def test_runs_on_other_patches_are_not_compared(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copy_with(run, tmp_path / "other", {"data": {"test": 41}})
    words = [f"runs=[{run},other]", *QUICK, "hydra.run.dir=out"]
    with pytest.raises(SystemExit):
        run_command(monkeypatch, tmp_path, "bias", *words)
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "other has other patches than" in error
    assert "data=" in error


def write_oblong_patches(root: Path) -> None:
    rng = np.random.default_rng(0)
    for split in ("train", "valid", "test"):
        for label in "ab":
            folder = root / split / label
            folder.mkdir(parents=True)
            for number in range(8):
                pixels = rng.integers(0, 256, (48, 64, 3), np.uint8)
                Image.fromarray(pixels).save(folder / f"{split}{label}{number}.png")


@pytest.mark.slow
def test_a_square_as_high_as_an_oblong_patch_is_still_shifted(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_oblong_patches(tmp_path / "data")
    copy_with(run, tmp_path / "run", {"crop": {"size": 48}})
    data = ["data=folder", f"data.root={tmp_path / 'data'}", "data.positive=b"]
    words = ["patches=12", "map.patches=4", "map.step=8", "resamples=100", "centre=16"]
    run_command(monkeypatch, tmp_path, "bias", "run=run", *data, *words, "hydra.run.dir=out")
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
        ("resamples=10", "resamples=10"),
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


@pytest.mark.parametrize(
    ("kept", "advice"), [(1, "set a larger patches="), (0, "set another split=, or data=NAME")]
)
def test_patches_of_one_class_are_refused_with_what_helps(
    kept: int, advice: str, run: Path, tmp_path: Path, terminal: Terminal
) -> None:
    root = write_folder(tmp_path / "data", size=24)
    positive = sorted((root / "test" / "tumour").iterdir())
    for path in positive[kept:]:
        path.unlink()
    words = ["data=folder", f"data.root={root}", "data.positive=tumour", "patches=2"]
    (line,) = terminal("bias", f"run={run}", *words, "hydra.run.dir=out").faults
    assert line.endswith(advice) or advice in line


def test_the_study_s_section_composes_as_a_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_command(monkeypatch, tmp_path, "train", "experiment=positional_bias", "--cfg", "hydra")
    assert "crop: none,center,random,center32,ring" in capsys.readouterr().out
