"""Galleries that cannot be made, and what keeps them small enough to be."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch

from pcam.attribution.maps import Maps, maps_of_values
from pcam.data.base import Pixels
from pcam.errors import DataError
from pcam.evaluation.saved_run import SavedRun
from pcam.galleries.gallery import explain_patches
from pcam.galleries.output import MARK
from tests.conftest import Terminal

EVALUATE = ["resamples=100", "hydra.run.dir=out"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried 2 GiB."), "the GPU has not enough"),
        pytest.param(
            RuntimeError("alloc_cpu.cpp: can't allocate memory: 3 TiB"),
            "this machine has not",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            DataError("patches.h5 has changed"), "patches.h5 has changed", marks=pytest.mark.slow
        ),
    ],
)
def test_a_gallery_that_fails_leaves_the_evaluation(
    error: Exception,
    reason: str,
    run: Path,
    terminal: Terminal,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def failed(*arguments: object) -> None:
        raise error

    pictures = tmp_path / "out" / "gallery"
    pictures.mkdir(parents=True)
    (pictures / "patch-000001.jpg").touch()
    (tmp_path / "out" / "gallery.html").write_text(
        f'<meta name="generator" {MARK}><img src="gallery/patch-000001.jpg">'
    )
    monkeypatch.setattr("pcam.galleries.gallery.explain", failed)
    answer = terminal("evaluate", f"run={run}", "gallery=1", *EVALUATE)
    assert answer.status == 0
    (line,) = answer.err.splitlines()
    assert line.startswith(f"no gallery: {reason}")
    assert line.endswith("; gallery=0")
    assert "balanced accuracy" in answer.out
    assert answer.out.splitlines()[-1] == str(tmp_path / "out")
    assert not (tmp_path / "out" / "gallery.html").exists()
    assert not pictures.exists()


def test_other_faults_of_a_gallery_come_after_the_evaluation_is_shown(
    run: Path,
    terminal: Terminal,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def failed(*arguments: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr("pcam.galleries.gallery.explain", failed)
    with pytest.raises(RuntimeError, match="a fault of ours"):
        terminal("evaluate", f"run={run}", "gallery=1", *EVALUATE)
    assert "balanced accuracy" in capfd.readouterr().out


def test_many_patches_are_explained_in_small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def explained(model: object, images: Pixels, *arguments: object) -> Maps:
        sizes.append(len(images))
        return maps_of_values(torch.from_numpy(images[..., 0].astype(np.float32)))

    monkeypatch.setattr("pcam.galleries.gallery.explain", explained)
    seen = np.broadcast_to(np.arange(40, dtype=np.uint8)[:, None, None, None], (40, 8, 8, 3))
    run = cast(SavedRun, SimpleNamespace(model=None))
    maps, notes = explain_patches(run, seen)
    assert max(sizes) <= 16
    assert notes == []
    for values in maps.values():
        assert [float(one[0, 0]) for one in values] == list(range(40))
