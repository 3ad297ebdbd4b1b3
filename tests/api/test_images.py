"""Images from a notebook: arrays, PIL images and files."""

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from pcam.api.images import refuse_black, to_patches
from pcam.errors import DataError, PcamError
from tests.data.storage.test_images import write_deep_png

PATCHES = np.random.default_rng(0).integers(0, 256, (3, 8, 9, 3), np.uint8)


def test_arrays_pil_images_and_paths_give_the_same_patches(tmp_path: Path) -> None:
    paths = []
    for number, patch in enumerate(PATCHES):
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(patch).save(paths[-1])
    pictures = [Image.fromarray(patch) for patch in PATCHES]
    mixed = [PATCHES[0], pictures[1], str(paths[2])]
    for images in (PATCHES, list(PATCHES), tuple(pictures), paths, mixed):
        np.testing.assert_array_equal(to_patches(images), PATCHES)
    for image in (PATCHES[0], pictures[0], paths[0], str(paths[0])):
        np.testing.assert_array_equal(to_patches(image), PATCHES[:1])


def test_views_are_made_contiguous() -> None:
    found = to_patches(PATCHES[:, ::-1])
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, PATCHES[:, ::-1])


def test_grey_images_become_rgb() -> None:
    grey = Image.fromarray(PATCHES[0, :, :, 0])
    np.testing.assert_array_equal(to_patches(grey)[0], PATCHES[0, :, :, :1].repeat(3, -1))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (PATCHES / 255, "images has the dtype float64, not uint8; pass the pixels from 0 to 255"),
        (PATCHES.astype(np.int64), "images has the dtype int64, not uint8"),
        ([PATCHES[0], PATCHES[1] / 255], r"images\[1\] has the dtype float64"),
        (PATCHES[..., 0], r"images has the shape \(3, 8, 9\)"),
        (PATCHES.transpose(0, 3, 1, 2), r"images has the shape \(3, 3, 8, 9\)"),
        (PATCHES[None], r"images has the shape \(1, 3, 8, 9, 3\)"),
        ([PATCHES], r"images\[0\] has the shape \(3, 8, 9, 3\)"),
        ([PATCHES[0], PATCHES[1, :5]], r"images\[1\] is 9x5 pixels, images\[0\] is 9x8"),
        ([], "the list images is empty"),
        (PATCHES[:0], r"images has no pixels, its shape is \(0, 8, 9, 3\)"),
        (PATCHES[0, :, :0], r"images has no pixels, its shape is \(1, 8, 0, 3\)"),
        (7, "images is of type int"),
        (Image.new("I;16", (4, 4)), r"images, a PIL .*mode I;16 is not 8 bits per channel"),
        ("nowhere.png", r"nowhere.png cannot be read: no such file"),
    ],
)
def test_other_images_are_refused(images: object, message: str) -> None:
    with pytest.raises(PcamError, match=message):
        to_patches(images)


def write_pages(path: Path) -> None:
    pages = [Image.fromarray(patch) for patch in PATCHES]
    pages[0].save(path, save_all=True, append_images=pages[1:])


def opened(path: Path, *, decoded: bool) -> Image.Image:
    image = Image.open(path)
    if decoded:
        image.load()
    return image


@pytest.mark.parametrize("decoded", [False, True])
def test_pil_images_are_refused_as_their_files_are(decoded: bool, tmp_path: Path) -> None:
    write_deep_png(tmp_path / "deep.png", 3, 2)
    cv2.imwrite(str(tmp_path / "deep.tif"), PATCHES[0].astype(np.uint16) * 257)
    write_pages(tmp_path / "pages.tif")
    for name, reason in (
        ("deep.png", "16 bits per channel; convert it to 8"),
        ("deep.tif", "16 bits per channel; convert it to 8"),
        ("pages.tif", "it holds several pictures"),
    ):
        image = opened(tmp_path / name, decoded=decoded)
        with pytest.raises(DataError, match=rf"images\[1\].*{reason}"):
            to_patches([PATCHES[0], image])
        with pytest.raises(DataError, match=reason):
            to_patches(tmp_path / name)


def test_a_pil_image_can_be_passed_again_after_it_was_decoded(tmp_path: Path) -> None:
    Image.fromarray(PATCHES[0]).save(tmp_path / "a.png")
    image = Image.open(tmp_path / "a.png")
    in_memory = Image.open(io.BytesIO((tmp_path / "a.png").read_bytes()))
    for _ in range(2):
        np.testing.assert_array_equal(to_patches(image), PATCHES[:1])
        np.testing.assert_array_equal(to_patches(in_memory), PATCHES[:1])
    (tmp_path / "a.png").unlink()
    np.testing.assert_array_equal(to_patches(image), PATCHES[:1])


def test_sides_of_files_and_pil_images_are_limited(tmp_path: Path) -> None:
    Image.fromarray(PATCHES[0]).save(tmp_path / "a.png")
    for image in (tmp_path / "a.png", Image.fromarray(PATCHES[0])):
        assert to_patches(image, max_side=9).shape == (1, 8, 9, 3)
        with pytest.raises(DataError, match=r"9x8 pixels, more than data\.max_side=8"):
            to_patches(image, max_side=8)


def test_a_damaged_pil_image_is_named() -> None:
    buffer = io.BytesIO()
    Image.fromarray(PATCHES[0]).save(buffer, "PNG")
    cut_off = Image.open(io.BytesIO(buffer.getvalue()[:150]))
    closed = Image.fromarray(PATCHES[0])
    closed.close()
    for image in (cut_off, closed):
        with pytest.raises(DataError, match=r"^images\[2\], a PIL image, cannot be used \("):
            to_patches([PATCHES[0], PATCHES[1], image])


@pytest.mark.parametrize("largest", [0, 1])
def test_floats_that_were_cast_to_bytes_are_refused(largest: int) -> None:
    message = f"the largest value of images is {largest}, so they are black: floats from 0 to 1"
    with pytest.raises(DataError, match=message):
        refuse_black(np.full_like(PATCHES, largest))
    refuse_black(np.full_like(PATCHES, 2))
