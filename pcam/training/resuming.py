"""What a resumed training takes from its last checkpoint, and what must still be as it was."""

from dataclasses import dataclass
from pathlib import Path

import torch

from pcam.config.classes import Classes, positive_by_name
from pcam.config.schema import TrainConfig
from pcam.errors import RunError
from pcam.evaluation.saved_run import earlier_classes
from pcam.models.classifier import read_origin
from pcam.models.patch_format import PatchFormat
from pcam.models.tensor_files import describe_unreadable
from pcam.models.weights import WeightsOrigin, describe_not_finite
from pcam.runs.access import ensure_readable
from pcam.runs.checkpoints import CheckpointState, resumable_checkpoint
from pcam.runs.folder import last_checkpoint
from pcam.training.splitting import BatchSplit
from pcam.training.step_checkpoints import trained_epochs
from pcam.training.trained_data import read_fingerprint


@dataclass(frozen=True)
class SavedTraining:
    """What a checkpoint says about the training that goes on from it.

    Attributes:
        epochs: that were completed.
        origin: what the network was initialised with.
        patches: that it was trained on; None if an earlier version did not store them.
        split: of each batch.
        rates: the highest learning rates of backbone and head; None if an earlier version stored
            them otherwise.
        fingerprint: the SHA-256 of each split of the data; None if an earlier version did not store
            it.
    """

    epochs: int
    origin: WeightsOrigin
    patches: PatchFormat | None
    split: BatchSplit
    rates: tuple[float, float] | None
    fingerprint: dict[str, str] | None


def check_checkpoint(folder: Path, epochs: int, batch_size: int) -> SavedTraining:
    """Make sure that a run can be resumed.

    Args:
        folder: the run's.
        epochs: of the whole training.
        batch_size: of the config.

    Returns:
        What its last checkpoint says.

    Raises:
        AccessError: the last checkpoint cannot be read now.
        RunError: it is damaged, or has more than ``epochs`` epochs.
    """
    path = resumable_checkpoint(folder) or last_checkpoint(folder)
    ensure_readable(path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        done = trained_epochs(state)
        origin = read_origin(state)
        if origin is None:
            raise KeyError("initial_weights")
        split, rates = BatchSplit.read(state), _read_rates(state)
        if batch_size % split.parts:
            raise ValueError(f"batches of {batch_size} cannot be split into {split.parts} parts")
    except Exception as error:  # torch.load raises a different error for each kind of damage
        raise RunError(
            f"{path} cannot be read safely as a checkpoint ({describe_unreadable(error)}); "
            "start the run again"
        ) from error
    fault = describe_not_finite(state["state_dict"])
    if fault is not None:
        raise RunError(f"{path} holds weights that are not finite: {fault}; start the run again")
    if done > epochs:
        raise RunError(
            f"{folder} has been trained for {done} epochs already; "
            f"trainer.max_epochs={epochs} must not be less"
        )
    patches, fingerprint = PatchFormat.read(state), read_fingerprint(state)
    return SavedTraining(done, origin, patches, split, rates, fingerprint)


def _read_rates(checkpoint: CheckpointState) -> tuple[float, float] | None:
    """Return the highest learning rates of backbone and head that a checkpoint was trained with.

    None if it does not say them in today's form.
    """
    settings = checkpoint["hyper_parameters"].get("optimizer", {})
    if not {"lr", "head_lr"} <= set(settings):
        return None
    return float(settings["lr"]), float(settings["head_lr"])


def name_earlier_positive(config: TrainConfig) -> TrainConfig:
    """Return the config of a run of an earlier version, with the class that it took as positive.

    It took the second class in alphabetical order, also where the names say nothing or the other.
    """
    names = earlier_classes(config)
    if names is None or positive_by_name(names) == names[1]:
        return config
    data = config.data.model_copy(update={"positive": names[1]})
    return config.model_copy(update={"data": data})


def check_classes(folder: Path, trained: PatchFormat | None, classes: Classes) -> None:
    """Make sure that a resumed run goes on with the classes that it was trained on.

    Args:
        folder: the run's.
        trained: what its checkpoint says; None if an earlier version wrote it.
        classes: the names of the labels 0 and 1, as the data has them now.

    Raises:
        RunError: they differ.
    """
    if trained is not None and trained.classes != classes:
        raise RunError(
            f"{folder} was trained on {trained.classes[0]} and {trained.classes[1]} (positive);"
            f" the data has {classes[0]} and {classes[1]} (positive) now"
        )
