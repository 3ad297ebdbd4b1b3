"""One rule for pictures of every format and mode, beside a reference of plain Pillow and NumPy."""

import os
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pcam.data.storage.images import check_header, read_image
from pcam.errors import AccessError, DataError

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (5, 7, 3), np.uint8)
TURNED = {1: 0, 8: 1, 3: 2, 6: 3}  # EXIF orientation to quarter turns to the left


def write_png(path: Path, width: int, height: int, depth: int, kind: int, rows: bytes) -> None:
    """Write a PNG by hand, of a depth and kind of colour that Pillow does not write."""

    def chunk(name: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + checksum

    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def write_deep_png(path: Path, channels: int, kind: int) -> None:
    """Write a PNG of 16 bits per channel."""
    rows = b"".join(b"\0" + RNG.bytes(7 * channels * 2) for _ in range(5))
    write_png(path, 7, 5, 16, kind, rows)


def write_tiff(path: Path, channels: int, marked: bool = True) -> None:
    """Write a TIFF of 7x5 pixels by hand, grey or RGB, whose other channels mean nothing known.

    ``marked``: a tag says so.
    """
    colours = 1 if channels == 2 else 3
    wide = struct.pack(f"<{channels}H", *[8] * channels)
    extra = struct.pack("<HH", 0, 0)[: 2 * (channels - colours)].ljust(4, b"\0")
    bits = struct.pack("<I", 200) if len(wide) > 4 else wide
    tags = [
        (256, 1, struct.pack("<HH", 7, 0)),  # width
        (257, 1, struct.pack("<HH", 5, 0)),  # height
        (258, channels, bits),
        (259, 1, struct.pack("<HH", 1, 0)),  # not compressed
        (262, 1, struct.pack("<HH", 1 if colours == 1 else 2, 0)),
        (273, 1, struct.pack("<HH", 220, 0)),  # where the pixels are
        (277, 1, struct.pack("<HH", channels, 0)),
        (278, 1, struct.pack("<HH", 5, 0)),
        (279, 1, struct.pack("<HH", 35 * channels, 0)),
    ]
    if marked:
        tags.append((338, channels - colours, extra))
    entries = b"".join(struct.pack("<HHI", tag, 3, count) + value for tag, count, value in tags)
    header = b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)
    path.write_bytes(header.ljust(200, b"\0") + wide.ljust(20, b"\0") + RNG.bytes(35 * channels))


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
@pytest.mark.parametrize("orientation", TURNED)
def test_pictures_are_upright_in_every_format(
    suffix: str, orientation: int, tmp_path: Path
) -> None:
    path = tmp_path / f"a.{suffix}"
    flat = np.zeros((8, 16, 3), np.uint8)
    flat[:, 8:] = 255  # light on the right
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(flat).save(path, exif=exif, quality=100)
    found = read_image(path)
    np.testing.assert_allclose(found, np.rot90(flat, TURNED[orientation]), atol=2)
    assert check_header(path) == found.shape[:2]


def test_transparent_pixels_are_white(tmp_path: Path) -> None:
    pixels = np.dstack([COLOUR, np.full((5, 7), 255, np.uint8)])
    pixels[0, :, 3] = 0
    pixels[1, :, 3] = 51
    Image.fromarray(pixels).save(tmp_path / "a.png")
    found = read_image(tmp_path / "a.png")
    assert (found[0] == 255).all()
    np.testing.assert_allclose(found[1], 0.2 * COLOUR[1] + 0.8 * 255, atol=0.51)
    np.testing.assert_array_equal(found[2:], COLOUR[2:])


def test_a_transparent_colour_of_a_palette_is_white(tmp_path: Path) -> None:
    picture = Image.new("P", (2, 1))
    picture.putpalette([10, 20, 30, 200, 0, 0])
    picture.putdata([0, 1])
    picture.save(tmp_path / "a.png", transparency=0)
    assert read_image(tmp_path / "a.png").tolist() == [[[255] * 3, [200, 0, 0]]]


