"""How checkpoints are written: straight into the run folder, whole or not at all."""

import os
from pathlib import Path

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO

from pcam.runs.checkpoints import CheckpointState, is_whole, previous_checkpoint
from pcam.runs.files import replaced_file

LAST = "last.ckpt"


class CheckpointFile(TorchCheckpointIO):
    """Writes a checkpoint beside its final name, and renames it when it is on the disk.

    Lightning's own way holds a second copy in memory, and writes to the temporary folder first,
    from where it is copied over the only checkpoint if that is on another file system. The one
    before the last is kept.
    """

    def __init__(self) -> None:
        self._last_is_whole = False  # because this process has written it

    def save_checkpoint(
        self,
        checkpoint: CheckpointState,
        path: str | os.PathLike[str],
        storage_options: object = None,
    ) -> None:
        """Write a checkpoint.

        Args:
            checkpoint: what is kept.
            path: of the file; its folder is created.
            storage_options: not used.
        """
        target = Path(path)
        with replaced_file(target, self._kept_as(target)) as file:
            torch.save(checkpoint, file)
        self._last_is_whole |= target.name == LAST

    def _kept_as(self, target: Path) -> Path | None:
        """Return where the checkpoint before the last is kept; None if there is none to keep."""
        if target.name != LAST or not target.is_file():
            return None
        whole = self._last_is_whole or is_whole(target)  # it may be damaged when a run is resumed
        return previous_checkpoint(target.parents[1]) if whole else None
