"""What a prediction of a slide leaves in a folder."""

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from pcam.config.classes import UNNAMED
from pcam.runs.figures import write_figure
from pcam.runs.files import replaced_file, write_csv, write_file, write_json
from pcam.slides.geojson import format_regions
from pcam.slides.heatmap import draw_heatmap
from pcam.slides.predict import SlidePrediction
from pcam.slides.probability_tiff import probability_tiff
from pcam.slides.regions import find_regions
from pcam.slides.summary import SlideSummary, summarize_slide

COLUMNS = ("x", "y", "probability", "logit")
TABLE_COLUMNS = (
    *("slide", "patches", "tissue_area", "called_share", "called_area", "regions"),
    *("largest_region", "highest_probability"),
)
ROWS_AT_ONCE = 100_000


def write_slide(prediction: SlidePrediction, folder: Path) -> SlideSummary:
    """Write patches.csv, probability.tif, regions.geojson, heatmap.png and summary.json.

    Args:
        prediction: of one slide.
        folder: of its results.

    Returns:
        The content of summary.json.

    Raises:
        WriteError: a file cannot be written.
    """
    prepared = prediction.prepared
    grid, slide_mpp = prepared.grid, prepared.slide_mpp
    positive = (prediction.run.classes or UNNAMED)[1]
    regions = find_regions(prediction.called, prediction.map, grid, slide_mpp)
    summary = summarize_slide(prediction, regions)
    write_patches(prediction, folder / "patches.csv")
    tiff = probability_tiff(prediction.map, grid.stride * prepared.view.mpp)
    write_file(folder / "probability.tif", tiff)
    write_file(folder / "regions.geojson", format_regions(regions, prediction.name, positive))
    write_figure(folder / "heatmap.png", draw_heatmap(prediction))
    write_json(folder / "summary.json", {**summary})
    return summary


def write_patches(prediction: SlidePrediction, path: Path) -> None:
    """Write a csv of the patches: x and y of the upper left corner at level 0, and the score.

    Args:
        prediction: of one slide.
        path: of the file.

    Raises:
        WriteError: it cannot be written.
    """
    with replaced_file(path) as file:
        for text in _csv_parts(prediction):
            file.write(text.encode())


def _csv_parts(prediction: SlidePrediction) -> Iterator[str]:
    """Yield the text of patches.csv in parts of bounded size."""
    grid, places = prediction.prepared.grid, prediction.tissue.places
    yield ",".join(COLUMNS) + "\n"
    for start in range(0, len(places), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        corners = np.rint(grid.corners(places[part]) * grid.scale).astype(np.int64)
        columns = (
            corners[:, 1].tolist(),
            corners[:, 0].tolist(),
            prediction.probability[part].tolist(),
            prediction.logit[part].tolist(),
        )
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="\n").writerows(zip(*columns, strict=True))
        yield buffer.getvalue()


def write_table(summaries: Mapping[str, SlideSummary], folder: Path) -> None:
    """Write slides.csv, a row per slide.

    Args:
        summaries: of the slides, by name.
        folder: of the command's results.
    """
    rows = [slide_row(name, summary) for name, summary in summaries.items()]
    write_csv(folder / "slides.csv", TABLE_COLUMNS, rows)


def slide_row(name: str, summary: SlideSummary) -> list[object]:
    """Return a slide's row of slides.csv."""
    values: Mapping[str, object] = {**summary, "slide": name}
    return [values[column] for column in TABLE_COLUMNS]
