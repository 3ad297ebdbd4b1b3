"""How far a slide's stain is from that of the training patches: in colour, and in features."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from pcam.data.base import Indices, PatchSource, Pixels
from pcam.data.stain import mean_density
from pcam.errors import PcamError
from pcam.evaluation.inference import predict_logits
from pcam.evaluation.saved_run import SavedRun, crop_for_split, open_split
from pcam.slides.grid import Floats
from pcam.slides.source import SlideSource
from pcam.stats.formatting import format_warning

log = logging.getLogger(__name__)

MOST_SLIDES = 32  # of the training
PER_SLIDE = 16  # patches of each
OF_SLIDE = 128  # patches of the slide itself
LEAST_SLIDES = 4  # fewer have no spread
FAR = 1.5  # times the distance of the training slide that is farthest from the others
BATCH = 64


@dataclass(frozen=True)
class Distance:
    """How far a slide is from the training slides.

    Attributes:
        value: root mean square of its differences from their mean, in their standard deviations.
        percentile: share of the training slides that are nearer to the others, 0 to 100.
        is_far: whether it is much farther than every training slide.
    """

    value: float
    percentile: float
    is_far: bool


@dataclass(frozen=True)
class Description:
    """Mean colour and features of slides.

    Attributes:
        colour: float64 (S, 3), optical density of red, green and blue, without glass.
        features: float64 (S, F), of the network's last layer before the head.
    """

    colour: Floats
    features: Floats


def describe_training(run: SavedRun) -> Description | None:
    """Return colour and features of a run's training slides.

    Returns:
        None if the patches are not there any more, or their slides are not known or too few.
    """
    config = run.config
    try:
        train = open_split(config.data, config.splits, config.seed, "train")
    except PcamError as error:
        log.info(f"the stain is not compared with the training's: {error.faults[0]}")
        return None
    groups = train.groups
    names = [] if groups is None else sorted(set(groups))
    if groups is None or len(names) < LEAST_SLIDES:
        log.info("the stain is not compared with the training's: its slides are not known")
        return None
    chosen = [names[number] for number in spread(len(names), MOST_SLIDES)]
    slides = np.asarray(groups)
    parts = [_describe(run, train, np.flatnonzero(slides == name), PER_SLIDE) for name in chosen]
    return Description(
        np.concatenate([part.colour for part in parts]),
        np.concatenate([part.features for part in parts]),
    )


def compare_stain(run: SavedRun, source: SlideSource, training: Description) -> dict[str, Distance]:
    """Return how far a slide is from the training slides in colour and features; warn if far.

    Args:
        run: the trained network.
        source: the slide's patches.
        training: what the training slides are like.
    """
    slide = _describe(run, source, np.arange(len(source)), OF_SLIDE)
    distances = {
        "colour": distance_from(training.colour, slide.colour[0]),
        "features": distance_from(training.features, slide.features[0]),
    }
    far = [name for name, distance in distances.items() if distance.is_far]
    if far:
        log.warning(
            format_warning(
                f"{source.view.slide.path}: its {' and '.join(far)} are farther from the training"
                " slides than these are from each other; its probabilities may be wrong"
            )
        )
    return distances


def distance_from(training: Floats, slide: Floats) -> Distance:
    """Return how far a slide is from the training slides.

    Args:
        training: (S, D), a row per training slide.
        slide: (D,).
    """
    value = _distance(training, slide)
    others = [
        _distance(np.delete(training, number, axis=0), row) for number, row in enumerate(training)
    ]
    nearer = float(np.mean(np.array(others) < value))
    return Distance(value, 100 * nearer, value > FAR * max(others))


def _distance(training: Floats, slide: Floats) -> float:
    spread_of_each = training.std(axis=0, ddof=1)
    varied = spread_of_each > 1e-9
    if not varied.any():
        return 0.0
    steps = (slide - training.mean(axis=0))[varied] / spread_of_each[varied]
    return float(np.sqrt(np.mean(steps**2)))


def spread(count: int, most: int) -> Indices:
    """Return at most ``most`` numbers below ``count``, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def _describe(run: SavedRun, source: PatchSource, indices: Indices, most: int) -> Description:
    """Return the mean colour and features of some patches of a source, one row each."""
    chosen = indices[spread(len(indices), most)]
    patches = source.read(chosen)
    crop = crop_for_split(run.config, "test")
    cropped = np.ascontiguousarray(crop(patches, np.arange(len(patches)), 0))
    features = mean_features(run, cropped)
    return Description(mean_density(patches)[None], features[None])


def mean_features(run: SavedRun, patches: Pixels) -> Floats:
    """Return the mean of the features that the network's head gets, float64 (F,).

    Args:
        run: the trained network.
        patches: uint8 (N, H, W, 3), cropped.
    """
    parts: list[Floats] = []

    def keep(head: nn.Module, inputs: Sequence[Tensor]) -> None:
        parts.append(inputs[0].double().cpu().numpy())

    hook = run.model.network.head.register_forward_pre_hook(keep)
    try:
        predict_logits(run.model, patches, BATCH)
    finally:
        hook.remove()
    return np.asarray(np.concatenate(parts).mean(axis=0), np.float64)
