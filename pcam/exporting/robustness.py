"""How much a network's answers change with what a diagnosis does not depend on.

Patches of valid are turned and mirrored, shifted, and stained more or less; the model card says how
many are then called otherwise, and by how much the AUROC changes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from pcam.data.augment.stains import change_stains
from pcam.data.base import PatchSource, Pixels
from pcam.data.crop import Crop
from pcam.data.symmetries import Symmetry, rotate
from pcam.evaluation.decision import DecisionRule
from pcam.evaluation.inference import TTA, predict_logits
from pcam.evaluation.saved_run import SavedRun, crop_for_split
from pcam.position_bias.views import View
from pcam.slides.stain import spread
from pcam.stats.compare import paired_difference
from pcam.stats.intervals import Interval, bootstrap_mean
from pcam.stats.logodds import mean_probability
from pcam.stats.metrics import Floats

SHIFT = 12  # a patch is shifted by one of this many parts of its side: 8 of 96 pixels
STAIN = 0.2  # the amount of a stain changes by this share
DIRECTIONS = np.array([(0, 1), (1, 0), (0, -1), (-1, 0)])  # rows down, columns to the right


@dataclass(frozen=True)
class Robustness:
    """How answers change with one change of the patches.

    Attributes:
        change: what is done to each patch.
        called_otherwise: share of the patches that are then called another class.
        auroc: its difference, changed less unchanged.
    """

    change: str
    called_otherwise: Interval
    auroc: Interval


def measure_robustness(
    run: SavedRun, valid: PatchSource, rule: DecisionRule, count: int
) -> list[Robustness]:
    """Measure how a run's answers for patches of valid change with each change of the patches.

    Args:
        run: the run.
        valid: its patches, with labels.
        rule: the threshold from which a patch is called positive.
        count: how many patches, evenly spread over valid.
    """
    indices = spread(len(valid), count)
    patches = valid.read(indices)
    assert valid.labels is not None
    labels = valid.labels[indices]
    slides = None if valid.groups is None else [valid.groups[int(index)] for index in indices]
    crop = crop_for_split(run.config, "test")
    before = _score(run, crop, patches)
    answers = {name: _score(run, crop, changed) for name, changed in changed_patches(patches)}
    count_of_views = len(_symmetries(patches))
    answers[f"mean of {count_of_views} symmetries (tta)"] = _average(run, crop, patches)
    rows = []
    threshold = rule.logit * rule.temperature  # of log-odds that are not calibrated
    for name, after in answers.items():
        changed = (after >= threshold) != (before >= threshold)
        share = bootstrap_mean(changed.astype(np.float64), slides, bounded=True)
        auroc = paired_difference(after, before, labels, slides, log_odds=True, metrics=("auroc",))[
            "auroc"
        ]
        rows.append(Robustness(name, share, auroc))
    return rows


def _symmetries(patches: Pixels) -> tuple[Symmetry, ...]:
    """Return the symmetries that keep the shape of patches, the one that changes nothing first."""
    return TTA["d4" if patches.shape[1] == patches.shape[2] else "flips"]


def changed_patches(patches: Pixels) -> Iterator[tuple[str, Pixels]]:
    """Yield what is done to patches, and the patches, uint8 (N, H, W, 3).

    Args:
        patches: uint8 (N, H, W, 3).
    """
    yield "turned or mirrored", _turn(patches)
    pixels = max(1, min(patches.shape[1:3]) // SHIFT)
    yield f"shifted by {pixels} pixels, edges mirrored", _shift(patches, pixels)
    for stain, name in enumerate(("haematoxylin", "eosin")):
        for sign, word in ((1, "more"), (-1, "less")):
            factors = np.ones(3)
            factors[stain] += sign * STAIN
            yield f"{STAIN:.0%} {word} {name}", _stain(patches, factors)


def _turn(patches: Pixels) -> Pixels:
    """Return each patch under one of the symmetries that change it, in turns."""
    symmetries = _symmetries(patches)[1:]
    images = torch.from_numpy(patches).permute(0, 3, 1, 2)
    turned = np.empty_like(patches)
    for number, symmetry in enumerate(symmetries):
        part = slice(number, None, len(symmetries))
        turned[part] = rotate(images[part], symmetry).permute(0, 2, 3, 1).numpy()
    return turned


def _shift(patches: Pixels, pixels: int) -> Pixels:
    """Return each patch shifted to one of the four sides, in turns."""
    offsets = pixels * np.resize(DIRECTIONS, (len(patches), 2))
    view = View(patches.shape[1], patches.shape[2], None, reach=pixels)
    return view.crop_at(patches, offsets)


def _stain(patches: Pixels, factors: Floats) -> Pixels:
    """Return patches with other amounts of haematoxylin, eosin and DAB."""
    images = torch.from_numpy(patches).permute(0, 3, 1, 2)
    count = len(patches)
    changed = change_stains(images, np.tile(factors, (count, 1)), np.zeros((count, 3)))
    return np.ascontiguousarray(changed.permute(0, 2, 3, 1).numpy())


def _average(run: SavedRun, crop: Crop, patches: Pixels) -> Floats:
    """Return the log-odds of the mean probability over the symmetries, (N,)."""
    images = torch.from_numpy(patches).permute(0, 3, 1, 2)
    views = [
        _score(run, crop, np.ascontiguousarray(rotate(images, symmetry).permute(0, 2, 3, 1)))
        for symmetry in _symmetries(patches)
    ]
    return np.asarray(mean_probability(np.stack(views)))


def _score(run: SavedRun, crop: Crop, patches: Pixels) -> Floats:
    """Return the log-odds of patches, without a temperature, float64 (N,)."""
    cropped = np.ascontiguousarray(crop(patches, np.arange(len(patches)), 0))
    return predict_logits(run.model, cropped, run.config.data.batch_size)
