"""Image files: one rule for every format and mode, as docs/data.md states it.

A picture is read upright, as 8-bit RGB, shown on white where it is transparent. What this cannot
be done with is refused: more than 8 bits per channel, channels beside colour and alpha, several
pictures in a file, sides of more than a limit.
"""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pcam.data.base import Pixels
from pcam.errors import DataError, describe_error
from pcam.runs.access import access_error, ensure_regular

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".tif", ".tiff"))
FORMATS = ("PNG", "JPEG", "TIFF")  # by content; Pillow's other formats include ones that run code
# Pillow's modes of at most 8 bits per channel that have one meaning without a colour profile
MODES = frozenset(("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"))
MAX_SIDE = 4096  # pixels
WHITE = 255

_SEVERAL = "MPO"  # a JPEG with further pictures of the same scene: the first is the picture
_TAIL = 16  # bytes, in which a complete PNG or JPEG has its end mark
_BITS, _SAMPLES, _SAMPLE_FORMAT = 258, 277, 339  # tags of TIFF
_OFFSETS, _COUNTS = (273, 324), (279, 325)  # of its strips or tiles
_EXTRA = 338  # tag of TIFF: what the channels beside colour are
_ALPHA = frozenset((1, 2))  # its values for alpha, multiplied into the colour or not
_ORIENTATION = 0x0112
_UNSIGNED = 1  # TIFF's sample format
_PNG_ORIENTATION = (b"eXIf", b"XML:com.adobe.xmp", b"Raw profile")  # chunks that may rotate a PNG


def is_image(path: Path) -> bool:
    """Return whether a file has the suffix of an image."""
    return path.suffix.lower() in SUFFIXES


def read_image(path: Path, max_side: int = MAX_SIDE) -> Pixels:
    """Return an image file as uint8 (H, W, 3).

    Args:
        path: of the file.
        max_side: width and height may have, pixels.

    Raises:
        AccessError: the file cannot be read now.
        DataError: it cannot be read, or the rule does not cover it.
    """
    with _open(path, max_side) as image:
        return to_rgb(image)


def check_header(path: Path, max_side: int = MAX_SIDE) -> tuple[int, int]:
    """Return height and width of an image as `read_image` would, mostly without decoding it.

    A file that looks cut off, or whose header does not say how it is rotated, is decoded.

    Raises:
        DataError: its header cannot be read, the file is cut off, or the rule does not cover it.
    """
    with _open(path, max_side) as image:
        width, height = image.size
        if _is_cut(image, path) or (width != height and _may_be_rotated(image, path)):
            height, width = to_rgb(image).shape[:2]
    return height, width


def to_rgb(image: "Image.Image") -> Pixels:
    """Return a picture as uint8 (H, W, 3): upright, and on white where it is transparent.

    Args:
        image: one that ``check_picture`` accepts.
    """
    from PIL import ImageOps

    image = ImageOps.exif_transpose(image)
    if image.has_transparency_data:
        return _on_white(np.asarray(image.convert("RGBA")))
    return np.array(image.convert("RGB"))  # a copy, which can be written to


