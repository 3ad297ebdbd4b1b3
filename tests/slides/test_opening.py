"""Files that are no slides, and slides that cannot be predicted: one line each."""

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from pcam.errors import DataError, PcamError
from pcam.slides.opening import open_slide
from pcam.slides.prepare import PatchGeometry, locate_tissue, prepare_slide
from tests.slides.writing import MPP, tissue, write_slide

GEOMETRY = PatchGeometry(mpp=MPP, patch=96, centre=32, stride=32)
PIXELS = tissue(2, 2)
PLAIN = np.full((300, 300, 3), 200, np.uint8)


def write_broken(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 4)


def write_four_channels(path: Path) -> None:
    alpha = np.full((*PIXELS.shape[:2], 1), 255, np.uint8)
    channels = np.concatenate([PIXELS, alpha], axis=2)
    tifffile.imwrite(
        path, channels, tile=(256, 256), photometric="rgb", extrasamples=["unassalpha"]
    )


def write_deep(kind: type[np.generic], largest: float) -> Callable[[Path], None]:
    """Return a function that writes a tiled TIFF of another type, whose white is ``largest``."""

    def write(path: Path) -> None:
        deep = (PIXELS / 255 * largest).astype(kind)
        tifffile.imwrite(path, deep, tile=(256, 256), photometric="rgb")

    return write


def write_transparent(path: Path) -> None:
    Image.fromarray(PIXELS).convert("RGBA").save(path)


def write_grey(path: Path) -> None:
    Image.fromarray(PIXELS).convert("L").save(path)


def write_changed(tag: int, place: int, value: bytes) -> Callable[[Path], None]:
    """Return a function that writes a slide, one of whose TIFF tags is then changed.

    Args:
        tag: its number.
        place: in its entry: 2 for the type, 8 for the value.
        value: bytes, little-endian.
    """

    def write(path: Path) -> None:
        write_slide(path, PIXELS, levels=1)
        content = bytearray(path.read_bytes())
        (start,) = struct.unpack_from("<I", content, 4)
        (count,) = struct.unpack_from("<H", content, start)
        entries = [start + 2 + 12 * number for number in range(count)]
        (entry,) = [at for at in entries if struct.unpack_from("<H", content, at)[0] == tag]
        content[entry + place : entry + place + len(value)] = value
        path.write_bytes(content)

    return write


WIDTH, SAMPLES, TILE_WIDTH = 256, 277, 322
BYTE = b"\1\0"  # a TIFF's type, for numbers that tifffile does not take as a count


FAULTY = {
    "broken.svs": (write_broken, "cannot be read as a slide: OpenSlide does not know its format"),
    "broken.png": (write_broken, "cannot be read as an image"),
    "channels.tif": (write_four_channels, "has 4 channels per pixel"),
    "float.tif": (
        write_deep(np.float32, 1.0),
        "has 32 bits per channel; a slide has 8: save it as RGB of 8 bits",
    ),
    "deep.tif": (write_deep(np.uint16, 65535.0), "has 16 bits per channel; a slide has 8"),
    "transparent.png": (write_transparent, "has 4 channels per pixel"),
    "grey.png": (write_grey, "has 1 channel per pixel"),
    "unknown.tif": (
        lambda path: write_slide(path, PIXELS, None),
        "does not say its resolution; give .* slide_mpp=0.25",
    ),
    "small.tif": (
        lambda path: write_slide(path, PIXELS[:90]),
        "is 384x90 pixels at 0.972 micrometres per pixel, smaller than a patch of 96x96",
    ),
    "plain.tif": (lambda path: write_slide(path, PLAIN), "has one colour only"),
    "tags.tif": (
        write_changed(SAMPLES, 2, BYTE),
        r"is damaged, or no TIFF that tifffile reads \(.*\); save it anew as a tiled TIFF",
    ),
    "wide.tif": (
        write_changed(WIDTH, 8, (1 << 22).to_bytes(4, "little")),
        r"is damaged \(it says that it has 4194304x384 pixels\)",
    ),
    "tiles.tif": (
        write_changed(TILE_WIDTH, 8, (1 << 24).to_bytes(4, "little")),
        r"is damaged \(tiles of 16777216x256 pixels\)",
    ),
    "empty.tif": (lambda path: path.write_bytes(b""), "cannot be read as an image"),
    "missing.svs": (lambda path: None, "is missing"),
}


@pytest.mark.parametrize("name", FAULTY)
def test_what_cannot_be_predicted_is_one_line(name: str, tmp_path: Path) -> None:
    write, message = FAULTY[name]
    write(tmp_path / name)
    with pytest.raises(PcamError, match=message) as raised:
        locate_tissue(prepare_slide(tmp_path / name, GEOMETRY, None), "otsu")
    (line,) = raised.value.faults
    assert str(tmp_path / name) in line


def test_a_slide_of_glass_has_no_tissue(tmp_path: Path) -> None:
    glass = np.random.default_rng(0).integers(240, 246, (400, 400, 1), np.uint8).repeat(3, 2)
    prepared = prepare_slide(write_slide(tmp_path / "glass.tif", glass), GEOMETRY, None)
    with pytest.raises(PcamError, match="has no tissue; tissue=all"):
        locate_tissue(prepared, "otsu")
    assert len(locate_tissue(prepared, "all").places) == 13 * 13


def test_a_resolution_that_is_given_replaces_that_of_the_file(tmp_path: Path) -> None:
    path = write_slide(tmp_path / "slide.tif", PIXELS, 1.0)
    assert prepare_slide(path, GEOMETRY, None).slide_mpp == pytest.approx(1.0)
    prepared = prepare_slide(path, GEOMETRY, MPP / 2)
    assert prepared.slide_mpp == MPP / 2
    assert prepared.view.scale == pytest.approx(2)


@pytest.mark.parametrize("name", ["tiled.tif", "plain.tif", "plain.png"])
def test_pixels_that_are_not_square_are_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if name == "tiled.tif":
        write_slide(path, PIXELS, (0.5, 0.52))
    else:
        Image.fromarray(PIXELS).save(path, dpi=(25_400 / 0.5, 25_400 / 0.52))
    with pytest.raises(DataError, match="pixels of 0.5 x 0.52 micrometres") as raised:
        prepare_slide(path, GEOMETRY, None)
    (line,) = raised.value.faults
    assert "give slide_mpp=0.5 if the file is wrong, or resample the slide" in line
    assert prepare_slide(path, GEOMETRY, 0.6).slide_mpp == 0.6


def test_pixels_that_are_nearly_square_have_the_mean_of_their_sides(tmp_path: Path) -> None:
    path = write_slide(tmp_path / "slide.tif", PIXELS, (0.5, 0.505))
    assert prepare_slide(path, GEOMETRY, None).slide_mpp == pytest.approx(0.5025)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg"])
def test_plain_pictures_are_slides_of_one_level(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"slide{suffix}"
    dots = 25_400 / MPP  # per inch
    Image.fromarray(PIXELS).save(path, dpi=(dots, dots), quality=95)
    slide = open_slide(path)
    assert slide.stored_mpp == pytest.approx((MPP, MPP), rel=1e-3)
    assert [(level.width, level.height) for level in slide.levels] == [(384, 384)]
    found = slide.read(0, 100, 50, 200, 100).astype(int)
    assert np.abs(found - PIXELS[50:150, 100:300]).max() <= (60 if suffix == ".jpg" else 0)
