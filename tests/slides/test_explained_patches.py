"""Maps of a slide's highest patches."""

from pathlib import Path

import numpy as np
from PIL import Image

from pcam.slides.explained_patches import highest_apart
from tests.conftest import Terminal
from tests.slides.writing import tissue, write_slide


def test_the_highest_patches_do_not_overlap() -> None:
    corners = np.array([[0, 0], [0, 32], [0, 96], [96, 0], [200, 200]])
    score = np.array([3.0, 5.0, 4.0, 1.0, 2.0])
    assert highest_apart(score, corners, 96, 3).tolist() == [1, 4, 3]
    assert highest_apart(score, corners, 96, 1).tolist() == [1]


def test_maps_are_drawn_in_their_place(run: Path, terminal: Terminal, tmp_path: Path) -> None:
    write_slide(tmp_path / "slide.tif", tissue(1, 2))
    words = [f"run={run}", "slide=slide.tif", "stain=off", "attribute=2", "hydra.run.dir=out"]
    answer = terminal("slide", *words)
    assert answer.status == 0, answer.err
    with Image.open(tmp_path / "out" / "attribution.png") as figure:
        assert figure.width > 1.5 * figure.height
