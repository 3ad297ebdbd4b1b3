"""A training of the head alone on features that are computed once (``features.use``)."""

from pathlib import Path

import torch

from pcam.config.schema import TrainConfig
from pcam.config.sections import AugConfig
from pcam.data.crop import Crop
from pcam.data.datamodule import PatchDataModule
from pcam.data.features import FeatureFile
from pcam.errors import RunError
from pcam.features.cache import FeatureCache
from pcam.features.extractor import Extractor
from pcam.features.view import COPY_SEED, PatchView, digest_patches
from pcam.models.classifier import PatchClassifier
from pcam.runs.checkpoints import resumable_checkpoint
from pcam.training.preparation import Training

BACKBONE = "network.backbone."  # prefix in a checkpoint's state


def use_features(training: Training, resume: bool) -> None:
    """Compute the features of all splits, or find them, and train the head on them.

    Args:
        training: prepared; its backbone is frozen in every epoch.
        resume: whether it goes on from a checkpoint, which has the backbone's weights.

    Raises:
        PcamError: features cannot be computed, written or read.
    """
    config, data, model = training.config, training.data, training.model
    if resume:
        _load_backbone(model, training.folder)
    device = training.trainer.strategy.root_device
    network = model.network.to(device)
    settings = dict(model.hparams["network"])
    extractor = Extractor(network, settings, str(training.trainer.precision))
    cache = FeatureCache(
        folder=Path(config.features.cache),
        dtype=config.features.dtype,
        batch_size=data.batch_size,
        num_workers=config.data.num_workers,
        worker_timeout=config.data.worker_timeout,
    )
    files: dict[str, list[FeatureFile]] = {}
    for split in data.sources:
        files[split] = [cache.obtain(extractor, view) for view in _views(config, data, split)]
    data.features = files


def _views(config: TrainConfig, data: PatchDataModule, split: str) -> list[PatchView]:
    """Return the patches of a split as the backbone sees them; of train each augmented copy."""
    source, crop = data.sources[split], data.crops[split]
    digest = digest_patches(source)
    copies = config.features.augment
    if split != "train" or not copies:
        return [PatchView(split, source, digest, crop)]
    crop = Crop(crop.mode, crop.size, COPY_SEED)
    aug: AugConfig | None = None if config.aug.name == "none" else config.aug
    return [PatchView(split, source, digest, crop, aug, copy) for copy in range(copies)]


def _load_backbone(model: PatchClassifier, folder: Path) -> None:
    """Load the backbone's weights from the checkpoint that a run is resumed from.

    Raises:
        RunError: there is none.
    """
    path = resumable_checkpoint(folder)
    if path is None:
        raise RunError(f"{folder} has no checkpoint that can be resumed from")
    state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    backbone = {}
    for name, value in state.items():
        if name.startswith(BACKBONE):
            backbone[name.removeprefix(BACKBONE)] = value
    model.network.backbone.load_state_dict(backbone)
