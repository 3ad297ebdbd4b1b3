"""The figure of a slide."""

import pytest

from pcam.slides.heatmap import SHORTEST, round_length, wrap_title


def test_titles_of_long_names_stay_over_their_picture() -> None:
    title = f"{'TCGA-AA-' * 8}: tissue, 3.48 mm²"
    lines = wrap_title(title, SHORTEST).splitlines()
    assert len(lines) > 1
    assert max(map(len, lines)) <= 32
    assert "".join(lines).replace(" ", "") == title.replace(" ", "")
    assert wrap_title("slide: tissue, 3.48 mm²", SHORTEST) == "slide: tissue, 3.48 mm²"


@pytest.mark.parametrize(("longest", "length"), [(0.9, 0.5), (1, 1), (640, 500), (2999, 2000)])
def test_scale_bars_have_round_lengths(longest: float, length: float) -> None:
    assert round_length(longest) == pytest.approx(length)
