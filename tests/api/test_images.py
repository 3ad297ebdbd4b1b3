"""Images from a notebook: arrays, PIL images and files."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pcam.api.images import to_patches
from pcam.errors import PcamError

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
        ([], "the list of images is empty"),
        (PATCHES[:0], "there are no images"),
        (7, "images is of type int"),
        (Image.new("I;16", (4, 4)), "images: mode I;16 is not 8 bits per channel"),
        ("nowhere.png", r"nowhere.png cannot be read: no such file"),
    ],
)
def test_other_images_are_refused(images: object, message: str) -> None:
    with pytest.raises(PcamError, match=message):
        to_patches(images)
