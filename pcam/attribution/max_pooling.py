"""Max pooling written as ReLUs, for which DeepLIFT has a rule."""

import copy

from torch import Tensor, nn

from pcam.attribution.scorer import Scorer


class ReLUMaxPool(nn.Module):
    """Max pooling as ReLUs: max(a, b) = a + ReLU(b - a).

    Captum's own rule for max pooling loses what two windows share, and its two halves disagree
    where a difference is zero (captum #1276).

    Args:
        pool: a max pooling that ``is_supported`` accepts.
    """

    def __init__(self, pool: nn.MaxPool2d) -> None:
        super().__init__()
        self.size = _pair(pool.kernel_size)[0]
        self.stride = _pair(pool.stride)[0]
        self.padding = _pair(pool.padding)[0]
        # DeepLIFT needs a ReLU of its own for each comparison.
        self.acts = nn.ModuleList(nn.ReLU() for _ in range(2 * (self.size - 1)))

    @staticmethod
    def is_supported(pool: nn.Module) -> bool:
        """Whether a module is max pooling over squares, without dilation and ceil mode.

        Args:
            pool: any module.
        """
        if not isinstance(pool, nn.MaxPool2d):
            return False
        if pool.ceil_mode or pool.dilation not in (1, (1, 1)):
            return False
        for sides in (pool.kernel_size, pool.stride, pool.padding):
            height, width = _pair(sides)
            if height != width:
                return False
        return True

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, h, w) of (B, C, H, W)."""
        below_all = float(x.detach().min()) - 1
        x = nn.functional.pad(x, (self.padding,) * 4, value=below_all)
        x = self._pool_along(x, -2, self.acts[: self.size - 1])
        return self._pool_along(x, -1, self.acts[self.size - 1 :])

    def _pool_along(self, x: Tensor, dim: int, acts: nn.ModuleList) -> Tensor:
        """Return the maximum over windows along one dimension.

        Args:
            x: (B, C, H, W), padded.
            dim: -2 for columns, -1 for rows.
            acts: a ReLU for each comparison, one fewer than a window has values.
        """
        count = (x.shape[dim] - self.size) // self.stride + 1
        shifted = []
        for offset in range(self.size):
            part = x.narrow(dim, offset, (count - 1) * self.stride + 1)
            shifted.append(_every(part, self.stride, dim))
        # Start in the middle, which is never padding, so that rounding loses nothing.
        maximum = shifted.pop(self.size // 2)
        for act, other in zip(acts, shifted, strict=True):
            maximum = maximum + act(other - maximum)
        return maximum


def replace_max_pooling(scorer: Scorer) -> Scorer:
    """Return a copy of a scorer, the same function, whose max pooling is written as ReLUs.

    Args:
        scorer: whose other modules the copy keeps.
    """
    replaced = copy.deepcopy(scorer)
    for parent in list(replaced.modules()):
        for name, module in list(parent.named_children()):
            if ReLUMaxPool.is_supported(module):
                setattr(parent, name, ReLUMaxPool(module))  # type: ignore[arg-type]
    return replaced


def _every(x: Tensor, stride: int, dim: int) -> Tensor:
    """Return every ``stride``-th row or column.

    Args:
        x: (B, C, H, W).
        stride: distance of the rows or columns.
        dim: -2 for rows, -1 for columns.
    """
    if dim == -2:
        return x[..., ::stride, :]
    return x[..., ::stride]


def _pair(value: int | tuple[int, ...]) -> tuple[int, ...]:
    return (value, value) if isinstance(value, int) else value
