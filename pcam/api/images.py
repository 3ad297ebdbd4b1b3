"""Images from a notebook: arrays, PIL images and files become one array of patches."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pcam.data.base import Indices, Pixels
from pcam.data.storage.images import read_image, to_rgb
from pcam.errors import DataError

OneImage = NDArray[np.uint8] | Image.Image | str | Path
Images = OneImage | Sequence[OneImage]

EXPECTED = "images are uint8 arrays (N, H, W, 3) or (H, W, 3), PIL images, or paths, one or a list"


class ArraySource:
    """An array of images as a patch source without labels."""

    labels = None
    groups = None

    def __init__(self, images: NDArray[np.uint8]) -> None:
        self._images = images
        self.ids = [str(i) for i in range(len(images))]

    def __len__(self) -> int:
        return len(self._images)

    def read(self, indices: Indices) -> Pixels:
        """Return images, uint8 (n, H, W, 3)."""
        return self._images[indices]


def to_patches(images: Images) -> NDArray[np.uint8]:
    """Return images as one array.

    Args:
        images: a uint8 array (N, H, W, 3); or one image or a list of images of one size, each a
            uint8 array (H, W, 3), a PIL image with 8 bits per channel, or the path of a file.

    Returns:
        uint8 (N, H, W, 3), contiguous.

    Raises:
        DataError: another type, dtype or shape, images of different sizes, or no image.
    """
    if isinstance(images, np.ndarray) and images.ndim == 4:
        _validate_array(images, "images")
        patches = images
    elif isinstance(images, list | tuple):
        patches = _stack(images)
    else:
        patches = _to_array(images, "images")[None]
    if len(patches) == 0:
        raise DataError(f"there are no images; {EXPECTED}")
    return np.ascontiguousarray(patches)


def _stack(images: Sequence[OneImage]) -> NDArray[np.uint8]:
    """Return a list of images of one size as one array."""
    arrays: list[NDArray[np.uint8]] = []
    for position, image in enumerate(images):
        array = _to_array(image, f"images[{position}]")
        if arrays and array.shape != arrays[0].shape:
            raise DataError(
                f"images[{position}] is {_format_size(array)} pixels, images[0] is "
                f"{_format_size(arrays[0])}; all images must have one size"
            )
        arrays.append(array)
    if not arrays:
        raise DataError(f"the list of images is empty; {EXPECTED}")
    return np.stack(arrays)


def _to_array(image: object, name: str) -> NDArray[np.uint8]:
    """Return one image as uint8 (H, W, 3)."""
    if isinstance(image, str | Path):
        return read_image(Path(image))
    if isinstance(image, Image.Image):
        return _convert_image(image, name)
    if not isinstance(image, np.ndarray):
        raise DataError(f"{name} is of type {type(image).__name__}; {EXPECTED}")
    _validate_array(image, name)
    if image.ndim != 3:
        raise DataError(f"{name} has the shape {image.shape}; {EXPECTED}")
    return image


def _convert_image(image: Image.Image, name: str) -> NDArray[np.uint8]:
    try:
        return to_rgb(image)
    except ValueError as error:
        raise DataError(f"{name}: {error}") from error


def _validate_array(array: NDArray[np.generic], name: str) -> None:
    if array.dtype != np.uint8:
        raise DataError(
            f"{name} has the dtype {array.dtype}, not uint8; pass the pixels from 0 to 255 without "
            "scaling, the network scales and normalises them itself"
        )
    if array.ndim < 3 or array.shape[-1] != 3:
        raise DataError(f"{name} has the shape {array.shape}; {EXPECTED}")


def _format_size(array: NDArray[np.uint8]) -> str:
    height, width = array.shape[:2]
    return f"{width}x{height}"
