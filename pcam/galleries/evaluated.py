"""The gallery of an evaluation."""

import logging
from pathlib import Path

from pcam.data.base import describe_source
from pcam.errors import PcamError
from pcam.evaluation.evaluate import Evaluation
from pcam.evaluation.saved_run import SavedRun, crop_for_split
from pcam.galleries.gallery import Gallery, GallerySubject, build_gallery, known_stain
from pcam.galleries.groups import ScoredPatches
from pcam.galleries.output import delete_gallery, write_gallery
from pcam.training.library_errors import memory_errors_reported

log = logging.getLogger(__name__)


def replace_gallery(run: SavedRun, evaluation: Evaluation, count: int, folder: Path) -> list[Path]:
    """Write the gallery of an evaluation in place of an earlier one.

    The evaluation is finished without it: what the gallery fails by is a warning.

    Args:
        run: the evaluated run.
        evaluation: of it.
        count: patches of a group, at most; 0 for no gallery.
        folder: of the evaluation.

    Returns:
        The page, if there is one.
    """
    delete_gallery(folder)
    if not count:
        return []
    try:
        with memory_errors_reported():
            gallery = gallery_of_evaluation(run, evaluation, count)
            return [write_gallery(gallery, folder)]
    except PcamError as error:
        delete_gallery(folder)
        log.warning(f"no gallery: {'; '.join(error.faults)}; gallery=0")
        return []


def gallery_of_evaluation(run: SavedRun, evaluation: Evaluation, count: int) -> Gallery:
    """Build the gallery of an evaluation.

    Args:
        run: the evaluated run.
        evaluation: of it.
        count: patches of a group, at most.
    """
    source = evaluation.source
    scored = ScoredPatches(
        ids=source.ids,
        label=evaluation.label,
        logit=evaluation.logit,
        threshold=evaluation.rule.logit,
        slides=source.groups,
        stain=known_stain(source),
    )
    subject = GallerySubject(
        title=f"Gallery: {evaluation.network} on {evaluation.data}, {evaluation.split}",
        facts=_facts(evaluation),
        classes=evaluation.classes,
        centre_labelled=evaluation.centre_labelled,
    )
    crop = crop_for_split(run.config, evaluation.split)
    return build_gallery(run, source, crop, scored, subject, count)


def _facts(evaluation: Evaluation) -> list[tuple[str, str]]:
    """Return what a reader must know of an evaluation."""
    patches = describe_source(evaluation.source, evaluation.classes, evaluation.scale)
    facts = [
        ("run", str(evaluation.run)),
        ("patches", patches),
        ("called from", evaluation.rule.description),
    ]
    if evaluation.tta != "none":
        shown = f"probabilities are means over symmetries (tta={evaluation.tta}), maps are not"
        facts.append(("symmetries", shown))
    temperature = evaluation.rule.temperature
    if temperature != 1:
        shown = f"log-odds are divided by {temperature:.3f}, maps are of the uncalibrated log-odds"
        facts.append(("calibration", shown))
    return facts
