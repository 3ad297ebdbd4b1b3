"""The map of a slide: the answers of a trained network on a grid of patches."""

import hashlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy.special import expit

from pcam.config.classes import UNNAMED
from pcam.config.schema import SlideConfig
from pcam.data.base import Masks
from pcam.evaluation.decision import DecisionRule
from pcam.evaluation.inference import average_views, iterate_source
from pcam.evaluation.saved_run import SavedRun, crop_for_split
from pcam.evaluation.scoring_network import choose_batch_size
from pcam.models.scores import ensure_finite_scores
from pcam.runs.folder import best_checkpoint
from pcam.slides.grid import Floats, smooth_map
from pcam.slides.prepare import PreparedSlide, Tissue, locate_tissue
from pcam.slides.score_store import Plan, ScoreStore
from pcam.slides.source import SlideSource
from pcam.slides.stain import Description, Distance, compare_stain
from pcam.stats.formatting import format_warning, pluralize

PART = 4096  # patches of a stored file of scores, if they are scored in PART_SECONDS
SAMPLES, SAMPLE = 64, 65_536  # parts of a slide's file that tell it from others, and their bytes

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SlidePrediction:
    """What a run predicts for a slide.

    Attributes:
        run: the run.
        prepared: the slide and its grid.
        tissue: where it has tissue, and which patches are predicted.
        logit: float64 (N,), log-odds of each patch, after calibration.
        rule: threshold and temperature.
        tta: the test-time augmentation.
        smoothing: standard deviation of the Gaussian over the map, micrometres.
        stain: how far the slide is from the training slides, "colour" and "features"; None if it
            is not compared.
    """

    run: SavedRun
    prepared: PreparedSlide
    tissue: Tissue
    logit: Floats
    rule: DecisionRule
    tta: str
    smoothing: float
    stain: dict[str, Distance] | None

    @property
    def name(self) -> str:
        """The slide's name: its file's, without the ending."""
        return self.prepared.slide.path.stem

    @property
    def positive(self) -> str:
        """Name of the class that probabilities are of."""
        return (self.run.classes or UNNAMED)[1]

    @cached_property
    def probability(self) -> Floats:
        """The probability of the positive class for each patch, float64 (N,)."""
        return np.asarray(expit(self.logit))

    @cached_property
    def map(self) -> Floats:
        """The smoothed probability of each cell, float64 (rows, columns); NaN without an answer."""
        grid, mpp = self.prepared.grid, self.prepared.view.mpp
        means = grid.cell_means(self.tissue.places, self.probability)
        return smooth_map(means, self.smoothing / (grid.stride * mpp))

    @cached_property
    def called(self) -> Masks:
        """Which cells are called positive, bool (rows, columns)."""
        return np.nan_to_num(self.map, nan=-1.0) >= self.rule.threshold


def predict_slide(
    run: SavedRun,
    prepared: PreparedSlide,
    config: SlideConfig,
    rule: DecisionRule,
    folder: Path,
    training: Description | None,
) -> SlidePrediction:
    """Predict a slide; scores are stored as they come, and those that are stored are not repeated.

    Args:
        run: the trained network.
        prepared: the slide.
        config: the config of ``pcam.slide``.
        rule: threshold and temperature.
        folder: of the slide's results.
        training: colour and features of the training slides; None not to compare.

    Raises:
        DataError: the slide is damaged, or has no tissue.
        NotFiniteError: the network's output is not finite.
        RunError: the folder has scores of another slide, run or grid.
    """
    if prepared.view.is_enlarged:
        log.warning(format_warning(_describe_enlarged(prepared, config.mpp)))
    tissue = locate_tissue(prepared, config.tissue)
    source = SlideSource(prepared.view, prepared.grid, tissue.places)
    stain = None if training is None else compare_stain(run, source, training)
    batch_size = config.data.batch_size or run.config.data.batch_size
    at_once = choose_batch_size(run.model, batch_size)
    part = at_once * -(-PART // at_once)
    plan = _plan(run, source, config.tta, at_once)
    store = ScoreStore(folder, plan, len(source), part)
    log.info(_describe_start(prepared, store))
    if store.done < store.size:
        store.fill(_score(run, source.after(store.done), config, batch_size, store.done))
    logit = store.scores() / rule.temperature
    return SlidePrediction(run, prepared, tissue, logit, rule, config.tta, config.smoothing, stain)


def _score(
    run: SavedRun, source: SlideSource, config: SlideConfig, batch_size: int, done: int
) -> Iterator[Floats]:
    """Yield the log-odds of patches, a batch at a time, by the inference of all commands."""
    num_workers = config.data.num_workers
    data = run.config.data
    batches = iterate_source(
        run.model,
        source,
        crop_for_split(run.config, "test"),
        batch_size,
        data.num_workers if num_workers is None else num_workers,
        config.tta,
        data.worker_timeout,
        done,
    )
    first = 0
    for views in batches:
        worst = views.sum(axis=0)  # not finite if one view is not
        index = np.arange(first, first + len(worst))
        if not np.isfinite(worst).all():
            ensure_finite_scores("scoring", index, worst, source.ids)
        first += len(index)
        yield average_views(views)


def _plan(run: SavedRun, source: SlideSource, tta: str, batch_size: int) -> Plan:
    """Return what the scores of a slide depend on."""
    path = source.view.slide.path
    grid = source.grid
    places = hashlib.sha256(np.ascontiguousarray(source.places).tobytes())
    with best_checkpoint(run.folder).open("rb") as file:
        checkpoint = hashlib.file_digest(file, "sha256")
    return {
        "slide": path.name,
        "bytes": path.stat().st_size,
        "content": digest_of_samples(path),
        "checkpoint": checkpoint.hexdigest(),
        "patch": grid.patch,
        "centre": grid.centre,
        "stride": grid.stride,
        "mpp": source.view.mpp,
        "tissue": places.hexdigest(),
        "tta": tta,
        "batch_size": batch_size,
    }


def digest_of_samples(path: Path) -> str:
    """Return the SHA-256 of parts of a file, evenly spread: a slide has gigabytes.

    Args:
        path: of the file.
    """
    size = path.stat().st_size
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for start in np.linspace(0, max(0, size - SAMPLE), SAMPLES).astype(np.int64):
            file.seek(int(start))
            digest.update(file.read(SAMPLE))
    return digest.hexdigest()


def _describe_enlarged(prepared: PreparedSlide, mpp: float) -> str:
    return (
        f"{prepared.slide.path} has {prepared.slide_mpp:.4g} micrometres per pixel, more than the"
        f" run's patches ({mpp:.4g}): it is enlarged, and less sharp than what the run was"
        " trained on"
    )


def _describe_start(prepared: PreparedSlide, store: ScoreStore) -> str:
    """Return how many patches there are, and how many are scored already."""
    path = prepared.slide.path
    if store.done:
        return f"{path}: {store.done:,} of {pluralize(store.size, 'patch')} are scored already"
    return f"{path}: {pluralize(store.size, 'patch')}"
