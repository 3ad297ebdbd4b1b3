"""Slides: predict each, compare it with its annotation, write its results, return a text."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pcam.errors import DataError, format_override
from pcam.runs.folder import read_config

if TYPE_CHECKING:
    from pcam.config.schema import SlideConfig
    from pcam.evaluation.decision import DecisionRule
    from pcam.evaluation.saved_run import SavedRun
    from pcam.slides.agreement import AnnotatedSlide
    from pcam.slides.prepare import PatchGeometry
    from pcam.slides.stain import Description
    from pcam.slides.summary import SlideSummary

log = logging.getLogger(__name__)


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
    from pcam.slides.output import ensure_inputs_kept
    from pcam.slides.prepare import ensure_usable, patch_geometry
    from pcam.slides.stain import describe_training

    files = find_slides(config.slide)
    ensure_readable_annotations(config, files.paths)
    run = open_run(Path(config.run))
    geometry = patch_geometry(config, run)
    ensure_usable(files.paths, geometry, config.slide_mpp)
    below = [] if files.is_single else [folder / name for name in files.names]
    ensure_inputs_kept(config, files.paths, [folder, *below])
    rule = choose_rule(config, run)
    log.info(f"if it is stopped, start it again with {format_override('hydra.run.dir', folder)}")
    training = describe_training(run) if config.stain == "compare" else None
    task = _Task(config, run, geometry, rule, training)
    if files.is_single:
        return task.predict(files.paths[0], folder)[0]
    return task.predict_several(dict(zip(files.names, files.paths, strict=True)), folder)


@dataclass(frozen=True)
class _Task:
    """What is the same for all slides of a command.

    Attributes:
        config: of ``pcam.slide``.
        run: the trained network.
        geometry: how patches lie on a slide.
        rule: threshold and temperature.
        training: colour and features of the training slides; None not to compare.
    """

    config: SlideConfig
    run: SavedRun
    geometry: PatchGeometry
    rule: DecisionRule
    training: Description | None

    def predict(self, path: Path, folder: Path) -> tuple[str, SlideSummary, AnnotatedSlide | None]:
        """Predict a slide and write its results.

        Args:
            path: of the slide.
            folder: of its results.

        Returns:
            The text about it, its summary, and what is kept of it if it is annotated.
        """
        from pcam.runs.figures import write_figure
        from pcam.slides.agreement import AnnotatedSlide, measure_agreement
        from pcam.slides.annotations import slide_tumour
        from pcam.slides.explained_patches import draw_explained, explain_highest
        from pcam.slides.measures import measure_slide
        from pcam.slides.output import write_slide
        from pcam.slides.predict import predict_slide
        from pcam.slides.prepare import prepare_slide
        from pcam.slides.tables import format_agreement, format_slide

        config = self.config
        prepared = prepare_slide(path, self.geometry, config.slide_mpp)
        prediction = predict_slide(self.run, prepared, config, self.rule, folder, self.training)
        tumour = slide_tumour(config, path, prediction.positive)
        annotated, agreement = None, None
        if tumour is not None:
            annotated = AnnotatedSlide.of(prediction, measure_slide(prediction, tumour))
            slides = {prediction.name: annotated}
            agreement = measure_agreement(slides, config.resamples, config.seed)
        summary = write_slide(prediction, folder, tumour, agreement)
        (folder / "attribution.png").unlink(missing_ok=True)  # of an earlier command
        if config.attribute:
            explained = explain_highest(prediction, config.attribute)
            picture = draw_explained(explained, prepared.view.scale)
            write_figure(folder / "attribution.png", picture)
        text = format_slide(prediction, summary) + format_agreement(agreement)
        return text, summary, annotated

    def predict_several(self, slides: dict[str, Path], folder: Path) -> str:
        """Predict slides one after the other; one that cannot be used does not stop the others.

        Args:
            slides: the file of each slide, by its name.
            folder: of the command's results.

        Returns:
            The table of all slides.

        Raises:
            DataError: some slides cannot be used; the results of the others are written.
        """
        from pcam.slides.agreement import measure_agreement
        from pcam.slides.output import write_slides
        from pcam.slides.tables import format_agreement, format_slides

        summaries: dict[str, SlideSummary] = {}
        annotated: dict[str, AnnotatedSlide] = {}
        faults: list[str] = []
        for name, path in slides.items():
            try:
                _, summary, kept = self.predict(path, folder / name)
            except DataError as error:
                faults += error.faults
                continue
            summaries[name] = summary
            if kept is not None:
                annotated[name] = kept
        agreement = None
        if annotated:
            agreement = measure_agreement(annotated, self.config.resamples, self.config.seed)
        if summaries:
            write_slides(summaries, agreement, folder)
        if faults:
            if summaries:
                log.info(format_slides(summaries) + format_agreement(agreement))
            raise DataError(*faults)
        return format_slides(summaries) + format_agreement(agreement)