def test_one_bit_and_grey_pictures_have_three_equal_channels(tmp_path: Path) -> None:
    bits = Image.fromarray(COLOUR[..., 0] > 127)
    bits.save(tmp_path / "a.png")
    expected = np.where(COLOUR[..., :1] > 127, 255, 0).repeat(3, -1)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), expected)
    write_png(tmp_path / "b.png", 4, 1, 2, 0, b"\0\x1b")  # two bits: 0, 1, 2, 3
    assert read_image(tmp_path / "b.png")[0, :, 0].tolist() == [0, 85, 170, 255]


@pytest.mark.parametrize("fault", ["grey", "colour", "alpha", "tiff", "float", "lab", "pages"])
def test_what_has_no_one_meaning_in_8_bits_is_refused(fault: str, tmp_path: Path) -> None:
    path = tmp_path / ("a.tif" if fault in ("tiff", "float", "lab", "pages") else "a.png")
    message = "16 bits per channel; convert it to 8"
    if fault == "grey":
        write_deep_png(path, 1, 0)
        message = "mode I;16"
    if fault == "colour":
        write_deep_png(path, 3, 2)
    if fault == "alpha":
        write_deep_png(path, 4, 6)
    if fault == "tiff":
        import cv2

        cv2.imwrite(str(path), COLOUR.astype(np.uint16) * 257)
    if fault == "float":
        Image.new("F", (5, 4)).save(path)
        message = "mode F"
    if fault == "lab":
        Image.new("LAB", (5, 4)).save(path)
        message = "mode LAB"
    if fault == "pages":
        pages = [Image.new("RGB", (5, 4)) for _ in range(2)]
        pages[0].save(path, save_all=True, append_images=pages[1:])
        message = "several pictures"
    for function in (read_image, check_header):
        with pytest.raises(DataError, match=f"cannot be read as an image .*{message}"):
            function(path)


def test_sides_are_limited_before_anything_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    row = b"\0" + bytes(20_000 // 8)
    write_png(path, 20_000, 20_000, 1, 0, row * 20_000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for function in (read_image, check_header):
            with pytest.raises(DataError, match=r"larger than data\.max_side=4096") as found:
                function(path)
            assert "\n" not in str(found.value)
    Image.new("RGB", (30, 20)).save(path)
    assert read_image(path, 30).shape == (20, 30, 3)
    with pytest.raises(DataError, match="30x20 pixels, more than data.max_side=29"):
        read_image(path, 29)


@pytest.mark.parametrize("channels", [2, 4, 5])
def test_channels_beside_colour_and_alpha_are_refused(channels: int, tmp_path: Path) -> None:
    """Pillow reads the colour of such a file and leaves the rest out."""
    path = tmp_path / "a.tif"
    write_tiff(path, channels)
    colours = 1 if channels == 2 else 3
    message = f"{channels} channels per pixel, of which (L|RGB) has {colours}"
    for function in (read_image, check_header):
        with pytest.raises(DataError, match=message):
            function(path)


def test_a_fourth_channel_that_no_tag_describes_is_not_taken_as_alpha(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    write_tiff(path, 4, marked=False)
    with pytest.raises(DataError, match="4 channels per pixel, of which none is marked as alpha"):
        read_image(path)
    Image.fromarray(RNG.integers(0, 256, (5, 7, 4), np.uint8)).save(path)  # with the tag
    assert read_image(path).shape == (5, 7, 3)


def test_pipes_and_devices_are_refused_before_they_are_opened(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    link = tmp_path / "link.png"
    link.symlink_to("/dev/zero")
    for path in (pipe, link):
        for function in (read_image, check_header):
            with pytest.raises(AccessError, match=f"^{path} is not a regular file$"):
                function(path)


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_a_file_that_is_cut_off_is_found_by_its_header(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(RNG.integers(0, 256, (64, 64, 3), np.uint8)).save(path)
    assert check_header(path) == (64, 64)
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(DataError, match="cannot be read as an image"):
        check_header(path)


def test_other_formats_by_any_name_and_missing_files_are_errors(tmp_path: Path) -> None:
    Image.new("RGB", (5, 4)).save(tmp_path / "a.eps")
    (tmp_path / "a.eps").rename(tmp_path / "a.png")  # Pillow would run a program on it
    with pytest.raises(DataError, match="cannot identify image file"):
        read_image(tmp_path / "a.png")
    with pytest.raises(AccessError, match=r"b\.png cannot be read: no such file or directory"):
        read_image(tmp_path / "b.png")
