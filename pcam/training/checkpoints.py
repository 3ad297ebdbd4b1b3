"""Checkpoints of a run folder: best and last."""

from pathlib import Path
from typing import Any

from lightning.pytorch.callbacks import ModelCheckpoint

from pcam.runs.folder import MONITOR

PATH_KEYS = ("best_model_path", "last_model_path", "kth_best_model_path")


class Checkpoint(ModelCheckpoint):
    """A ModelCheckpoint that keeps its best value if the run folder has moved."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state, with paths in today's folder."""
        state = {**state_dict, "dirpath": self.dirpath}
        for key in PATH_KEYS:
            state[key] = self._move(state_dict[key])
        best = {}
        for path, score in state_dict["best_k_models"].items():
            best[self._move(path)] = score
        state["best_k_models"] = best
        super().load_state_dict(state)

    def _move(self, path: str) -> str:
        """Return where a checkpoint is now; no path stays none."""
        return str(Path(str(self.dirpath)) / Path(path).name) if path else path


def build_checkpoints(folder: Path) -> list[Checkpoint]:
    """Return the callbacks that write best.ckpt and last.ckpt.

    ``save_last`` of one callback would write only in epochs that are also the best.
    """
    best = Checkpoint(
        dirpath=folder / "checkpoints",
        filename="best",
        monitor=MONITOR,
        mode="max",
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    last = Checkpoint(
        dirpath=folder / "checkpoints",
        filename="last",
        monitor=None,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    return [best, last]
