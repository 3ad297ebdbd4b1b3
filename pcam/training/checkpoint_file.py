"""How checkpoints are written: straight into the run folder, whole or not at all."""

import os
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO


class CheckpointFile(TorchCheckpointIO):
    """Writes a checkpoint beside its final name, and renames it when it is complete.

    Lightning's own way holds a second copy in memory, and writes to the temporary folder first,
    from where it is copied if that is on another file system.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None
    ) -> None:
        """Write a checkpoint.

        Args:
            checkpoint: what is kept.
            path: of the file; its folder is created.
            storage_options: not used.
        """
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.part")
        torch.save(checkpoint, temporary)
        os.replace(temporary, target)
