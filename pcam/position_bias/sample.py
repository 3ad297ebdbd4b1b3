"""A trained run and the patches of a split on which its positional bias is measured."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pcam.config.classes import Classes
from pcam.config.schema import BiasConfig
from pcam.data.base import Indices, PatchSource, Pixels
from pcam.data.crop import Crop
from pcam.data.randomness import PositionStream, Purpose, draw
from pcam.errors import ConfigError, DataError
from pcam.evaluation.asked_split import open_asked_split
from pcam.evaluation.saved_run import SavedRun, open_run
from pcam.position_bias.views import View
from pcam.stats.metrics import Labels
from pcam.training.classes import missing_class


@dataclass(frozen=True)
class Sample:
    """A run and the patches that it is shown.

    Attributes:
        run: opened again.
        data: name of the source.
        classes: the names of the labels 0 and 1.
        centre_labelled: whether the label is decided by the centre square.
        batch_size: patches per forward pass.
        source: of the patches.
        crop: that the run uses in this split.
        indices: (N,), of the patches in the source.
        patches: uint8 (N, H, W, 3).
        labels: (N,), 0 or 1.
        slides: N slide names, or None.
    """

    run: SavedRun
    data: str
    classes: Classes
    centre_labelled: bool
    batch_size: int
    source: PatchSource
    crop: Crop
    indices: Indices
    patches: Pixels
    labels: Labels
    slides: list[str] | None

    @property
    def ids(self) -> list[str]:
        """Names of the patches."""
        return [self.source.ids[int(index)] for index in self.indices]

    def view(self, reach: int) -> View | None:
        """Return the part of a patch that the network sees; None if it cannot be shifted.

        Args:
            reach: the largest shift of a whole patch, pixels.
        """
        if self.crop.mode not in ("none", "center", "random"):
            return None
        height, width = self.patches.shape[1:3]
        whole = self.crop.mode == "none" or self.crop.size == height == width
        return View(height, width, None if whole else self.crop.size, reach)


def open_sample(config: BiasConfig, folder: Path) -> Sample:
    """Open a run and draw patches of the split.

    Raises:
        PcamError: the run or the data cannot be used, or the patches have no labels or one class.
    """
    run = open_run(folder)
    opened = open_asked_split(run, config, config.split)
    data, source = opened.data, opened.source
    if source.labels is None:
        raise DataError(
            f"split={config.split}: these patches have no labels, which the measurement needs"
        )
    indices = _draw_indices(len(source), config.patches, config.seed)
    patches = source.read(indices)
    labels = source.labels[indices]
    missing = missing_class(source)
    if missing is not None:
        raise DataError(
            f"split={config.split} has no {missing} patch, and the measurement needs both classes; "
            "set another split=, or data=NAME with patches of both"
        )
    if len(set(labels.tolist())) < 2:
        raise DataError(
            f"split={config.split}: the {len(indices)} patches have one class only; "
            "set a larger patches="
        )
    side = min(patches.shape[1:3])
    if config.centre >= side:
        raise ConfigError(
            f"centre={config.centre} must be less than the side of the patches, {side} pixels"
        )
    slides = None
    if source.groups is not None:
        slides = [source.groups[int(index)] for index in indices]
    return Sample(
        run=run,
        data=data.name,
        classes=opened.classes,
        centre_labelled=opened.provider.centre_labelled,
        batch_size=data.batch_size,
        source=source,
        crop=opened.crop,
        indices=indices,
        patches=patches,
        labels=labels,
        slides=slides,
    )


def _draw_indices(available: int, count: int, seed: int) -> Indices:
    """Draw at most ``count`` patches in random order: the first of them are a sample too."""
    generator = draw(seed, Purpose.POSITION, PositionStream.SAMPLE)
    chosen = np.sort(generator.choice(available, min(count, available), replace=False))
    return draw(seed, Purpose.POSITION, PositionStream.SAMPLE_ORDER).permutation(chosen)
