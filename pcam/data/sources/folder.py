"""A user's own patches: ROOT/SPLIT/CLASS/*.png|jpg|tif."""

import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pcam.data.base import Indices, Pixels
from pcam.data.storage.csv import read_rows
from pcam.errors import DataError, suggest

log = logging.getLogger(__name__)
ENDINGS = {".png", ".jpg", ".jpeg", ".tif", ".tiff"}


def read_image(path: Path) -> Pixels:
    """Return an image file as uint8 (H, W, 3); a file that cannot be read is a DataError."""
    try:
        with Image.open(path) as image:
            if image.mode not in (
                "1",
                "L",
                "LA",
                "P",
                "PA",
                "RGB",
                "RGBA",
                "RGBX",
                "CMYK",
                "YCbCr",
                "HSV",
                "LAB",
            ):
                raise ValueError(f"mode {image.mode} is not 8 bits a channel")
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read as an image ({error}); replace or remove it"
        ) from error


def read_slides(path: Path) -> dict[str, str]:
    """Return id → slide from a csv with the columns id and wsi (or slide)."""
    rows = read_rows(
        path,
        ("id",),
        "it is a csv of each patch's slide, columns id and wsi or slide (data.slide_csv)",
    )
    slide = next((name for name in ("wsi", "slide") if rows and name in rows[0]), None)
    if slide is None:
        raise DataError(
            f"{path}: columns id and wsi (or slide) are needed, there are {', '.join(rows[0]) if rows else 'no rows'}"
        )
    return {row["id"]: row[slide] for row in rows}


class FolderSource:
    """One split of a folder of images, of two classes and one size.

    Attributes:
        labels: uint8 (N,), 1 for ``positive``; None where the images lie in the split's folder without classes.
        ids: "SPLIT/CLASS/FILE", or "SPLIT/FILE".
        groups: None.
    """

    groups = None

    def __init__(self, split: str, root: str, positive: str | int | None = None) -> None:
        folder = Path(root) / split
        layout = f"{root}/{split}/CLASS/*.png|jpg|tif"
        if not folder.is_dir():
            raise DataError(f"{folder} is missing; patches lie as {layout} (set data.root)")
        classes = sorted(path.name for path in folder.iterdir() if path.is_dir())
        images = sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS)
        if images and not classes:
            self._take(images, [f"{split}/{path.name}" for path in images], None)
            return
        known = (
            sorted(path.name for path in (Path(root) / "train").glob("*") if path.is_dir())
            or classes
        )
        if len(known) != 2:
            raise DataError(
                f"{folder} holds {len(known)} class folders ({', '.join(known) or 'none'}); two are needed: {layout}"
            )
        if not classes or not set(classes) <= set(known):
            raise DataError(
                f"{folder} holds the classes {', '.join(classes) or 'none'}, {root}/train has {', '.join(known)}"
            )
        positive = known[1] if positive is None else str(positive)
        if positive not in known:
            raise DataError(
                f"data.positive={positive} is no class folder of {root}/train{suggest(positive, known)}"
            )
        if split == "train":
            log.info("positive class: %s", positive)
        paths = sorted(
            p for c in classes for p in (folder / c).iterdir() if p.suffix.lower() in ENDINGS
        )
        if not paths:
            raise DataError(f"{folder} holds no image; patches lie as {layout}")
        labels = np.array([p.parent.name == positive for p in paths], np.uint8)
        self._take(paths, [f"{split}/{p.parent.name}/{p.name}" for p in paths], labels)

    def _take(self, paths: list[Path], ids: list[str], labels: NDArray[np.uint8] | None) -> None:
        self._paths, self.ids, self.labels = paths, ids, labels
        self._shape = read_image(paths[0]).shape

    def __len__(self) -> int:
        return len(self._paths)

    def read(self, indices: Indices) -> Pixels:
        """Return the patches, uint8 (n, H, W, 3)."""
        patches = np.empty((len(indices), *self._shape), np.uint8)
        for i, index in enumerate(indices):
            image = read_image(self._paths[index])
            if image.shape != self._shape:
                (height, width), (h, w) = self._shape[:2], image.shape[:2]
                raise DataError(
                    f"{self._paths[index]} is {w}x{h} pixels, {self._paths[0]} is {width}x{height}; all patches have one size"
                )
            patches[i] = image
        return patches
