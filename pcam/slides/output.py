"""What a prediction of a slide leaves in a folder."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pcam.config.schema import SlideConfig
from pcam.errors import RunError
from pcam.runs.figures import write_figure
from pcam.runs.files import read_json, replaced_file, write_csv, write_file, write_json
from pcam.slides.agreement import Agreement
from pcam.slides.geojson import format_regions
from pcam.slides.heatmap import draw_heatmap
from pcam.slides.predict import SlidePrediction
from pcam.slides.probability_tiff import probability_tiff
from pcam.slides.regions import find_regions
from pcam.slides.summary import SlideSummary, summarize_slide

if TYPE_CHECKING:
    from shapely import Geometry

COLUMNS = ("x", "y", "probability", "logit")
TABLE_COLUMNS = (
    *("slide", "patches", "tissue_area", "called_share", "called_area", "regions"),
    *("largest_region", "highest_probability"),
)
RESULTS = ("heatmap.png", "probability.tif", "regions.geojson", "patches.csv", "attribution.png")
ROWS_AT_ONCE = 100_000


def ensure_inputs_kept(
    config: SlideConfig, slides: Sequence[Path], folders: Sequence[Path]
) -> None:
    """Make sure that no result replaces a slide, an annotation, or what another command wrote.

    Args:
        config: of ``pcam.slide``.
        slides: the files of all slides.
        folders: of their results.

    Raises:
        RunError: one would.
    """
    inputs = {path.resolve() for path in slides}
    annotations = None if config.annotations is None else Path(config.annotations)
    if annotations is not None and annotations.is_dir():
        inputs |= {path.resolve() for path in annotations.iterdir()}
    elif annotations is not None:
        inputs.add(annotations.resolve())
    for folder in folders:
        for name in RESULTS:
            if (folder / name).resolve() in inputs:
                raise RunError(
                    f"{folder / name} is given to the command, which would replace it; set another"
                    " hydra.run.dir"
                )
        summary = read_json(folder / "summary.json")
        if summary is not None and not {"slide", "slides"} & summary.keys():
            raise RunError(
                f"{folder}/summary.json is of another command; set another hydra.run.dir"
            )


def write_slide(
    prediction: SlidePrediction,
    folder: Path,
    tumour: "Geometry | None" = None,
    agreement: Agreement | None = None,
) -> SlideSummary:
    """Write patches.csv, probability.tif, regions.geojson, heatmap.png and summary.json.

    Args:
        prediction: of one slide.
        folder: of its results.
        tumour: its annotation, pixels of level 0; None without one.
        agreement: of map and annotation.

    Returns:
        The content of summary.json.

    Raises:
        WriteError: a file cannot be written.
    """
    prepared = prediction.prepared
    grid, slide_mpp = prepared.grid, prepared.slide_mpp
    positive = prediction.positive
    regions = find_regions(prediction.called, prediction.map, grid, slide_mpp)
    summary = summarize_slide(prediction, regions, agreement)
    write_patches(prediction, folder / "patches.csv")
    tiff = probability_tiff(prediction.map, grid.stride * prepared.view.mpp)
    write_file(folder / "probability.tif", tiff)
    write_file(folder / "regions.geojson", format_regions(regions, prediction.name, positive))
    write_figure(folder / "heatmap.png", draw_heatmap(prediction, regions, tumour))
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


def write_slides(
    summaries: Mapping[str, SlideSummary], agreement: Agreement | None, folder: Path
) -> None:
    """Write slides.csv, a row per slide, and summary.json of all of them.

    Args:
        summaries: of the slides, by name.
        agreement: of the maps with their annotations; None without any.
        folder: of the command's results.
    """
    rows = [slide_row(name, summary) for name, summary in summaries.items()]
    write_csv(folder / "slides.csv", TABLE_COLUMNS, rows)
    annotation = None if agreement is None else agreement.as_dict()
    write_json(folder / "summary.json", {"slides": list(summaries), "annotation": annotation})


def slide_row(name: str, summary: SlideSummary) -> list[object]:
    """Return a slide's row of slides.csv."""
    values: Mapping[str, object] = {**summary, "slide": name}
    return [values[column] for column in TABLE_COLUMNS]
