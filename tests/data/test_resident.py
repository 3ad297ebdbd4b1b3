"""Patches on the device give the batches that are read anew in each epoch."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pcam.data.datamodule import PatchDataModule
from pcam.data.resident import ResidentBatches
from tests.data.configs import data_module

SMALL = (
    "data.train=70",
    "data.valid=20",
    "data.test=20",
    "data.batch_size=16",
    "data.patches_per_epoch=null",
)


def trained(data: PatchDataModule, epoch: int = 0) -> PatchDataModule:
    """Give a data module a trainer in an epoch."""
    data.trainer = SimpleNamespace(
        global_rank=0,
        world_size=1,
        current_epoch=epoch,
        training=True,
        fit_loop=SimpleNamespace(batch_idx=-1),
        strategy=SimpleNamespace(root_device=torch.device("cpu")),
    )
    return data


def training_batches(data: PatchDataModule, epoch: int) -> list[dict[str, torch.Tensor]]:
    trained(data, epoch)
    device = torch.device("cpu")
    loader = data.train_dataloader()
    return [data.transfer_batch_to_device(batch, device, 0) for batch in loader]


@pytest.mark.parametrize(
    "overrides",
    [
        ("aug=none",),
        ("aug=paper", "aug.batched=true"),
        ("aug=dihedral_color", "aug.batched=true", "crop=random", "crop.size=40"),
        ("aug=none", "crop=center", "crop.size=32"),
        ("aug=dihedral", "aug.batched=true", "crop=ring", "crop.size=32"),
    ],
    ids=" ".join,
)
def test_resident_patches_give_the_same_batches(overrides: tuple[str, ...]) -> None:
    read = data_module(*SMALL, *overrides, "data.resident=false")
    resident = data_module(*SMALL, *overrides, "data.resident=true")
    assert isinstance(trained(resident).train_dataloader(), ResidentBatches)
    for epoch in (0, 1):
        ours, theirs = training_batches(resident, epoch), training_batches(read, epoch)
        assert len(ours) == len(theirs) == 4
        for one, other in zip(ours, theirs, strict=True):
            assert one.keys() == other.keys()
            for name in one:
                assert torch.equal(one[name], other[name]), name
            assert one["image"].is_contiguous(memory_format=torch.channels_last)


def test_valid_stays_on_the_device_too_and_has_every_patch() -> None:
    data = trained(data_module(*SMALL, "aug=none", "data.resident=true"))
    batches = list(data.val_dataloader())
    index = torch.cat([batch["index"] for batch in batches]).numpy()
    assert (index == np.arange(20)).all()
    images = torch.cat([batch["image"] for batch in batches]).permute(0, 2, 3, 1)
    assert (images.numpy() == data.sources["valid"].read(np.arange(20))).all()


def test_patches_for_albumentations_are_read_in_each_epoch() -> None:
    data = trained(data_module(*SMALL, "aug=paper", "aug.batched=false", "data.resident=true"))
    assert not isinstance(data.train_dataloader(), ResidentBatches)
    assert isinstance(data.val_dataloader(), ResidentBatches)


def test_on_a_cpu_auto_reads_patches_in_each_epoch() -> None:
    data = trained(data_module(*SMALL, "aug=none"))
    assert not isinstance(data.train_dataloader(), ResidentBatches)
