"""How far a map can be believed: measures of maps, one number per patch.

Where a map lies is compared with where the answer is known to lie; what it ranks high is taken away and put back; and it is
asked whether it is about this network at all, about this patch, and the same when the question is.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch import Tensor, nn
from torch.nn import functional as F

from pcam.attribution.scorer import Scorer, body, shapes
from pcam.data.randomness import Purpose, draw
from pcam.models.network import Network
from pcam.data.symmetries import D4, rotate, rotate_back

Floats = NDArray[np.float64]
Explain = Callable[
    [Tensor, Tensor], Tensor
]  # normalised patches (B, 3, H, W) and indices (B,) to maps (B, H, W)

SQUARES = 32  # of infidelity, per patch
NOISY = 4  # copies of a patch, of sensitivity
RADIUS = 0.02  # of sensitivity's noise, in normalised input: about one grey level


# Where the map lies --------------------------------------------------------------------------------------------------


def share(maps: Tensor, region: Tensor) -> Floats:
    """Return the share of each map's absolute values (N, H, W) that lies in a region, bool (N, H, W); NaN of an empty map."""
    mass = maps.abs().double()
    return _array((mass * region).sum((1, 2)) / mass.sum((1, 2)))


def pointing(maps: Tensor, region: Tensor) -> Floats:
    """Return whether each map's largest absolute value lies in a region (Zhang et al. 2018), ties as the share that does."""
    mass = maps.abs()
    most = (mass == mass.amax((1, 2), keepdim=True)) & (mass > 0)
    return _array((most & region).sum((1, 2)).double() / most.sum((1, 2)))


def area(region: Tensor) -> Floats:
    """Return the share of each patch that a region covers: what ``share`` and ``pointing`` give by chance."""
    return _array(region.double().mean((1, 2)))


def square(size: int, height: int, width: int) -> Tensor:
    """Return bool (H, W), True in the square of the centre."""
    region = torch.zeros(height, width, dtype=torch.bool)
    top, left = (height - size) // 2, (width - size) // 2
    region[max(top, 0) : top + size, max(left, 0) : left + size] = True
    return region


# Maps that know nothing of the network -------------------------------------------------------------------------------


def centre_gaussian(x: Tensor, index: Tensor) -> Tensor:
    """Return a bell over the centre, standard deviation a sixth of the patch, (B, H, W): the same for every patch."""
    height, width = x.shape[-2:]
    rows, columns = (
        torch.arange(n, dtype=torch.float32, device=x.device) - (n - 1) / 2 for n in (height, width)
    )
    bell = torch.exp(-18 * ((rows[:, None] / height) ** 2 + (columns / width) ** 2))
    return bell.expand(len(x), -1, -1)


