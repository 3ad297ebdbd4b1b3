"""Slides: memory by the slide's size, and patches per second beside the network alone.

python -m benchmarks.slides RUN                       sides 2000 and 20000 pixels
python -m benchmarks.slides RUN --sides 2000 8000     other sides

memory: the largest resident memory of a whole ``pcam.slide``, whose stride grows with the slide, so
that the number of patches stays about the same.
rate: patches of a slide from the file to log-odds, over the network on the same patches in
memory, in turns; the median over rounds.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

import numpy as np
import tifffile
import torch

from benchmarks.machine import describe_machine
from pcam.data.sources.synthetic.source import SyntheticSource
from pcam.evaluation.inference import iterate_source, predict_logits
from pcam.evaluation.saved_run import crop_for_split, open_run
from pcam.slides.prepare import PatchGeometry, locate_tissue, prepare_slide
from pcam.slides.source import SlideSource

MPP = 0.972  # micrometres per pixel
TILE = 480  # pixels; five patches
SMALLEST = 1000  # pixels of the side of a pyramid's last level
GEOMETRY = PatchGeometry(mpp=MPP, patch=96, centre=32, stride=32)


def tissue_tile() -> np.ndarray:
    """Return synthetic patches side by side, uint8 (480, 480, 3)."""
    patches = SyntheticSource("test", 25).read(np.arange(25)).reshape(5, 5, 96, 96, 3)
    return np.ascontiguousarray(patches.swapaxes(1, 2).reshape(TILE, TILE, 3))


def write_slide(path: Path, side: int, mpp: float = MPP) -> None:
    """Write a pyramid whose tiles are all stored once, so that it is small and quickly written.

    Args:
        path: of the TIFF.
        side: pixels of level 0.
        mpp: micrometres per pixel of level 0.
    """
    encoded = zlib.compress(tissue_tile().tobytes())
    resolution = 1e4 / mpp  # pixels per centimetre
    level = 0
    with tifffile.TiffWriter(path, bigtiff=True) as file:
        while True:
            count = (-(-side // TILE)) ** 2
            file.write(
                iter([encoded] + [b""] * (count - 1)),
                shape=(side, side, 3),
                dtype=np.uint8,
                tile=(TILE, TILE),
                compression="zlib",
                photometric="rgb",
                subfiletype=int(level > 0),
                resolution=(resolution, resolution),
                resolutionunit="CENTIMETER",
                metadata=None,
            )
            if side <= SMALLEST:
                break
            side, resolution, level = side // 2, resolution / 2, level + 1
    _share_first_tile(path)


def _share_first_tile(path: Path) -> None:
    """Let all tiles of a level be where its first tile is."""
    with tifffile.TiffFile(path, mode="r+") as file:
        for page in file.pages:
            for name in ("TileOffsets", "TileByteCounts"):
                tag = page.tags[name]
                tag.overwrite((tag.value[0],) * len(tag.value))


def largest_memory(run: Path, slide: Path, stride: int, folder: Path) -> float:
    """Return the largest resident memory of ``pcam.slide``, megabytes."""
    words = [f"run={run}", f"slide={slide}", f"stride={stride}", f"hydra.run.dir={folder}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "pcam.slide", *words], stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"pcam.slide failed on {slide}")
    return usage.ru_maxrss / 1000


def compare_rates(run: Path, slide: Path, count: int, rounds: int) -> tuple[float, float]:
    """Return patches per second from the file, and of the network alone; medians over rounds."""
    saved = open_run(run)
    crop = crop_for_split(saved.config, "test")
    batch_size = saved.config.data.batch_size
    prepared = prepare_slide(slide, GEOMETRY, None)
    places = locate_tissue(prepared, "all").places[:count]
    patches = SlideSource(prepared.view, prepared.grid, places).read(np.arange(len(places)))
    cropped = crop(patches, np.arange(len(places)), 0)
    predict_logits(saved.model, cropped[:batch_size], batch_size)
    whole, alone = [], []
    for _ in range(rounds):
        fresh = prepare_slide(slide, GEOMETRY, None)  # with no block in memory
        start = time.perf_counter()
        source = SlideSource(fresh.view, fresh.grid, places)
        for _ in iterate_source(saved.model, source, crop, batch_size, 0):
            pass
        middle = time.perf_counter()
        predict_logits(saved.model, cropped, batch_size)
        end = time.perf_counter()
        whole.append(len(places) / (middle - start))
        alone.append(len(places) / (end - middle))
    return statistics.median(whole), statistics.median(alone)


def main() -> None:
    """Print memory and rates."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--sides", type=int, nargs="+", default=[2000, 20_000])
    parser.add_argument("--patches", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(describe_machine(torch.device("cpu")))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for side in options.sides:
            write_slide(folder / f"{side}.tif", side)
        for side in options.sides:
            stride = max(32, side // 32)
            memory = largest_memory(
                options.run, folder / f"{side}.tif", stride, folder / f"out-{side}"
            )
            print(f"{side:>6} x {side} pixels, stride {stride:>3}: {memory:,.0f} MB", flush=True)
        slide = folder / f"{min(options.sides)}.tif"
        whole, alone = compare_rates(options.run, slide, options.patches, options.rounds)
    print(f"from the file {whole:.0f} patches/s, network alone {alone:.0f}: {whole / alone:.2f}")


if __name__ == "__main__":
    main()
