"""Image files."""

from pathlib import Path

import numpy as np

from pcam.data.base import Pixels
from pcam.errors import DataError

SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".tif", ".tiff"))
# Pillow's modes of 8 bits (or 1 bit) per channel
MODES = frozenset(("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "LAB"))


def is_image(path: Path) -> bool:
    """Return whether a file has the suffix of an image."""
    return path.suffix.lower() in SUFFIXES


def read_image(path: Path) -> Pixels:
    """Return an image file as uint8 (H, W, 3).

    Raises:
        DataError: it cannot be read, or has more than 8 bits per channel.
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            if image.mode not in MODES:
                raise ValueError(f"mode {image.mode} does not have 8 bits per channel")
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read as an image ({error}); replace or remove it"
        ) from error
