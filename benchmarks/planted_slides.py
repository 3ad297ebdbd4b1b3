"""Synthetic slides with planted metastases: does the map of a run find them?

    python -m benchmarks.planted_slides RUN OUT --slides 3 --side 3000 stride=16 tta=d4

Composes the slides with their annotations into OUT/slides, and runs ``pcam.slide`` on them.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import tifffile

from pcam.data.sources.synthetic.slide import SyntheticSlide, compose_slide

MPP = 0.972  # micrometres per pixel
LEVELS = 4
TILE = 512


def write_pyramid(path: Path, pixels: np.ndarray) -> None:
    """Write a tiled pyramidal TIFF, each level half of the one before."""
    resolution = 1e4 / MPP  # pixels per centimetre
    with tifffile.TiffWriter(path) as file:
        for level in range(LEVELS):
            file.write(
                np.ascontiguousarray(pixels),
                tile=(TILE, TILE),
                compression="zlib",
                photometric="rgb",
                subfiletype=int(level > 0),
                resolution=(resolution, resolution),
                resolutionunit="CENTIMETER",
                metadata=None,
            )
            height, width = pixels.shape[0] // 2, pixels.shape[1] // 2
            squares = pixels[: 2 * height, : 2 * width].reshape(height, 2, width, 2, 3)
            pixels = squares.mean(axis=(1, 3)).round().astype(np.uint8)
            resolution /= 2


def write_annotation(path: Path, slide: SyntheticSlide) -> None:
    """Write the outlines of the metastases as GeoJSON."""
    features = []
    for lesion in slide.lesions:
        ring = lesion.outline().tolist()
        geometry = {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
        properties = {"classification": {"name": "Tumor"}}
        features.append({"type": "Feature", "geometry": geometry, "properties": properties})
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))


def main() -> None:
    """Compose slides, predict them, and print what pcam.slide prints."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--slides", type=int, default=3)
    parser.add_argument("--side", type=int, default=3000, help="pixels")
    options, overrides = parser.parse_known_args()
    folder = options.out / "slides"
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(options.slides):
        path = folder / f"planted-{number}.tif"
        if not path.exists():
            radii = [options.side * share for share in (0.10, 0.06, 0.035)]
            slide = compose_slide(options.side, options.side, radii, seed=number)
            write_annotation(path.with_suffix(".geojson"), slide)
            write_pyramid(path, slide.pixels)
    words = [f"run={options.run}", f"slide={folder}/*.tif", f"annotations={folder}", *overrides]
    subprocess.run([sys.executable, "-m", "pcam.slide", *words], check=True)


if __name__ == "__main__":
    main()
