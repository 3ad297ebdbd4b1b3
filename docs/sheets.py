"""Contact sheets: what patches, crops and augmentation look like.

python docs/sheets.py                 synthetic patches, each augmentation, each crop → docs/figures/
python docs/sheets.py --real DIR      also synthetic beside real patches (PatchCamelyon's HDF5 files in DIR)
→ docs/figures/local/, which git ignores: data stays out of the repository
"""

import argparse
from pathlib import Path

import numpy as np
from hydra import compose, initialize_config_dir
from PIL import Image, ImageDraw

from pcam import CONF
from pcam.cli.command import plain
from pcam.data.augment.augmentation import Augmentation
from pcam.data.base import PatchSource, Pixels
from pcam.data.crop import Crop
from pcam.data.sources.pcam import PCamSource
from pcam.data.sources.synthetic.source import PLACES, SyntheticSource

FIGURES = Path(__file__).parent / "figures"
SCALE, GAP, LINE = 2, 6, 22


def sheet(rows: list[tuple[str, list[Pixels]]], square: bool = False) -> Image.Image:
    """Draw rows of patches, uint8 (H, W, 3) each, under their titles; ``square`` outlines the centre 32x32."""
    sides = [patches[0].shape[0] * SCALE for _, patches in rows]
    side = max(sides)
    width = max(len(patches) for _, patches in rows) * (side + GAP) + GAP
    page = Image.new("RGB", (width, sum(sides) + len(rows) * (LINE + GAP) + GAP), "white")
    draw = ImageDraw.Draw(page)
    for r, (title, patches) in enumerate(rows):
        top = sum(sides[:r]) + r * (LINE + GAP) + GAP
        draw.text((GAP, top), title, "black", font_size=15)
        for c, patch in enumerate(patches):
            size = patch.shape[0] * SCALE
            left, high = GAP + c * (side + GAP), top + LINE
            page.paste(
                Image.fromarray(np.ascontiguousarray(patch)).resize(
                    (size, size), Image.Resampling.NEAREST
                ),
                (left, high),
            )
            if square:
                inner = [
                    left + 32 * SCALE - 1,
                    high + 32 * SCALE - 1,
                    left + 64 * SCALE,
                    high + 64 * SCALE,
                ]
                draw.rectangle(inner, outline="black")
    return page


def some(source: PatchSource, label: int, count: int) -> list[Pixels]:
    """Return the first patches of a class."""
    assert source.labels is not None
    return list(source.read(np.flatnonzero(source.labels == label)[:count]))


def config(*overrides: str) -> dict[str, dict[str, object]]:
    """Return a composed config."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return plain(compose("train", list(overrides)))


def main(real: Path | None) -> None:
    """Write the sheets."""
    made = SyntheticSource("train", 64)
    classes = [("tumour in the centre (drawn): 1", 1), ("none in the centre: 0", 0)]
    pages = {
        "synthetic": sheet([(title, some(made, label, 8)) for title, label in classes], square=True)
    }
    patch = made.read(np.flatnonzero(made.labels == 1)[:1])
    eight, numbers = np.repeat(patch, 8, axis=0), np.arange(8)
    names = sorted(path.stem for path in (CONF / "aug").glob("*.yaml"))
    rows = [
        (f"aug={name}", list(Augmentation(config(f"aug={name}")["aug"], 0)(eight, numbers, 0)))
        for name in names
    ]
    pages["augmentation"] = sheet(rows)
    squares = [("center", 64), ("center", 32), ("random", 64), ("ring", 32)]
    crops = {"crop=none": Crop("none")} | {
        f"crop={mode} crop.size={size}": Crop(mode, size) for mode, size in squares
    }
    patches = made.read(numbers)
    pages["crops"] = sheet(
        [(name, list(crop(patches, numbers, 0))) for name, crop in crops.items()]
    )
    rows = [
        (
            f"data.place={place}, label {label}",
            some(SyntheticSource("train", 64, place=place), label, 8),
        )
        for place in PLACES[1:]
        for label in (1, 0)
    ]
    pages["places"] = sheet(rows, square=True)
    if real is not None:
        source = PCamSource("train", str(real))
        rows = [
            (f"{what}, label {k}", some(s, k, 8))
            for k in (1, 0)
            for what, s in (("synthetic", made), ("real", source))
        ]
        pages["local/synthetic_beside_real"] = sheet(rows, square=True)
    for name, page in pages.items():
        path = FIGURES / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        page.quantize(160, dither=Image.Dither.NONE).save(path, optimize=True)
        print(path, f"{path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--real", type=Path, help="folder of PatchCamelyon's HDF5 files")
    main(parser.parse_args().real)
