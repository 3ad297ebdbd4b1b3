"""What a large slide takes, by its parts: seconds and the largest memory so far.

python -m benchmarks.large_slide RUN                  100,000 x 100,000 pixels of 0.243 micrometres

All is done as by ``pcam.slide``, but for the network: it scores the first patches only, and its
seconds for all of them are calculated from these. The other patches have log-odds of smooth noise,
so that the map has regions.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from benchmarks.machine import describe_machine
from benchmarks.slides import GEOMETRY, write_slide
from pcam.evaluation.decision import DecisionRule
from pcam.evaluation.inference import iterate_source
from pcam.evaluation.saved_run import SavedRun, crop_for_split, open_run
from pcam.slides.grid import Floats, Grid, Places
from pcam.slides.output import write_slide as write_results
from pcam.slides.predict import SlidePrediction
from pcam.slides.prepare import PreparedSlide, Tissue, locate_tissue, prepare_slide
from pcam.slides.source import SlideSource

SMOOTHING = 8  # cells; standard deviation of the Gaussian over the noise


@contextmanager
def measured(part: str) -> Iterator[None]:
    """Print the seconds of a part, and the largest memory since the start."""
    start = time.perf_counter()
    yield
    seconds = time.perf_counter() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(f"{part:<40}{seconds:>9.1f} s{memory:>9,.0f} MB", flush=True)


def score_first(run: SavedRun, prepared: PreparedSlide, places: Places) -> None:
    """Score patches from the file, as ``pcam.slide`` does."""
    source = SlideSource(prepared.view, prepared.grid, places)
    crop = crop_for_split(run.config, "test")
    for _ in iterate_source(run.model, source, crop, run.config.data.batch_size, 0):
        pass


def invent_scores(grid: Grid, places: Places) -> Floats:
    """Return log-odds of smooth noise, (N,)."""
    noise = np.random.default_rng(0).standard_normal((grid.rows, grid.columns))
    smooth = ndimage.gaussian_filter(noise, SMOOTHING)
    scores: Floats = 4 * smooth[places[:, 0], places[:, 1]] / smooth.std() - 4
    return scores


def main() -> None:
    """Print what each part takes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--side", type=int, default=100_000)
    parser.add_argument("--mpp", type=float, default=0.243)
    parser.add_argument("--patches", type=int, default=1024)
    options = parser.parse_args()
    print(describe_machine(torch.device("cpu")))
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "slide.tif"
        write_slide(path, options.side, options.mpp)
        measure(options.run, path, options.patches)


def measure(folder: Path, path: Path, first: int) -> None:
    """Predict a slide part by part.

    Args:
        folder: of the run.
        path: of the slide.
        first: how many patches the network scores.
    """
    with measured("open the run"):
        run = open_run(folder)
    with measured("open the slide"):
        prepared = prepare_slide(path, GEOMETRY, None)
    with measured("find the tissue and the patches"):
        tissue = locate_tissue(prepared, "otsu")
    places = tissue.places
    start = time.perf_counter()
    with measured(f"score {first:,} of {len(places):,} patches"):
        score_first(run, prepared, places[:first])
    rate = first / (time.perf_counter() - start)
    with measured("map, regions and files"):
        write_all(run, prepared, tissue, path.parent)
    print(f"at {rate:.0f} patches/s, all patches take {len(places) / rate / 60:.0f} minutes")


def write_all(run: SavedRun, prepared: PreparedSlide, tissue: Tissue, folder: Path) -> None:
    """Write the results of a slide whose scores are noise."""
    scores = invent_scores(prepared.grid, tissue.places)
    rule = DecisionRule.fixed(0.5)
    prediction = SlidePrediction(run, prepared, tissue, scores, rule, "none", 50.0, None)
    summary = write_results(prediction, folder)
    print(f"  {summary['regions']:,} regions, {summary['called_share']:.0%} of the tissue called")


if __name__ == "__main__":
    main()
