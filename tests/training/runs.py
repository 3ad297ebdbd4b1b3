"""What the tests of a training share: settings of a tiny run, and its checkpoints."""

from pathlib import Path
from typing import Any

import torch

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
