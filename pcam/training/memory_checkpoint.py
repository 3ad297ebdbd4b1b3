"""A checkpoint of Lightning's that is kept in memory."""

import os

from lightning.fabric.plugins.io.checkpoint_io import CheckpointIO

from pcam.runs.checkpoints import CheckpointState


class CheckpointInMemory(CheckpointIO):
    """Keeps the checkpoint that Lightning's search goes back to; no file is written or read.

    The network that goes back is discarded, so its tensors need no copy.
    """

    def __init__(self) -> None:
        self.state: CheckpointState = {}

    def save_checkpoint(
        self,
        checkpoint: CheckpointState,
        path: str | os.PathLike[str],
        storage_options: object = None,
    ) -> None:
        """Keep a checkpoint."""
        self.state = checkpoint

    def load_checkpoint(
        self,
        path: str | os.PathLike[str],
        map_location: object = None,
        weights_only: bool | None = None,
    ) -> CheckpointState:
        """Return the checkpoint that is kept."""
        return self.state

    def remove_checkpoint(self, path: str | os.PathLike[str]) -> None:
        """Discard the checkpoint."""
        self.state = {}
