"""Measures of a map's faithfulness to the network, one number per patch.

What a map ranks high is removed and put back; its sums are compared with what a removal costs; it
should not change under symmetries and noise, and should change with the network.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import rankdata
from torch import Tensor
from torch.nn import functional as F

from pcam.attribution.localisation import Floats, to_array
from pcam.attribution.randomness import draw
from pcam.attribution.scorer import Scorer
from pcam.data.randomness import AttributionStream
from pcam.data.symmetries import D4, rotate, rotate_back

# Normalised patches (B, 3, H, W) and indices (B,) to maps (B, H, W).
Explain = Callable[[Tensor, Tensor], Tensor]

SQUARES = 32  # of infidelity, per patch
NOISY_COPIES = 4  # of sensitivity, per patch
RADIUS = 0.02  # of sensitivity's noise, in normalised input: about one grey level


# Deletion and insertion


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
    """Replace a patch by its baseline and the baseline by the patch (Petsiuk et al. 2018).

    Cells with the largest mean are replaced first; values of signed maps count with their sign.
    Cells are used because a patch with single replaced pixels shows how a network handles noise.

    Args:
        scorer: the network.
        x: normalised patches (N, 3, H, W).
        baseline: of the same shape.
        maps: (N, H, W).
        ties: (N, H, W), the order of cells of equal value, and so of all cells of an empty map.
        cell: side of a cell, pixels.
        steps: number of steps from the patch to the baseline.
        batch: number of patches in one forward pass.

    Returns:
        The areas (N,) under the probability, from 0 to 1. Of deletion, which is small if the map
        is right, and of insertion, which is large if it is.
    """
    place = _removal_order(maps.to(x.device), ties.to(x.device), cell)
    deletion = _area_under_curve(scorer, x, baseline, place, steps, batch)
    insertion = _area_under_curve(scorer, baseline, x, place, steps, batch)
    return deletion, insertion


def _removal_order(maps: Tensor, ties: Tensor, cell: int) -> Tensor:
    """Return the place of each pixel's cell in the order of removal, (N, 1, H, W) in [0, 1)."""
    height, width = maps.shape[-2:]
    values = F.avg_pool2d(maps[:, None].float(), cell, ceil_mode=True)[:, 0]
    ties = F.avg_pool2d(ties[:, None].float(), cell, ceil_mode=True)[:, 0]
    shuffled = ties.flatten(1).argsort(dim=1)
    sorted_values = values.flatten(1).gather(1, shuffled)
    order = shuffled.gather(1, sorted_values.argsort(dim=1, descending=True, stable=True))
    place = order.argsort(dim=1).view_as(values) / values[0].numel()
    pixels = place.repeat_interleave(cell, 1).repeat_interleave(cell, 2)
    return pixels[:, None, :height, :width]


def _area_under_curve(
    scorer: Scorer, start: Tensor, end: Tensor, place: Tensor, steps: int, batch: int
) -> Floats:
    """Return the area under the probability while ``start`` is replaced by ``end``, (N,)."""
    curve = []
    for replaced in np.linspace(0, 1, steps + 1):
        mixed = torch.where(place < replaced - 1e-9, end, start)
        log_odds = _score(scorer, mixed, batch)
        curve.append(torch.sigmoid(log_odds.double()))
    return to_array(torch.trapezoid(torch.stack(curve), dx=1 / steps, dim=0))


def _score(scorer: Scorer, x: Tensor, batch: int) -> Tensor:
    """Return the log-odds of normalised patches, (N,), in batches, without a gradient."""
    with torch.no_grad():
        return torch.cat([scorer(few) for few in torch.split(x, batch)])


# Infidelity


@dataclass(frozen=True)
class Removals:
    """How much the log-odds of patches drop when squares are replaced by the baseline.

    Attributes:
        squares: bool (N, SQUARES, H, W), True where the patch is replaced.
        drops: (N, SQUARES).
    """

    squares: Tensor
    drops: Floats


def remove_squares(
    scorer: Scorer, x: Tensor, baseline: Tensor, index: Tensor, seed: int, batch: int
) -> Removals:
    """Replace ``SQUARES`` squares of each patch, drawn by (seed, patch)."""
    drawn = [_draw_squares(SQUARES, x.shape[-2:], seed, patch) for patch in index.tolist()]
    squares = torch.stack(drawn)
    drops = []
    for patch, replacement, removed in zip(x, baseline, squares.to(x.device), strict=True):
        without = torch.where(removed[:, None], replacement, patch)
        drops.append(_score(scorer, patch[None], 1) - _score(scorer, without, batch))
    return Removals(squares, to_array(torch.stack(drops)))


