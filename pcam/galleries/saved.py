"""The gallery of a run whose predictions are in a file, so that no patch is scored again."""

from pathlib import Path

from pcam.config.classes import UNNAMED
from pcam.data.base import PatchSource, describe_source
from pcam.data.provider import source_provider
from pcam.errors import DataError
from pcam.evaluation.asked_split import match_run
from pcam.evaluation.decision import DecisionRule
from pcam.evaluation.predictions import Predictions
from pcam.evaluation.saved_run import crop_for_split, open_run, open_split
from pcam.galleries.gallery import Gallery, GallerySubject, build_gallery, known_stain
from pcam.galleries.groups import ScoredPatches
from pcam.training.library_errors import memory_errors_reported

RULE = DecisionRule.fixed(0.5)  # of the figures that a training writes


@memory_errors_reported()
def gallery_of_predictions(
    folder: Path, split: str, predictions: Predictions, count: int
) -> Gallery:
    """Build the gallery of a run.

    Args:
        folder: of the run.
        split: of the predictions.
        predictions: that the training wrote, with labels.
        count: patches of a group, at most.

    Raises:
        PcamError: the run or its data cannot be read now, they are of other patches, or no memory
            is left.
    """
    run = open_run(folder)
    data = match_run(run, run.config.data, None)
    source = open_split(data, run.config.splits, run.config.seed, split)
    scored = _align(source, predictions)
    classes = run.classes or UNNAMED
    subject = GallerySubject(
        title=f"Gallery: {run.label} on {data.name}, {split}",
        facts=[
            ("run", str(folder)),
            ("patches", describe_source(source, classes, run.config.scale)),
            ("called from", RULE.description),
        ],
        classes=classes,
        centre_labelled=source_provider(data).centre_labelled,
    )
    return build_gallery(run, source, crop_for_split(run.config, split), scored, subject, count)


def _align(source: PatchSource, predictions: Predictions) -> ScoredPatches:
    """Return predictions in the order of the patches.

    Raises:
        DataError: they are of other patches, or of other labels.
    """
    same = set(source.ids) == set(predictions.ids)
    if same:
        predictions = predictions.reorder(source.ids)
    labels = predictions.label
    if not same or labels is None or source.labels is None or (labels != source.labels).any():
        raise DataError(f"{predictions.path} is not of the patches that the run's data has now")
    return ScoredPatches(
        ids=source.ids,
        label=labels,
        logit=predictions.logit,
        threshold=RULE.logit,
        slides=source.groups,
        stain=known_stain(source),
    )
