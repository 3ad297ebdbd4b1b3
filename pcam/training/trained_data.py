"""The data of a training: as it was from the first step to the last, and on resuming."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from lightning import Callback, LightningModule, Trainer

from pcam.data.datamodule import PatchDataModule
from pcam.data.watching import refuse_changed
from pcam.errors import RunError
from pcam.runs.checkpoints import CheckpointState
from pcam.stats.formatting import join_words

KEY = "data"  # of a checkpoint: the SHA-256 of each split


class TrainedData(Callback):
    """Ends a training whose data files change, and stores in checkpoints what data it is.

    It looks at each file's size and time when an epoch or a scoring starts, and before a checkpoint
    is written. So no checkpoint is of steps on data that was changed.

    Args:
        data: of the training.
    """

    def __init__(self, data: PatchDataModule) -> None:
        self.file_states = data.file_states
        self.fingerprint = data.fingerprint()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at the files."""
        refuse_changed(self.file_states)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at the files."""
        refuse_changed(self.file_states)

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at the files."""
        refuse_changed(self.file_states)

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: CheckpointState
    ) -> None:
        """Look at the files, and store the SHA-256 of each split."""
        refuse_changed(self.file_states)
        checkpoint[KEY] = dict(self.fingerprint)


def read_fingerprint(checkpoint: CheckpointState) -> dict[str, str] | None:
    """Return the SHA-256 of each split that a checkpoint keeps; None if it is an older one."""
    saved = checkpoint.get(KEY)
    return None if saved is None else {str(split): str(sha256) for split, sha256 in saved.items()}


def check_data(
    folder: Path,
    trained: Mapping[str, str] | None,
    now: Mapping[str, str],
    changed: Literal["refuse", "accept"],
) -> str | None:
    """Make sure that a resumed run goes on with the data that it was trained on.

    Args:
        folder: the run's.
        trained: the SHA-256 of each split, as its checkpoint says; None if an earlier version wrote
            it.
        now: likewise, of the data as it is now.
        changed: the config's ``data.changed``.

    Returns:
        A warning, if other data is accepted.

    Raises:
        RunError: the data differs, and that is not accepted.
    """
    if trained is None:
        return None
    splits = [name for name in {**trained, **now} if trained.get(name) != now.get(name)]
    if not splits:
        return None
    differs = "differs" if len(splits) == 1 else "differ"
    fact = f"{folder} was trained on other data: {join_words(splits)} {differs} in ids, labels or"
    if changed == "accept":
        return f"{fact} pixels; it goes on with what is there (data.changed=accept)"
    raise RunError(
        f"{fact} pixels (SHA-256); restore the files, set data.root to where they are, or set"
        " data.changed=accept to go on with what is there"
    )
