"""What a trained network says of patches: a run opened again, and its probabilities."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from pcam.data.base import PatchSource, limit_source
from pcam.data.crop import Crop
from pcam.data.datamodule import PatchDataset, PatchOrder, checked_batch, loaded, workers
from pcam.data.loading import open_source, open_splits, published
from pcam.errors import ConfigError, DataError, RunError, describe_error, suggest
from pcam.models.classifier import PatchClassifier
from pcam.data.symmetries import D4, Symmetry, rotate
from pcam.runs.folder import Config, best_checkpoint, read_config

Probabilities = NDArray[np.float64]

READING: Mapping[str, Any] = {
    "batch_size": 64,
    "num_workers": "auto",
    "limit": None,
    "duplicates": "group",
}  # of other data

# Symmetries over which probabilities are averaged.
TTA: Mapping[str, tuple[Symmetry, ...]] = {
    "none": ((0, False),),
    "flips": ((0, False), (0, True), (2, False), (2, True)),
    "d4": D4,
}


def open_run(folder: Path) -> tuple[Config, PatchClassifier]:
    """Open a run again: its config, and its best network in eval mode on the device to score on.

    Raises:
        RunError: the folder holds no run, or one without a checkpoint that can be read.
    """
    config = read_config(folder)
    path = best_checkpoint(folder)
    if not path.is_file():
        raise RunError(
            f"{folder} has no checkpoint: its training was cut off before its first epoch ended"
        )
    try:
        model = PatchClassifier.load(path)
    except (
        Exception
    ) as error:  # torch.load and Lightning have an error of their own for each way to be broken
        raise RunError(
            f"{path} cannot be read safely as a checkpoint ({describe_error(error)})"
        ) from error
    return config, model.to("cuda" if torch.cuda.is_available() else "cpu")


def resolve_data(config: Config, asked: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the data and splits to score: the run's own, with the keys that were asked for, or the source that was.

    Args:
        config: the run's.
        asked: the door's config; ``data`` with a name is a source of its own, keys that are null are the run's.

    Returns:
        The settings of data and of splits.
    """
    given = {key: value for key, value in asked["data"].items() if value is not None}
    if "name" in given and not _own(given, config["data"]):
        settings = {
            key: value
            for key, value in asked["data"].items()
            if key in given or key not in ("root", *READING)
        }
        return {
            **settings,
            **{key: given.get(key, value) for key, value in READING.items()},
        }, asked["splits"]
    if asked["splits"]["name"] != "auto":
        raise ConfigError(
            f"splits={asked['splits']['name']}: the run's own data is split as the run split it"
        )
    return {**config["data"], **given}, config["splits"]


def _own(given: Mapping[str, Any], own: Mapping[str, Any]) -> bool:
    """Tell whether the data asked for is what the run was trained on, in its place or another."""
    return bool(given["name"] == own["name"] and given.get("root") in (None, own.get("root")))


def open_split(
    data: Mapping[str, Any], splits: Mapping[str, Any], seed: int, split: str
) -> PatchSource:
    """Open one split to score; ``predict`` is Kaggle's unlabelled folder.

    Raises:
        DataError: the source has no such split.
    """
    if split == "predict":
        if data["name"] != "kaggle":
            raise ConfigError(
                f"split=predict: only data=kaggle has unlabelled patches, not data={data['name']}"
            )
        return limit_source(open_source(data, split), data["limit"], 0)
    as_published = splits["name"] in ("auto", "official") and data.get("duplicates") != "drop"
    if data["name"] == "folder" and as_published and split != "train" and split in published(data):
        return limit_source(
            open_source(data, split), data["limit"], 0
        )  # it need not lie beside patches to train on
    opened = open_splits(data, splits, seed)
    if split not in opened.splits:
        raise DataError(
            f"data={data['name']} has no split '{split}'{suggest(split, opened.splits)}"
        )
    return opened.splits[split]


def crop_for_split(config: Config, split: str) -> Crop:
    """Return the crop of a split: valid is cropped as the run cropped valid, all else as it cropped test."""
    crop = config["crop"]
    return Crop(crop["valid" if split == "valid" else "test"], crop["size"], config["seed"])


def predict_probabilities(
    model: PatchClassifier,
    source: PatchSource,
    config: Config,
    data: Mapping[str, Any],
    split: str,
    tta: str = "none",
) -> Probabilities:
    """Return the probability of the positive class for each patch of a source, (N,), in its order.

    In full precision, so that it does not depend on the batch size.

    Args:
        model: in eval mode.
        source: patches.
        config: the run's, for its crop.
        data: settings of ``data``: batch_size, num_workers.
        split: name of the split, for its crop.
        tta: none, flips (4) or d4 (8): symmetries over which the probabilities are averaged.

    Raises:
        ConfigError: ``tta`` is not known.
    """
    if tta not in TTA:
        raise ConfigError(f"tta={tta} is not known{suggest(tta, TTA)}")
    checked_batch(data["batch_size"])
    dataset = PatchDataset(source, crop_for_split(config, split), None)
    order = PatchOrder(len(source), data["batch_size"], seed=0, training=False)
    with (
        torch.inference_mode(),
        tqdm(total=len(source), unit="patch", desc="scoring", disable=None, leave=False) as bar,
    ):
        parts = []
        for batch in loaded(dataset, order, workers(data["num_workers"])):
            images = batch["image"].to(model.device, non_blocking=True)
            views = [
                torch.sigmoid(model(rotate(images, symmetry)).double()) for symmetry in TTA[tta]
            ]
            parts.append(torch.stack(views).mean(0).cpu().numpy())
            bar.update(len(images))
    return np.concatenate(parts)
