"""What the model card says of a network's robustness."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from pcam.evaluation.decision import DecisionRule
from pcam.evaluation.saved_run import open_run
from pcam.exporting.export import open_valid
from pcam.exporting.robustness import changed_patches, measure_robustness
from tests.conftest import Terminal


def test_patches_are_turned_shifted_and_stained_otherwise() -> None:
    patches = np.random.default_rng(0).integers(0, 255, (8, 24, 24, 3), np.uint8)
    changed = dict(changed_patches(patches))
    turned, shifted = changed["turned or mirrored"], changed["shifted by 2 pixels, edges mirrored"]
    for before, after in zip(patches, turned, strict=True):
        assert not np.array_equal(before, after)
        np.testing.assert_array_equal(np.sort(before.ravel()), np.sort(after.ravel()))
    np.testing.assert_array_equal(shifted[0, :, :22], patches[0, :, 2:])  # to the left
    np.testing.assert_array_equal(shifted[1, :22], patches[1, 2:])
    np.testing.assert_array_equal(shifted[2, :, 2:], patches[2, :, :22])
    grey = np.full((1, 24, 24, 3), 150, np.uint8)
    stained = dict(changed_patches(grey))
    more, less = stained["20% more haematoxylin"], stained["20% less haematoxylin"]
    assert (more < grey).all()  # more of a stain lets less light through
    assert (less > grey).all()


def test_patches_that_are_no_squares_keep_their_shape() -> None:
    patches = np.zeros((3, 12, 24, 3), np.uint8)
    for name, changed in changed_patches(patches):
        assert changed.shape == patches.shape, name


class Brightness(torch.nn.Module):
    """Log-odds from the brightness of a patch alone, which no symmetry changes."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = torch.nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        return 50 * (images.double().mean((1, 2, 3)) / 255 - 0.6)


def test_a_network_that_sees_brightness_alone(
    exported_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = open_run(exported_run)
    monkeypatch.setattr(run.model, "network", Brightness())
    valid = open_valid(run)
    labels = valid.labels
    assert labels is not None
    rows = measure_robustness(run, valid, DecisionRule.fixed(0.5), 64)
    found = {row.change: row for row in rows}
    turned, averaged = found["turned or mirrored"], found["mean of 8 symmetries (tta)"]
    for row in (turned, averaged):
        assert row.called_otherwise["value"] == 0
        assert row.auroc["value"] == pytest.approx(0, abs=1e-12)
    assert found["20% more eosin"].called_otherwise["value"] > 0


def test_at_a_threshold_of_0_nothing_is_called_otherwise(exported_run: Path) -> None:
    run = open_run(exported_run)
    for row in measure_robustness(run, open_valid(run), DecisionRule.fixed(0), 16):
        assert row.called_otherwise["value"] == 0
        assert np.isfinite(row.auroc["value"])


def test_the_card_says_how_robust_the_network_is(
    exported_run: Path, terminal: Terminal, tmp_path: Path
) -> None:
    words = ["to=safetensors", "robustness=20", "hydra.run.dir=out"]
    answer = terminal("export", f"run={exported_run}", *words)
    assert (answer.status, answer.err) == (0, "")
    rows = json.loads((tmp_path / "out" / "summary.json").read_text())["robustness"]
    card = (tmp_path / "out" / "README.md").read_text()
    for row in rows:
        share = row["called_otherwise"]
        (line,) = [line for line in card.splitlines() if line.startswith(f"| {row['change']} ")]
        assert f"{share['value']:.4f} [" in line
        assert f"{row['auroc']['value']:+.4f}" in line
    assert "robustness  at most" in answer.out


def test_without_a_measure_the_card_says_so(
    exported_run: Path, terminal: Terminal, tmp_path: Path
) -> None:
    words = ["to=safetensors", "robustness=0", "hydra.run.dir=out"]
    answer = terminal("export", f"run={exported_run}", *words)
    assert (answer.status, answer.err) == (0, "")
    assert "It was not measured" in (tmp_path / "out" / "README.md").read_text()
    assert "robustness" not in answer.out
