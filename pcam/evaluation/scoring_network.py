"""A network as it scores patches: folded on a CPU; on a GPU in large batches and in bfloat16."""

import torch
from torch import Tensor

from pcam.models.classifier import PatchClassifier

AT_ONCE = 1024  # patches of 96 px
SIDE = 96  # px
COMPARED = 2  # first batches, in which bfloat16 is compared with float32
CLOSE = 1e-2  # largest difference of probabilities
CHANGED_CALLS = 1e-3  # largest share of patches on the other side of 0.5


def choose_batch_size(model: PatchClassifier, batch_size: int) -> int:
    """Return how many patches a network scores at once: the given number, on a GPU at least more.

    Args:
        model: on its device.
        batch_size: of the config.
    """
    if model.device.type != "cuda":
        return batch_size
    side = model.network.input_size or SIDE
    return max(batch_size, AT_ONCE * SIDE**2 // side**2)


class ScoringNetwork:
    """Calls a classifier on batches.

    On a CPU, BatchNorm is folded into convolutions (``FoldedNetwork``). On a GPU the first batches
    are scored in float32 and in bfloat16. If the probabilities are close and nearly all calls
    equal, further batches are scored in bfloat16. A batch that does not fit into the memory is
    scored in halves.

    Args:
        model: in eval mode.

    Attributes:
        uses_bfloat16: whether it is used; None until the first batches are compared.
    """

    def __init__(self, model: PatchClassifier) -> None:
        self.uses_bfloat16: bool | None = None
        if model.device.type != "cuda" or not torch.cuda.is_bf16_supported():
            self.uses_bfloat16 = False
        self._network = model.evaluated
        self._compared = 0

    def __call__(self, images: Tensor) -> Tensor:
        """Return log-odds (B,) of raw patches (B, 3, H, W)."""
        try:
            return self._score(images)
        except torch.cuda.OutOfMemoryError:
            if len(images) == 1:
                raise
        torch.cuda.empty_cache()
        return torch.cat([self(half) for half in images.chunk(2)])

    def _score(self, images: Tensor) -> Tensor:
        if self.uses_bfloat16 is False:
            return self._network(images)
        with torch.autocast("cuda", torch.bfloat16):
            fast: Tensor = self._network(images)
        if self.uses_bfloat16:
            return fast
        exact: Tensor = self._network(images)
        self._compared += 1
        if not scores_agree(fast, exact):
            self.uses_bfloat16 = False
        elif self._compared == COMPARED:
            self.uses_bfloat16 = True
        return exact


def scores_agree(fast: Tensor, exact: Tensor) -> bool:
    """Return whether log-odds (B,) give nearly the same probabilities and calls as others."""
    distance = (torch.sigmoid(fast.double()) - torch.sigmoid(exact.double())).abs().max()
    changed = ((fast > 0) != (exact > 0)).double().mean()
    return bool(distance <= CLOSE) and bool(changed <= CHANGED_CALLS)
