"""What the tests of a training share: settings of a tiny run, and its checkpoints."""

from pathlib import Path
from typing import Any

import pytest
import torch

from pcam.models.classifier import PatchClassifier
from tests.conftest import SMALL, TINY

STUDY = [*TINY, *SMALL, "data.valid=32", "data.test=32"]
NO_LEARNING = ["optimizer.lr=0", "optimizer.head_lr=0", "finetune.batchnorm=kept"]

Tensors = dict[str, torch.Tensor]


def read_checkpoint(folder: Path, name: str = "last") -> dict[str, Any]:
    path = folder / "checkpoints" / f"{name}.ckpt"
    return torch.load(path, map_location="cpu", weights_only=True)


def read_state(folder: Path, prefix: str = "network.", name: str = "last") -> Tensors:
    state = read_checkpoint(folder, name)["state_dict"]
    return {key: value for key, value in state.items() if key.startswith(prefix)}


def equal_tensors(a: Tensors, b: Tensors) -> list[bool]:
    assert a.keys() == b.keys()
    return [torch.equal(a[key], b[key]) for key in a]


def seen_patches(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """Return a list that takes the patches of each batch that is trained."""
    seen: list[list[int]] = []
    step = PatchClassifier.training_step

    def recorded(
        self: PatchClassifier, batch: dict[str, torch.Tensor], batch_idx: int
    ) -> torch.Tensor:
        seen.append(batch["index"].tolist())
        return step(self, batch, batch_idx)

    monkeypatch.setattr(PatchClassifier, "training_step", recorded)
    return seen
