"""Jitter of the stains of patches, as a transform of albumentations."""

import albumentations as A
import torch

from pcam.data.augment.stains import Floats, change_stains
from pcam.data.base import Pixels


class StainJitter(A.ImageOnlyTransform):  # type: ignore[misc]  # untyped
    """Change the amounts of haematoxylin, eosin and DAB of a patch at random.

    Args:
        scale: the amounts change by a factor 1 ± this.
        shift: ± this is added to them; in natural units of density.
    """

    def __init__(self, scale: float, shift: float) -> None:
        super().__init__(p=1.0)
        self.scale = scale
        self.shift = shift

    def get_params(self) -> dict[str, Floats]:
        """Return the factors and shifts of a patch."""
        low, high = max(0.0, 1 - self.scale), 1 + self.scale
        factors = self.random_generator.uniform(low, high, 3)
        shifts = self.random_generator.uniform(-self.shift, self.shift, 3)
        return {"factors": factors, "shifts": shifts}

    def apply(self, img: Pixels, factors: Floats, shifts: Floats, **params: object) -> Pixels:
        """Return a changed uint8 (H, W, 3)."""
        image = torch.from_numpy(img)[None].permute(0, 3, 1, 2)
        changed = change_stains(image, factors[None], shifts[None])
        return changed[0].permute(1, 2, 0).numpy()
