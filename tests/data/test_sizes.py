"""Pixels of a split that are all of one value."""

import numpy as np
import pytest

from pcam.data.sizes import refuse_constant
from pcam.errors import DataError


class Plain:
    labels = None
    groups = None

    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels = pixels
        self.ids = [str(number) for number in range(len(pixels))]

    def __len__(self) -> int:
        return len(self.pixels)

    def read(self, indices: np.ndarray) -> np.ndarray:
        return self.pixels[indices]


@pytest.mark.parametrize("value", [0, 255])
def test_a_split_of_one_value_is_said(value: int) -> None:
    pixels = np.full((5, 4, 4, 3), value, np.uint8)
    with pytest.raises(DataError, match=f"every pixel of valid is {value}; its file was never"):
        refuse_constant("pcam", {"valid": Plain(pixels)})
    pixels[4, 3, 3, 2] = 7
    refuse_constant("pcam", {"valid": Plain(pixels)})
