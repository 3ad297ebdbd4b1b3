"""Whether a slide's stain is like that of the training slides."""

import json
from pathlib import Path

import numpy as np
import pytest

from pcam.slides.stain import distance_from, spread
from tests.conftest import Terminal
from tests.slides.writing import tissue, write_slide


def test_a_slide_like_the_others_is_near_and_another_is_far() -> None:
    generator = np.random.default_rng(0)
    training = generator.normal(0, 1, (16, 3))
    near = distance_from(training, training.mean(axis=0))
    assert near.value == pytest.approx(0)
    assert (near.percentile, near.is_far) == (0, False)
    far = distance_from(training, np.full(3, 20.0))
    assert (far.percentile, far.is_far) == (100, True)
    assert far.value > 10


def test_choices_are_spread_evenly() -> None:
    assert spread(5, 16).tolist() == [0, 1, 2, 3, 4]
    assert spread(101, 3).tolist() == [0, 50, 100]


@pytest.mark.slow
def test_a_slide_of_another_stain_is_reported(
    run: Path, terminal: Terminal, tmp_path: Path
) -> None:
    pixels = tissue(1, 2)
    write_slide(tmp_path / "usual.tif", pixels)
    dark = (255 * (pixels / 255) ** 3).astype(np.uint8)  # three times the optical density
    write_slide(tmp_path / "other.tif", dark)
    found = {}
    for name in ("usual", "other"):
        answer = terminal("slide", f"run={run}", f"slide={name}.tif", f"hydra.run.dir={name}")
        assert answer.status == 0, answer.err
        summary = json.loads((tmp_path / name / "summary.json").read_text())
        found[name] = summary["stain"]["colour"]["value"]
        warned = " ".join(answer.err.replace("!", " ").split())
        assert ("are farther from the training slides" in warned) == (name == "other")
    assert found["other"] > 2 * found["usual"]
    words = [f"run={run}", "slide=usual.tif", "stain=off", "hydra.run.dir=off"]
    assert terminal("slide", *words).status == 0
    assert json.loads((tmp_path / "off" / "summary.json").read_text())["stain"] is None
