"""Slides: predict each, write its results, return what to print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pcam.errors import DataError
from pcam.runs.folder import read_config

if TYPE_CHECKING:
    from pcam.config.schema import SlideConfig


def run_slides(config: SlideConfig, folder: Path) -> str:
    """Predict the slides that a config names; write the results and return a text about them.

    A slide of several that cannot be predicted does not keep the others from it.

    Args:
        config: of ``pcam.slide``.
        folder: for the results; each of several slides has a subfolder.

    Raises:
        PcamError: the run or a slide cannot be used.
    """
    read_config(Path(config.run))  # before torch, which takes seconds to import
    from pcam.evaluation.decision import choose_rule
    from pcam.evaluation.saved_run import open_run
    from pcam.slides.files import find_slides
    from pcam.slides.output import write_slide, write_table
    from pcam.slides.predict import predict_slide
    from pcam.slides.prepare import patch_geometry, prepare_slides
    from pcam.slides.tables import format_slide, format_slides

    files = find_slides(config.slide)
    run = open_run(Path(config.run))
    slides = prepare_slides(files.paths, patch_geometry(config, run), config.slide_mpp)
    rule = choose_rule(config, run)
    if files.is_single:
        prediction = predict_slide(run, slides[0], config, rule, folder)
        return format_slide(prediction, write_slide(prediction, folder))
    summaries = {}
    faults: list[str] = []
    for name, prepared in zip(files.names, slides, strict=True):
        try:
            prediction = predict_slide(run, prepared, config, rule, folder / name)
            summaries[name] = write_slide(prediction, folder / name)
        except DataError as error:
            faults += error.faults
    if summaries:
        write_table(summaries, folder)
    if faults:
        raise DataError(*faults)
    return format_slides(summaries)