def _draw_squares(count: int, shape: Sequence[int], seed: int, patch: int) -> Tensor:
    """Return bool (count, H, W), each with a rectangle an eighth to a half of the patch's sides."""
    rng = draw(seed, AttributionStream.SQUARES, patch)
    height, width = shape
    squares = torch.zeros(count, height, width, dtype=torch.bool)
    for square in squares:
        rows = int(rng.integers(max(1, height // 8), height // 2 + 1))
        columns = int(rng.integers(max(1, width // 8), width // 2 + 1))
        top = int(rng.integers(height - rows + 1))
        left = int(rng.integers(width - columns + 1))
        square[top : top + rows, left : left + columns] = True
    return squares


def infidelity(maps: Tensor, removals: Removals) -> Floats:
    """Measure how well a map's sum over a square predicts the drop of the log-odds.

    Yeh et al. 2019, equation 1, as in Captum, with the scale of each map that fits best. The scale
    is not negative, so a map of the wrong sign predicts nothing.

    Args:
        maps: (N, H, W).
        removals: of the same patches.

    Returns:
        (N,), the mean square error as a share of that of a map of zeros. 0 is a perfect
        prediction; NaN if the log-odds never drop.
    """
    drops = removals.drops
    sums = to_array((maps.cpu().double()[:, None] * removals.squares).sum((-2, -1)))
    with np.errstate(invalid="ignore", divide="ignore"):
        fit = (sums * drops).sum(1) / (sums**2).sum(1)
        scale = np.nan_to_num(np.maximum(fit, 0))
        error = ((drops - scale[:, None] * sums) ** 2).mean(1)
        return np.asarray(error / (drops**2).mean(1))


# Similarity of maps, and what a map should or should not change with


def similarity(maps: Tensor, others: Tensor) -> Floats:
    """Return Spearman's correlation of the absolute values of maps (N, H, W), pixel by pixel.

    NaN if one of the two maps is constant.
    """
    ranks = _centred_ranks(maps)
    other_ranks = _centred_ranks(others)
    covariance = (ranks * other_ranks).sum(1)
    norm = np.sqrt((ranks**2).sum(1) * (other_ranks**2).sum(1))
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(norm > 0, covariance / norm, np.nan))


def _centred_ranks(maps: Tensor) -> Floats:
    ranks = rankdata(maps.abs().flatten(1).double().numpy(), axis=1)
    return np.asarray(ranks - ranks.mean(1, keepdims=True))


def symmetry(explain: Explain, x: Tensor, index: Tensor, maps: Tensor) -> Floats:
    """Return the mean similarity (N,) of a map with those of the seven other symmetries.

    Maps of rotated and mirrored patches are rotated and mirrored back.
    """
    similarities = []
    for element in D4[1:]:
        rotated = explain(rotate(x, element), index)
        similarities.append(similarity(maps, rotate_back(rotated, element)))
    return np.asarray(np.mean(similarities, axis=0))


def sensitivity(explain: Explain, x: Tensor, index: Tensor, seed: int) -> Floats:
    """Return the largest relative change (N,) of a map under noise of about one grey level.

    Yeh et al. 2019, by Captum; NaN if the map is empty.
    """
    patches = zip(x[:, None], index[:, None], strict=True)
    return np.array([_patch_sensitivity(explain, patch, which, seed) for patch, which in patches])


def _patch_sensitivity(explain: Explain, patch: Tensor, which: Tensor, seed: int) -> float:
    """Return the sensitivity of one patch, (1, 3, H, W)."""
    from captum.metrics import sensitivity_max

    def add_noise(copies: Tensor, radius: float = RADIUS) -> Tensor:
        rng = draw(seed, AttributionStream.NOISE, int(which))
        return copies + torch.from_numpy(rng.uniform(-radius, radius, copies.shape)).to(copies)

    def maps_of(inputs: tuple[Tensor, ...] | Tensor) -> Tensor:
        copies = inputs if isinstance(inputs, Tensor) else inputs[0]
        return explain(copies, which.expand(len(copies)))[:, None]

    change = sensitivity_max(maps_of, patch, perturb_func=add_noise, n_perturb_samples=NOISY_COPIES)
    return float(change) if bool(maps_of(patch).any()) else float("nan")
