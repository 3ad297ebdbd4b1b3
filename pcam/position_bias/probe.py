"""A network and the patches of its split that are shown to it in several ways."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pcam.data.base import Indices, Pixels
from pcam.evaluation.inference import predict_logits
from pcam.models.classifier import PatchClassifier
from pcam.position_bias.views import View
from pcam.stats.agreement import Change, change
from pcam.stats.metrics import Floats, Labels

MIDDLE = np.zeros(2, np.int64)  # offset of the view that a network was trained on


@dataclass(frozen=True)
class Probe:
    """A network and the patches that are shown to it in several ways.

    Attributes:
        model: in eval mode.
        patches: uint8 (N, H, W, 3), whole.
        indices: (N,), in their source, which all draws depend on.
        labels: (N,), 0 or 1.
        slides: N slide names, or None.
        view: the part of a patch that the network sees.
        batch_size: patches per forward pass.
        seed: of all draws.
        resamples: of the bootstrap.
    """

    model: PatchClassifier
    patches: Pixels
    indices: Indices
    labels: Labels
    slides: list[str] | None
    view: View
    batch_size: int
    seed: int
    resamples: int

    @cached_property
    def unshifted(self) -> Pixels:
        """Views in the middle of the patches, as in training, (N, h, w, 3)."""
        return self.view_of(self.patches)

    @cached_property
    def reference(self) -> Floats:
        """Log-odds of the views in the middle, (N,)."""
        return self.logodds(self.unshifted)

    def view_of(self, patches: Pixels) -> Pixels:
        """Return the views in the middle of whole patches."""
        return self.view.crop_at(patches, MIDDLE)

    def logodds(self, views: Pixels) -> Floats:
        """Return the log-odds (n,) of views (n, h, w, 3)."""
        return predict_logits(self.model, views, self.batch_size)

    def change(self, logodds: Floats, noise: Floats | None = None) -> Change:
        """Compare log-odds (N,) with those of the views in the middle.

        Args:
            logodds: of changed views of the same patches.
            noise: log-odds of views with noise; with these also the change beyond that of noise.
        """
        return change(
            self.reference,
            logodds,
            self.labels,
            self.slides,
            floor=noise,
            resamples=self.resamples,
            seed=self.seed,
        )
