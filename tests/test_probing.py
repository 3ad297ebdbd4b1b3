"""The door of positional bias, on networks whose dependence on place is known by hand."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from pcam.position.views import View
from pcam.probing import Probe, _moved, _parts, _swapped
from tests.conftest import SMALL, TINY, command
from tests.run import door, train

QUICK = ["patches=24", "map.patches=6", "map.step=16", "resamples=100"]


class Middle(nn.Module):
    """Log-odds by how bright the exact middle of the view is, whatever lies around it; where it lies, alone counts."""

    device = torch.device("cpu")

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        rows, columns = (n // 2 for n in image.shape[-2:])
        return image[:, :, rows - 4 : rows + 4, columns - 4 : columns + 4].float().mean((1, 2, 3)) / 16 - 8


class Anywhere(nn.Module):
    """Log-odds by the brightest pixel, wherever it lies."""

    device = torch.device("cpu")

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image.float().mean(1).amax((1, 2)) / 16 - 8


def asked(model: nn.Module, count: int = 120) -> Probe:
    """Patches of grey noise, half of them with a bright disc in the exact middle."""
    rng = np.random.default_rng(0)
    patches = rng.integers(0, 40, (count, 96, 96, 3), np.uint8)
    labels = (np.arange(count) % 2).astype(np.uint8)
    patches[labels == 1, 40:56, 40:56] = 250
    view = View(96, 96, 64, 16)
    return Probe(model, patches, np.arange(count), labels, None, view, 50, 0)  # type: ignore[arg-type]


def moved(model: nn.Module) -> dict[str, dict[str, dict[str, float]]]:
    probe = asked(model)
    return _moved(probe, probe.view.drawn(probe.indices, 0), {"resamples": 200, "seed": 0})


def test_a_network_that_looks_at_one_place_is_found_and_one_that_looks_anywhere_is_not() -> None:
    fixed, free = moved(Middle()), moved(Anywhere())
    assert fixed["shift"]["beyond"]["auroc"]["high"] < -0.05
    assert fixed["shift"]["to_negative"]["low"] > 0.2
    assert fixed["shift"]["to_positive"]["value"] == 0
    for name in ("turn", "noise"):  # neither moves what lies in the middle
        assert fixed[name]["agreement"]["value"] == 1
    for name in ("turn", "shift", "shift_turn"):
        assert free[name]["agreement"]["value"] == 1
        assert free[name]["beyond"]["auroc"]["low"] <= 0 <= free[name]["beyond"]["auroc"]["high"]


def test_swaps_tell_the_part_that_the_answer_comes_from() -> None:
    probe = asked(Middle())
    rows = {(row["region"], row["given"]): row for row in _swapped(probe, _parts(probe, 32), {"resamples": 200, "seed": 0})}
    assert len(rows) == 8
    for given in ("negative", "positive", "blurred", "filled"):
        assert rows["ring", given]["agreement"]["value"] == 1
    assert rows["centre", "negative"]["logodds"]["positive"]["high"] < -10
    assert rows["centre", "positive"]["logodds"]["negative"]["low"] > 10
    assert abs(rows["centre", "negative"]["logodds"]["negative"]["value"]) < 0.5


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    train(folder, *TINY, *SMALL, "trainer.max_epochs=1", "crop=center", "crop.size=64")
    return folder


def test_what_lies_in_the_folder(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    door(monkeypatch, tmp_path, "bias", f"run={run}", *QUICK, "hydra.run.dir=out")
    said, out = capsys.readouterr().out, tmp_path / "out"
    summary = json.loads((out / "summary.json").read_text())
    assert summary["patches"] == 24
    assert summary["centre_held"] == 1  # a crop of 64 of 96 holds it from everywhere
    assert summary["over"] == "slides"
    assert 0 < summary["law"]["stays"]["value"] < 1
    assert "64x64 of 96x96; moved by rows -16 to +16, columns -16 to +16" in said
    assert "moved: AUROC beyond noise" in said
    for name in ("shift_map", "swaps", "views"):
        assert min(Image.open(out / "figures" / f"{name}.png").size) > 200, name
    with (out / "shift_map.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["row"], row["column"]) for row in rows[:2]] == [("-16", "-16"), ("-16", "0")]
    middle = next(row for row in rows if (row["row"], row["column"]) == ("0", "0"))
    assert float(middle["agreement"]) == 1
    door(monkeypatch, tmp_path, "bias", f"run={run}", *QUICK, "data.batch_size=5", "hydra.run.dir=again")
    other = json.loads((tmp_path / "again" / "summary.json").read_text())
    assert other["views"]["shift"]["agreement"] == summary["views"]["shift"]["agreement"]


def test_a_whole_patch_moves_with_mirrored_edges_and_the_centre_alone_has_no_ring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = [*TINY, *SMALL, "trainer.max_epochs=1"]
    train(tmp_path / "whole", *small)
    train(tmp_path / "centre", *small, "crop=center32")
    train(tmp_path / "ring", *small, "crop=ring")
    door(monkeypatch, tmp_path, "bias", "runs=[whole,centre,ring]", *QUICK, "hydra.run.dir=out")
    said = capsys.readouterr().out
    assert "moved with mirrored edges by rows -16 to +16" in said
    assert "crop=ring: what this network sees of a patch cannot be moved" in said
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    whole, centre, ring = summary["runs"]
    assert len(whole["swaps"]) == 8
    assert centre["swaps"] == []
    assert centre["centre_held"] < 0.2
    assert "views" not in ring
    told = (tmp_path / "out" / "bias.md").read_text()
    assert "all but the centre 32x32" in told
    assert len(summary["compare"]["pairs"]) == 3


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("patches=1", "patches=1; it is a count from 2"),
        ("reach=0", "reach=0"),
        ("map.step=0", "map.step=0"),
        ("split=tests", "did you mean test"),
        ("resamples=10", "at least 100"),
        ("runs=[a]", "not both"),
    ],
)
def test_bad_input_is_one_line(
    word: str, said: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        door(monkeypatch, tmp_path, "bias", f"run={run}", *QUICK, word, "hydra.run.dir=out")
    assert caught.value.code == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ")
    assert said in error
    assert not (tmp_path / "out").exists()


def test_the_study_s_section_as_one_sweep_composes(tmp_path: Path) -> None:
    words = ["experiment=positional_bias", "--cfg", "hydra"]
    answer = command("pcam.train", *words, cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert "crop: none,center,center32,ring" in answer.stdout
