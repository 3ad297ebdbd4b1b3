import io
import warnings

import numpy as np
from PIL import Image

from pcam.runs.figures import canvas, png


def picture(title: str) -> np.ndarray:
    figure = canvas(4, 1, 60)
    figure.suptitle(title)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return np.asarray(Image.open(io.BytesIO(png(figure))).convert("L"))


def test_a_title_of_any_alphabet_is_drawn_without_a_warning() -> None:
    assert picture("Läufe_日本 กขค 🙂").min() < 128


def test_dollar_signs_are_no_formula() -> None:
    """As a formula, the first is an error of matplotlib, and the second lacks its signs."""
    assert picture("a$b_{$").min() < 128
    assert (picture("$a$") != picture("a")).any()
