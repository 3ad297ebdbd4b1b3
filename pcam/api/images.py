"""Images from a notebook: arrays, PIL images and files become one array of patches."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pcam.data.base import Indices, Pixels
from pcam.data.storage.images import MAX_SIDE, check_header, check_picture, read_image, to_rgb
from pcam.errors import DataError, describe_error

OneImage = NDArray[np.uint8] | Image.Image | str | Path
Images = OneImage | Sequence[OneImage]

BLACK = 1  # the largest value of floats from 0 to 1 that were cast to uint8
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


def to_patches(images: Images, max_side: int = MAX_SIDE, name: str = "images") -> NDArray[np.uint8]:
    """Return images as one array.

    Args:
        images: a uint8 array (N, H, W, 3); or one image or a list of images of one size, each a
            uint8 array (H, W, 3), a PIL image with 8 bits per channel, or the path of a file.
        max_side: width and height may have in a PIL image or a file, pixels.
        name: of the argument, for messages.

    Returns:
        uint8 (N, H, W, 3), contiguous.

    Raises:
        DataError: another type, dtype or shape, images of different sizes, no image or no pixel, or
            a picture that the rule for files does not cover (docs/data.md).
    """
    if isinstance(images, np.ndarray) and images.ndim == 4:
        _validate_array(images, name)
        patches = images
    elif isinstance(images, list | tuple):
        patches = _stack(images, max_side, name)
    else:
        patches = _to_array(images, max_side, name)[None]
    if patches.size == 0:
        raise DataError(f"{name} has no pixels, its shape is {patches.shape}; {EXPECTED}")
    return np.ascontiguousarray(patches)


def any_file(images: Images) -> bool:
    """Return whether an image is the path of a file."""
    given = images if isinstance(images, list | tuple) else [images]
    return any(isinstance(image, str | Path) for image in given)


def refuse_black(patches: NDArray[np.uint8]) -> None:
    """Make sure that images are not what a cast of floats from 0 to 1 to uint8 leaves.

    Args:
        patches: uint8 (N, H, W, 3), with at least one pixel.

    Raises:
        DataError: no value of any image is above 1.
    """
    largest = int(patches.max())
    if largest <= BLACK:
        raise DataError(
            f"the largest value of images is {largest}, so they are black: floats from 0 to 1 that"
            " were cast to uint8? Pass the pixels from 0 to 255: (255 * images).round()"
        )


def _stack(images: Sequence[OneImage], max_side: int, name: str) -> NDArray[np.uint8]:
    """Return a list of images of one size as one array."""
    arrays: list[NDArray[np.uint8]] = []
    for position, image in enumerate(images):
        array = _to_array(image, max_side, f"{name}[{position}]")
        if arrays and array.shape != arrays[0].shape:
            raise DataError(
                f"{name}[{position}] is {_format_size(array)} pixels, {name}[0] is "
                f"{_format_size(arrays[0])}; all images must have one size"
            )
        arrays.append(array)
    if not arrays:
        raise DataError(f"the list {name} is empty; {EXPECTED}")
    return np.stack(arrays)


def _to_array(image: object, max_side: int, name: str) -> NDArray[np.uint8]:
    """Return one image as uint8 (H, W, 3)."""
    if isinstance(image, str | Path):
        return read_image(Path(image), max_side)
    if isinstance(image, Image.Image):
        return _convert_image(image, max_side, name)
    if not isinstance(image, np.ndarray):
        raise DataError(f"{name} is of type {type(image).__name__}; {EXPECTED}")
    _validate_array(image, name)
    if image.ndim != 3:
        raise DataError(f"{name} has the shape {image.shape}; {EXPECTED}")
    return image


def _convert_image(image: Image.Image, max_side: int, name: str) -> NDArray[np.uint8]:
    """Return a PIL image, to which the rule for files applies, as uint8 (H, W, 3)."""
    try:
        check_picture(image, max_side)
        _check_file(image, max_side)
        return to_rgb(image)
    except DataError as error:
        raise DataError(f"{name}: {error}") from error
    except Exception as error:  # Pillow raises many kinds for a broken picture
        raise DataError(f"{name}, a PIL image, cannot be used ({describe_error(error)})") from error


def _check_file(image: Image.Image, max_side: int) -> None:
    """Check the file of a decoded PNG: only it has the depth, 8 or 16 bits per channel."""
    decoded = image.format == "PNG" and not getattr(image, "tile", ())
    file = Path(getattr(image, "filename", ""))
    if decoded and file.is_file():
        check_header(file, max_side)


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
