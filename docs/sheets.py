"""Contact sheets: what patches, crops and augmentation look like.

python docs/sheets.py                 synthetic patches, each augmentation, each crop
python docs/sheets.py --real DIR      also synthetic beside real patches

DIR is a folder of PatchCamelyon's HDF5 files. The sheets are written to docs/figures/. The one with
real patches goes to docs/figures/local/, which git ignores: data stays out of the repository.
"""

import argparse
from pathlib import Path

import numpy as np
from hydra import compose, initialize_config_dir
from PIL import Image, ImageDraw

from pcam import CONF
from pcam.cli.config import plain
from pcam.config.schema import TrainConfig
from pcam.config.sections import CropMode
from pcam.config.validation import validate
from pcam.data.augment.augmentation import Augmentation
from pcam.data.base import PatchSource, Pixels
from pcam.data.crop import Crop
from pcam.data.sources.pcam import PCamSource
from pcam.data.sources.synthetic.source import PLACES, SyntheticSource

FIGURES = Path(__file__).parent / "figures"
COLORS = 160  # of a written sheet
SIZE = 64  # patches of a synthetic source
COLUMNS = 8  # patches in a row

SCALE = 2  # pixels of a sheet per pixel of a patch
GAP = 6  # pixels between patches
LINE = 22  # pixels of a title's line
SQUARE = (32, 64)  # first row and column of a patch's centre square, and the first after it

CLASSES = (("tumour in the centre (drawn): 1", 1), ("none in the centre: 0", 0))
CROPS: tuple[tuple[CropMode, int], ...] = (
    ("center", 64),
    ("center", 32),
    ("random", 64),
    ("ring", 32),
)

Row = tuple[str, Pixels]  # title, and patches uint8 (n, H, W, 3)


def main(real: Path | None) -> None:
    """Write the sheets."""
    source = SyntheticSource("train", SIZE)
    pages = {
        "synthetic": draw_sheet(class_rows(source), square=True),
        "augmentation": draw_sheet(augmentation_rows(source)),
        "crops": draw_sheet(crop_rows(source)),
        "places": draw_sheet(place_rows(), square=True),
    }
    if real is not None:
        rows = compared_rows(source, PCamSource("train", str(real)))
        pages["local/synthetic_beside_real"] = draw_sheet(rows, square=True)
    for name, page in pages.items():
        path = FIGURES / f"{name}.png"
        write_sheet(path, page)
        print(path, f"{path.stat().st_size / 1e3:.0f} kB")


def class_rows(source: PatchSource) -> list[Row]:
    """Return patches of each class."""
    return [(title, patches_of_class(source, label)) for title, label in CLASSES]


def augmentation_rows(source: PatchSource) -> list[Row]:
    """Return the same positive patch, augmented several times by each recipe."""
    indices = np.arange(COLUMNS)
    patch = patches_of_class(source, 1, count=1)
    copies = np.repeat(patch, COLUMNS, axis=0)
    rows = []
    for path in sorted((CONF / "aug").glob("*.yaml")):
        override = f"aug={path.stem}"
        augment = Augmentation(read_config(override).aug, seed=0)
        rows.append((override, augment(copies, indices, epoch=0)))
    return rows


def crop_rows(source: PatchSource) -> list[Row]:
    """Return the same patches under each crop."""
    indices = np.arange(COLUMNS)
    patches = source.read(indices)
    rows = [("crop=none", patches)]
    for mode, size in CROPS:
        crop = Crop(mode, size)
        rows.append((f"crop={mode} crop.size={size}", crop(patches, indices, epoch=0)))
    return rows


def place_rows() -> list[Row]:
    """Return patches of each class for each place of the tumour but the usual one."""
    rows = []
    for place in PLACES[1:]:
        source = SyntheticSource("train", SIZE, place=place)
        for label in (1, 0):
            rows.append((f"data.place={place}, label {label}", patches_of_class(source, label)))
    return rows


def compared_rows(synthetic: PatchSource, real: PatchSource) -> list[Row]:
    """Return synthetic and real patches of each class."""
    rows = []
    for label in (1, 0):
        rows.append((f"synthetic, label {label}", patches_of_class(synthetic, label)))
        rows.append((f"real, label {label}", patches_of_class(real, label)))
    return rows


def patches_of_class(source: PatchSource, label: int, count: int = COLUMNS) -> Pixels:
    """Return the first patches of a class."""
    assert source.labels is not None
    indices = np.flatnonzero(source.labels == label)
    return source.read(indices[:count])


def read_config(*overrides: str) -> TrainConfig:
    """Return the config of a training."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        composed = compose("train", list(overrides))
    return validate(TrainConfig, plain(composed))


def draw_sheet(rows: list[Row], square: bool = False) -> Image.Image:
    """Return a picture of rows of patches under their titles.

    Args:
        rows: of patches.
        square: outline the centre square of each patch, 32x32 pixels.
    """
    sides = [SCALE * patches.shape[1] for _, patches in rows]
    step = max(sides) + GAP
    columns = max(len(patches) for _, patches in rows)
    width = columns * step + GAP
    height = sum(sides) + len(rows) * (LINE + GAP) + GAP
    page = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(page)
    top = GAP
    for (title, patches), side in zip(rows, sides, strict=True):
        draw.text((GAP, top), title, "black", font_size=15)
        top += LINE
        for column, patch in enumerate(patches):
            left = GAP + column * step
            page.paste(enlarge(patch), (left, top))
            if square:
                draw_square(draw, left, top)
        top += side + GAP
    return page


def enlarge(patch: Pixels) -> Image.Image:
    """Return a patch (H, W, 3) with each pixel repeated."""
    size = SCALE * patch.shape[0]
    picture = Image.fromarray(np.ascontiguousarray(patch))
    return picture.resize((size, size), Image.Resampling.NEAREST)


def draw_square(draw: ImageDraw.ImageDraw, left: int, top: int) -> None:
    """Outline the centre square of a patch whose corner is at (left, top)."""
    first, after = (SCALE * edge for edge in SQUARE)
    corners = [left + first - 1, top + first - 1, left + after, top + after]
    draw.rectangle(corners, outline="black")


def write_sheet(path: Path, page: Image.Image) -> None:
    """Write a sheet as PNG with a palette."""
    path.parent.mkdir(parents=True, exist_ok=True)
    page.quantize(COLORS, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--real", type=Path, help="folder of PatchCamelyon's HDF5 files")
    main(parser.parse_args().real)
