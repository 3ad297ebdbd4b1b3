"""What summary.json says of a slide."""

from typing import TypedDict

import numpy as np

from pcam.runs.provenance import code_commit, library_versions
from pcam.slides.agreement import Agreement
from pcam.slides.predict import SlidePrediction
from pcam.slides.regions import Region

READERS = ("openslide-python", "openslide-bin", "tifffile", "shapely")  # of the extra ``slide``


class SlideSummary(TypedDict):
    """The content of a slide's summary.json; areas are in square millimetres.

    Attributes:
        slide: name of its file.
        run: the run folder.
        scale: of the training; "full" unless it was a smaller trial.
        positive: name of the class that probabilities are of.
        size: width and height, pixels of level 0.
        mpp: micrometres per pixel, of level 0 (slide) and of the patches.
        level: number of the level that was read.
        patch: side, centre and stride, pixels of the patches; side_at_level_0, pixels of level 0.
        patches: how many were predicted.
        tissue_area: area of the tissue.
        called_share: share of the cells with tissue that are called positive.
        called_area: area of all regions.
        regions: how many there are.
        largest_region: area of the largest; 0 without any.
        highest_probability: of any cell.
        tta: test-time augmentation.
        smoothing: of the map, micrometres.
        threshold: its value, and how it was chosen.
        temperature: the number that divided the log-odds.
        stain: distance from the training slides in colour and features, in standard deviations,
            with its percentile among them; None if it is not compared.
        annotation: how the map agrees with it; None without one.
        versions: of the libraries.
        commit: of the code.
    """

    slide: str
    run: str
    scale: str
    positive: str
    size: dict[str, int]
    mpp: dict[str, float]
    level: int
    patch: dict[str, float]
    patches: int
    tissue_area: float
    called_share: float
    called_area: float
    regions: int
    largest_region: float
    highest_probability: float
    tta: str
    smoothing: float
    threshold: dict[str, float | str]
    temperature: float
    stain: dict[str, dict[str, float]] | None
    annotation: dict[str, object] | None
    versions: dict[str, str]
    commit: str | None


def summarize_slide(
    prediction: SlidePrediction, regions: list[Region], agreement: Agreement | None
) -> SlideSummary:
    """Return the content of a slide's summary.json.

    Args:
        prediction: of the slide.
        regions: that are called positive, the largest first.
        agreement: with the slide's annotation; None without one.
    """
    prepared, tissue, rule = prediction.prepared, prediction.tissue, prediction.rule
    slide, view, grid = prepared.slide, prepared.view, prepared.grid
    called = prediction.called & tissue.cells
    return {
        "slide": slide.path.name,
        "run": str(prediction.run.folder),
        "scale": prediction.run.config.scale,
        "positive": prediction.positive,
        "size": {"width": slide.width, "height": slide.height},
        "mpp": {"slide": prepared.slide_mpp, "patches": view.mpp},
        "level": view.level,
        "patch": {
            "side": grid.patch,
            "centre": grid.centre,
            "stride": grid.stride,
            "side_at_level_0": grid.patch * grid.scale,
        },
        "patches": len(tissue.places),
        "tissue_area": tissue.area,
        "called_share": float(called.sum() / tissue.cells.sum()),
        "called_area": float(sum(region.area for region in regions)),
        "regions": len(regions),
        "largest_region": regions[0].area if regions else 0.0,
        "highest_probability": float(np.nanmax(prediction.map)),
        "tta": prediction.tta,
        "smoothing": prediction.smoothing,
        "threshold": {"value": rule.threshold, "chosen": rule.description},
        "temperature": rule.temperature,
        "stain": _summarize_stain(prediction),
        "annotation": None if agreement is None else agreement.as_dict(),
        "versions": library_versions(*READERS),
        "commit": code_commit(),
    }


def _summarize_stain(prediction: SlidePrediction) -> dict[str, dict[str, float]] | None:
    if prediction.stain is None:
        return None
    return {
        name: {"value": distance.value, "percentile": distance.percentile}
        for name, distance in prediction.stain.items()
    }