def _on_white(pixels: NDArray[np.uint8]) -> Pixels:
    """Return RGBA pixels (H, W, 4) on white, rounded to the nearest."""
    alpha = pixels[..., 3:].astype(np.uint16)
    mixed = pixels[..., :3] * alpha + WHITE * (255 - alpha)
    return ((mixed + 127) // 255).astype(np.uint8)


@contextmanager
def _open(path: Path, max_side: int) -> Iterator["Image.Image"]:
    """Open an image whose header the rule covers; any fault in it is a DataError."""
    from PIL import Image

    ensure_regular(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow, about tags and sizes
            # A file, not its name: by name Pillow maps uncompressed TIFFs into memory, and then
            # reads rotated grey and palette ones in the wrong order
            with path.open("rb") as file, Image.open(file, formats=FORMATS) as image:
                check_picture(image, max_side)
                yield image
    except Image.DecompressionBombError as error:
        raise DataError(f"{path} is larger than data.max_side={max_side} pixels") from error
    except OSError as error:
        raise (access_error(path, error) or _unreadable(path, error)) from error
    except Exception as error:  # Pillow raises many kinds for a broken file
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> DataError:
    reason = re.sub(r" <_io\..*$", "", describe_error(error))
    return DataError(f"{path} cannot be read as an image ({reason}); replace it, or move it away")


def check_picture(image: "Image.Image", max_side: int = MAX_SIDE) -> None:
    """Make sure that the rule covers a picture, as far as its header says.

    Args:
        image: of a file, or made in memory.
        max_side: width and height may have, pixels.

    Raises:
        ValueError: it is larger, has several pages, more than 8 bits per channel, channels that RGB
            and alpha do not have, or a mode without one meaning in RGB.
    """
    _check_size(image, max_side)
    _check_depth(image)
    _check_channels(image)


def _check_size(image: "Image.Image", max_side: int) -> None:
    width, height = image.size
    if max(width, height) > max_side:
        raise ValueError(f"{width}x{height} pixels, more than data.max_side={max_side}")
    if image.format != _SEVERAL and getattr(image, "is_animated", False):
        raise ValueError("it holds several pictures")


def _check_depth(image: "Image.Image") -> None:
    """Check the mode, and the depth that Pillow's mode of 16-bit colour does not show."""
    if image.mode not in MODES:
        raise ValueError(f"mode {image.mode} is not 8 bits per channel of grey, RGB or CMYK")
    raw_modes = [str(tile[3]) for tile in getattr(image, "tile", ())]
    tags = getattr(image, "tag_v2", {})
    depth = max(tags.get(_BITS, (8,)))
    if depth > 8 or any(";16" in mode for mode in raw_modes):
        raise ValueError(f"{max(depth, 16)} bits per channel; convert it to 8")
    if set(tags.get(_SAMPLE_FORMAT, (_UNSIGNED,))) != {_UNSIGNED}:
        raise ValueError("its samples are not unsigned integers")


def _check_channels(image: "Image.Image") -> None:
    """Check that a TIFF has no channels that Pillow leaves out, or takes as alpha unasked."""
    tags = getattr(image, "tag_v2", {})
    samples, channels = tags.get(_SAMPLES, 1), len(image.getbands())
    if "A" in image.getbands() and _SAMPLES in tags and _ALPHA.isdisjoint(tags.get(_EXTRA, ())):
        raise ValueError(f"{samples} channels per pixel, of which none is marked as alpha")
    if samples > channels:
        raise ValueError(
            f"{samples} channels per pixel, of which {image.mode} has {channels}; save it without"
            " the others"
        )


def _is_cut(image: "Image.Image", path: Path) -> bool:
    """Return whether a file may be cut off: its end mark is missing, or its strips are."""
    size = path.stat().st_size
    if image.format == "TIFF":
        return _last_byte(image) > size
    with path.open("rb") as file:
        file.seek(max(size - _TAIL, 0))
        tail = file.read()
    return b"IEND" not in tail if image.format == "PNG" else b"\xff\xd9" not in tail


def _last_byte(image: "Image.Image") -> float:
    """Return where a TIFF's pixels end; infinity where its tags do not say so."""
    tags = getattr(image, "tag_v2", {})
    ends = [np.inf]
    for offsets, counts in zip(_OFFSETS, _COUNTS, strict=True):
        if offsets in tags and counts in tags:
            ends = [sum(pair) for pair in zip(tags[offsets], tags[counts], strict=False)]
    return max(ends)


def _may_be_rotated(image: "Image.Image", path: Path) -> bool:
    if image.format == "PNG":
        content = path.read_bytes()
        return any(chunk in content for chunk in _PNG_ORIENTATION)
    return bool(image.getexif().get(_ORIENTATION, 1) != 1) or image.format == "TIFF"
