"""Slides: predict each, compare it with its annotation, write its results, return a text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pcam.errors import DataError
from pcam.runs.folder import read_config

if TYPE_CHECKING:
    from pcam.config.schema import SlideConfig
    from pcam.evaluation.decision import DecisionRule
    from pcam.evaluation.saved_run import SavedRun
    from pcam.slides.agreement import AnnotatedSlide
    from pcam.slides.prepare import PreparedSlide
    from pcam.slides.summary import SlideSummary


def run_slides(config: SlideConfig, folder: Path) -> str:
    """Predict the slides that a config names; write the results and return a text about them.

    Args:
        config: of ``pcam.slide``.
        folder: for the results; each of several slides has a subfolder.

    Raises:
        PcamError: the run or a slide cannot be used.
    """
    read_config(Path(config.run))  # before torch, which takes seconds to import
    from pcam.evaluation.decision import choose_rule
    from pcam.evaluation.saved_run import open_run
    from pcam.slides.annotations import ensure_readable_annotations
    from pcam.slides.files import find_slides
    from pcam.slides.prepare import patch_geometry, prepare_slides

    files = find_slides(config.slide)
    ensure_readable_annotations(config, files.paths)
    run = open_run(Path(config.run))
    slides = prepare_slides(files.paths, patch_geometry(config, run), config.slide_mpp)
    rule = choose_rule(config, run)
    if files.is_single:
        return _run_one(run, slides[0], config, rule, folder)[0]
    named = dict(zip(files.names, slides, strict=True))
    return _run_several(run, named, config, rule, folder)


def _run_one(
    run: SavedRun, prepared: PreparedSlide, config: SlideConfig, rule: DecisionRule, folder: Path
) -> tuple[str, SlideSummary, AnnotatedSlide | None]:
    """Predict a slide and write its results.

    Returns:
        The text about it, its summary, and what is kept of it if it is annotated.
    """
    from pcam.slides.agreement import AnnotatedSlide, measure_agreement
    from pcam.slides.annotations import slide_tumour
    from pcam.slides.measures import measure_slide
    from pcam.slides.output import write_slide
    from pcam.slides.predict import predict_slide
    from pcam.slides.tables import format_agreement, format_slide

    prediction = predict_slide(run, prepared, config, rule, folder)
    tumour = slide_tumour(config, prepared.slide.path, prediction.positive)
    annotated, agreement = None, None
    if tumour is not None:
        annotated = AnnotatedSlide.of(prediction, measure_slide(prediction, tumour))
        slides = {prediction.name: annotated}
        agreement = measure_agreement(slides, config.resamples, config.seed)
    summary = write_slide(prediction, folder, tumour, agreement)
    text = format_slide(prediction, summary) + format_agreement(agreement)
    return text, summary, annotated


def _run_several(
    run: SavedRun,
    slides: dict[str, PreparedSlide],
    config: SlideConfig,
    rule: DecisionRule,
    folder: Path,
) -> str:
    """Predict slides one after the other; one that cannot be used does not stop the others.

    Raises:
        DataError: some slides cannot be used; the results of the others are written.
    """
    from pcam.slides.agreement import measure_agreement
    from pcam.slides.output import write_slides
    from pcam.slides.tables import format_agreement, format_slides

    summaries: dict[str, SlideSummary] = {}
    annotated: dict[str, AnnotatedSlide] = {}
    faults: list[str] = []
    for name, prepared in slides.items():
        try:
            _, summary, kept = _run_one(run, prepared, config, rule, folder / name)
        except DataError as error:
            faults += error.faults
            continue
        summaries[name] = summary
        if kept is not None:
            annotated[name] = kept
    agreement = None
    if annotated:
        agreement = measure_agreement(annotated, config.resamples, config.seed)
    if summaries:
        write_slides(summaries, agreement, folder)
    if faults:
        raise DataError(*faults)
    return format_slides(summaries) + format_agreement(agreement)