def edges(x: Tensor, index: Tensor) -> Tensor:
    """Return the strength of edges, (B, H, W): Sobel's two filters on the mean of the channels."""
    filters = x.new_tensor(
        [[[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], [[-1, -2, -1], [0, 0, 0], [1, 2, 1]]]
    )[:, None]
    grey = F.pad(x.mean(1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    strength: Tensor = torch.linalg.vector_norm(F.conv2d(grey, filters), dim=1)
    return strength


# Taking away and putting back ----------------------------------------------------------------------------------------


def random_ranks(shape: Sequence[int], seed: int, index: NDArray[np.int64]) -> Tensor:
    """Return maps (N, H, W) of an order drawn by (seed, patch)."""
    ranks = [
        draw(seed, Purpose.ATTRIBUTION, 1, int(i)).permutation(int(np.prod(shape))).reshape(shape)
        for i in index
    ]
    return torch.from_numpy(np.stack(ranks)).float()


def deletion_and_insertion(
    scorer: Scorer,
    x: Tensor,
    baseline: Tensor,
    maps: Tensor,
    ties: Tensor,
    cell: int,
    steps: int,
    batch: int,
) -> tuple[Floats, Floats]:
    """Replace a patch by its baseline, and the baseline by the patch, cells of the largest mean first (Petsiuk et al. 2018).

    Of signed maps the values count with their sign. Cells, not single pixels: a patch strewn with single foreign pixels
    shows how the network takes noise.

    Args:
        scorer: the network.
        x: normalised patches (N, 3, H, W).
        baseline: of their shape.
        maps: (N, H, W).
        ties: (N, H, W), by which cells of equal value go: so an empty map goes by these alone.
        cell: side of a cell, pixels.
        steps: into which the way is cut.
        batch: patches that the network sees at once.

    Returns:
        Areas (N,) under the probability along the way, from 0 to 1: of deletion, small where the map is right, and of
        insertion, large where it is.
    """
    height, width = x.shape[-2:]
    values, random = (
        F.avg_pool2d(one[:, None].float().to(x.device), cell, ceil_mode=True)[:, 0]
        for one in (maps, ties)
    )
    shuffled = random.flatten(1).argsort(dim=1)
    order = shuffled.gather(
        1, values.flatten(1).gather(1, shuffled).argsort(dim=1, descending=True, stable=True)
    )
    place = order.argsort(dim=1).view_as(values) / values[0].numel()
    place = place.repeat_interleave(cell, 1).repeat_interleave(cell, 2)[:, None, :height, :width]
    areas = []
    for start, end in ((x, baseline), (baseline, x)):
        curve = []
        for taken in np.linspace(0, 1, steps + 1):
            mixed = torch.where(place < taken - 1e-9, end, start)
            with torch.no_grad():
                curve.append(
                    torch.cat(
                        [torch.sigmoid(scorer(few).double()) for few in torch.split(mixed, batch)]
                    )
                )
        areas.append(_array(torch.trapezoid(torch.stack(curve), dx=1 / steps, dim=0)))
    return areas[0], areas[1]


# Is it about this network, and the same when the question is ----------------------------------------------------------


def similarity(one: Tensor, other: Tensor) -> Floats:
    """Return Spearman's correlation of the absolute values of maps (N, H, W), pixel by pixel; NaN where one is constant."""
    ranks = [rankdata(maps.abs().flatten(1).double().numpy(), axis=1) for maps in (one, other)]
    centred = [rank - rank.mean(1, keepdims=True) for rank in ranks]
    norm = np.sqrt((centred[0] ** 2).sum(1) * (centred[1] ** 2).sum(1))
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(norm > 0, (centred[0] * centred[1]).sum(1) / norm, np.nan))


def symmetry(explain: Explain, x: Tensor, index: Tensor, maps: Tensor) -> Floats:
    """Return the mean similarity (N,) of a patch's map with those of its seven other symmetries, turned back."""
    others = [rotate_back(explain(rotate(x, one), index), one) for one in D4[1:]]
    return np.asarray(np.mean([similarity(maps, other) for other in others], axis=0))


def cascade(network: Network, untrained: Network, x: Tensor, stages: int) -> Iterator[Network]:
    """Yield a network, ever more of which is untrained, from the head down (Adebayo et al. 2018, section 3.1).

    Args:
        network: trained; it is left as it is.
        untrained: of the same build.
        x: normalised patches, to see in which order the layers run.
        stages: equal parts of the backbone's layers.

    Yields:
        The network, the same object each time: first with a random head, then with one more part of the backbone.
    """
    import copy

    mixed = copy.deepcopy(network)
    mixed.head.load_state_dict(untrained.head.state_dict())
    yield mixed
    own, fresh = dict(body(mixed).named_modules()), dict(body(untrained).named_modules())
    # a layer's own tensors, not its parts'; those that do not tell when they run go with the first
    ran = list(shapes(Scorer(network), x))
    held = sorted(
        (name for name in own if _own(own[name])),
        key=lambda name: ran.index(name) if name in ran else -1,
    )
    for few in reversed(np.array_split(np.array(held, dtype=object), stages)):
        for name in few:
            for key, tensor in _own(own[name]).items():
                tensor.data.copy_(_own(fresh[name])[key])
        yield mixed


def _own(module: nn.Module) -> dict[str, Tensor]:
    return {
        **dict(module.named_parameters(recurse=False)),
        **dict(module.named_buffers(recurse=False)),
    }


@dataclass(frozen=True)
class Removals:
    """What the log-odds of patches lose when squares of them are replaced by the baseline.

    Attributes:
        squares: bool (N, SQUARES, H, W), True where the patch is replaced.
        losses: (N, SQUARES).
    """

    squares: Tensor
    losses: Floats


def removals(
    scorer: Scorer, x: Tensor, baseline: Tensor, index: Tensor, seed: int, batch: int
) -> Removals:
    """Replace ``SQUARES`` squares of each patch, an eighth to a half of its side, drawn by (seed, patch)."""
    squares = torch.stack(
        [_squares(SQUARES, x.shape[-2:], seed, which) for which in index.tolist()]
    )
    losses = []
    with torch.no_grad():
        for one, start, removed in zip(x, baseline, squares.to(x.device), strict=True):
            without = torch.where(removed[:, None], start, one)
            losses.append(
                scorer(one[None]) - torch.cat([scorer(few) for few in torch.split(without, batch)])
            )
    return Removals(squares, _array(torch.stack(losses)))


def infidelity(maps: Tensor, removed: Removals) -> Floats:
    """Measure how well a map's sum over a square says what the log-odds lose without it (Yeh et al. 2019, equation 1).

    Captum's, with a scale of the map's own that fits best, but not below zero: a map of the wrong sign says nothing.

    Args:
        maps: (N, H, W).
        removed: of the same patches.

    Returns:
        (N,), the mean square error as a share of that of a map of zeros: 0 says it all; NaN where nothing is ever lost.
    """
    sums = _array((maps.cpu().double()[:, None] * removed.squares).sum((-2, -1)))
    with np.errstate(invalid="ignore", divide="ignore"):
        scale = np.nan_to_num(np.maximum((sums * removed.losses).sum(1) / (sums**2).sum(1), 0))
        error = ((removed.losses - scale[:, None] * sums) ** 2).mean(1)
        return np.asarray(error / (removed.losses**2).mean(1))


def _squares(count: int, shape: Sequence[int], seed: int, index: int) -> Tensor:
    rng = draw(seed, Purpose.ATTRIBUTION, 2, index)
    removed = torch.zeros(count, *shape, dtype=torch.bool)
    for one in removed:
        side = [int(rng.integers(max(1, n // 8), n // 2 + 1)) for n in shape]
        top, left = (int(rng.integers(n - s + 1)) for n, s in zip(shape, side, strict=True))
        one[top : top + side[0], left : left + side[1]] = True
    return removed


def sensitivity(explain: Explain, x: Tensor, index: Tensor, seed: int) -> Floats:
    """Return the largest relative change (N,) of a map under noise of about one grey level (Yeh et al. 2019), by Captum.

    NaN where the map is empty.
    """
    from captum.metrics import sensitivity_max

    found = []
    for one, which in zip(x[:, None], index[:, None], strict=True):

        def noisy(many: Tensor, radius: float = RADIUS, which: Tensor = which) -> Tensor:
            stream = draw(seed, Purpose.ATTRIBUTION, 3, int(which))
            return many + torch.from_numpy(stream.uniform(-radius, radius, many.shape)).to(many)

        def maps(many: tuple[Tensor, ...] | Tensor, which: Tensor = which) -> Tensor:
            few = many if isinstance(many, Tensor) else many[0]
            return explain(few, which.expand(len(few)))[:, None]

        change = float(sensitivity_max(maps, one, perturb_func=noisy, n_perturb_samples=NOISY))
        found.append(change if bool(maps(one).any()) else float("nan"))
    return np.array(found)


def _array(values: Tensor) -> Floats:
    return np.asarray(values.double().cpu().numpy())
