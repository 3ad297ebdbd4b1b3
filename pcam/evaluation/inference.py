"""Log-odds and probabilities of a network: the only loop over batches outside of training."""

from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from torch import Tensor
from tqdm import tqdm

from pcam.config.sections import WORKER_TIMEOUT
from pcam.data.base import PatchSource, Pixels
from pcam.data.crop import Crop
from pcam.data.read_ahead import read_ahead
from pcam.data.reading import Batch, PatchDataset, make_loader
from pcam.data.sampling import PatchOrder
from pcam.data.symmetries import D4, Symmetry, rotate
from pcam.data.workers import dead_workers_reported
from pcam.evaluation.scoring_network import ScoringNetwork, choose_batch_size
from pcam.models.classifier import PatchClassifier
from pcam.models.scores import ensure_finite_scores
from pcam.stats.logodds import mean_probability

Probabilities = NDArray[np.float64]
Logits = NDArray[np.float64]
Network = Callable[[Tensor], Tensor]  # (B, 3, H, W) to log-odds (B,)

IDENTITY: Symmetry = (0, False)

# The symmetries over which test-time augmentation averages probabilities.
TTA: Mapping[str, tuple[Symmetry, ...]] = {
    "none": (IDENTITY,),
    "flips": (IDENTITY, (0, True), (2, False), (2, True)),
    "d4": D4,
}


@torch.inference_mode()
def iterate_logits(
    network: Network, batches: Iterable[Tensor], symmetries: Iterable[Symmetry] = (IDENTITY,)
) -> Iterator[Tensor]:
    """Yield the log-odds of each batch under each symmetry.

    Args:
        network: maps images to log-odds (B,); in eval mode, on the device of the batches.
        batches: images (B, 3, H, W).
        symmetries: V symmetries under which the network sees each image.

    Yields:
        float64 (V, B), on the network's device.
    """
    views = tuple(symmetries)
    for images in batches:
        logits = [network(rotate(images, symmetry)).double() for symmetry in views]
        yield torch.stack(logits)


def predict_logits(model: PatchClassifier, patches: Pixels, batch_size: int) -> Logits:
    """Return the log-odds of patches as they are given, without a crop, in full precision.

    Args:
        model: a network in eval mode.
        patches: uint8 (N, H, W, 3), cropped.
        batch_size: the number of patches that the network sees at once.

    Returns:
        float64 (N,).

    Raises:
        NotFiniteError: the network's output is not finite.
    """
    parts = []
    for logits in iterate_logits(model.evaluated, _batches_of_array(model, patches, batch_size)):
        parts.append(logits[0].cpu().numpy())
    found: Logits = np.concatenate(parts)
    numbers = [f"image {number}" for number in range(len(found))]
    ensure_finite_scores("scoring", np.arange(len(found)), found, numbers)
    return found


def _batches_of_array(model: PatchClassifier, patches: Pixels, batch_size: int) -> Iterator[Tensor]:
    for start in range(0, len(patches), batch_size):
        batch = torch.from_numpy(patches[start : start + batch_size])
        yield batch.permute(0, 3, 1, 2).contiguous().to(model.device)


def _batches_on_device(model: PatchClassifier, loader: Iterable[Batch]) -> Iterator[Tensor]:
    """Yield the images of a loader's batches; on a GPU the next ones are read meanwhile."""
    on_gpu = model.device.type == "cuda"
    for batch in read_ahead(loader) if on_gpu else loader:
        yield batch["image"].to(model.device, non_blocking=True)


def predict_source(
    model: PatchClassifier,
    source: PatchSource,
    crop: Crop,
    batch_size: int,
    num_workers: int | str = "auto",
    tta: str = "none",
    worker_timeout: float | None = WORKER_TIMEOUT,
    network: Network | None = None,
) -> Logits:
    """Return the log-odds of the positive class for each patch of a source, in its order.

    In full precision on a CPU, so that the result does not depend on the batch size; on a GPU see
    ``ScoringNetwork``.

    Args:
        model: a network in eval mode.
        source: the patches.
        crop: the part of each patch that the network sees, see ``crop_for_split``.
        batch_size: the number of patches that the network sees at once; on a GPU at least.
        num_workers: the number of processes that read patches, or "auto".
        tta: none, flips (4) or d4 (8): the symmetries over which probabilities are averaged; the
            result is the log-odds of the mean.
        worker_timeout: seconds to wait for a batch of these processes; None for no limit.
        network: scores batches in place of the model; None for the model itself.

    Returns:
        float64 (N,).

    Raises:
        DataError: patches cannot be read.
        NotFiniteError: the network's output is not finite.
    """
    parts = list(
        iterate_source(
            model,
            source,
            crop,
            batch_size,
            num_workers,
            tta,
            worker_timeout,
            network=network,
        )
    )
    views_of_all: Logits = np.concatenate(parts, axis=1)
    worst = views_of_all.sum(axis=0)  # not finite if one view is not
    ensure_finite_scores("scoring", np.arange(len(source)), worst, source.ids)
    return average_views(views_of_all)


def iterate_source(
    model: PatchClassifier,
    source: PatchSource,
    crop: Crop,
    batch_size: int,
    num_workers: int | str = "auto",
    tta: str = "none",
    worker_timeout: float | None = WORKER_TIMEOUT,
    done: int = 0,
    network: Network | None = None,
) -> Iterator[Logits]:
    """Yield the log-odds of a source's patches batch by batch, in its order, with a progress bar.

    Takes the arguments of ``predict_source``, which returns them as a whole.

    Args:
        model: a network in eval mode.
        source: the patches.
        crop: the part of each patch that the network sees.
        batch_size: the number of patches that the network sees at once; on a GPU at least.
        num_workers: the number of processes that read patches, or "auto".
        tta: none, flips (4) or d4 (8): the V symmetries of each patch.
        worker_timeout: seconds to wait for a batch of these processes; None for no limit.
        done: patches that were scored before, for the progress bar.
        network: scores batches in place of the model; None for the model itself.

    Yields:
        float64 (V, B); whether they are finite is not checked.

    Raises:
        DataError: patches cannot be read.
    """
    dataset = PatchDataset(source, crop, None)
    at_once = choose_batch_size(model, batch_size)
    order = PatchOrder(len(source), at_once, seed=0, training=False)
    batches = _batches_on_device(model, make_loader(dataset, order, num_workers, worker_timeout))
    size = done + len(source)
    bar = tqdm(total=size, initial=done, unit="patch", desc="scoring", disable=None, leave=False)
    with bar, dead_workers_reported():
        for views in iterate_logits(network or ScoringNetwork(model), batches, TTA[tta]):
            bar.update(views.shape[1])
            yield views.cpu().numpy()


def average_views(views: Logits) -> Logits:
    """Return the log-odds (B,) of the mean probability of V views, (V, B)."""
    return views[0] if len(views) == 1 else mean_probability(views)


def predict_probabilities(
    model: PatchClassifier,
    source: PatchSource,
    crop: Crop,
    batch_size: int,
    num_workers: int | str = "auto",
    tta: str = "none",
) -> Probabilities:
    """Return the probability of the positive class for each patch of a source.

    Takes the arguments of ``predict_source``, whose log-odds rank patches of probability 1.
    """
    return np.asarray(expit(predict_source(model, source, crop, batch_size, num_workers, tta)))
