from typing import Literal

import numpy as np
import pytest

from pcam.config.sections import DataConfig
from pcam.data.sampling import PatchOrder, patches_per_epoch


def flat(order: PatchOrder) -> list[int]:
    batches = list(order)
    assert len(order) == len(batches)
    return [int(i) for request in batches for i in request.indices]


@pytest.mark.parametrize(("size", "world"), [(1001, 2), (1001, 3), (64, 4), (3, 4), (7, 1)])
def test_trap_distributed_evaluation_reads_each_patch_in_even_steps(size: int, world: int) -> None:
    shares = [flat(PatchOrder(size, 16, 0, False, rank, world)) for rank in range(world)]
    assert {i for part in shares for i in part} == set(range(size))
    assert len({len(part) for part in shares}) == 1


def test_distributed_training_reads_each_patch_once_in_another_order_each_epoch() -> None:
    def shares(epoch: int) -> list[list[int]]:
        return [flat(PatchOrder(101, 10, 0, True, rank, 2, lambda: epoch)) for rank in range(2)]

    first = shares(0)
    assert [len(part) for part in first] == [50, 50]
    assert len(set(first[0]) | set(first[1])) == 100
    assert shares(1) != first
    assert shares(0) == first


def test_a_last_incomplete_batch_is_only_left_out_of_training() -> None:
    assert len(flat(PatchOrder(50, 16, 0, True))) == 48
    assert len(flat(PatchOrder(50, 16, 0, False))) == 50
    assert len(flat(PatchOrder(5, 16, 0, True))) == 5  # too few for one batch


def part_of_all(epoch: int, per_epoch: int, world: int = 1) -> list[list[int]]:
    """Return the patches of each process in an epoch of 100 patches."""
    return [
        flat(PatchOrder(100, 10, 0, True, rank, world, lambda: epoch, per_epoch=per_epoch))
        for rank in range(world)
    ]


def test_shorter_epochs_go_on_with_the_patches_that_have_not_come_yet() -> None:
    epochs = [part_of_all(epoch, 40)[0] for epoch in range(5)]
    assert [len(epoch) for epoch in epochs] == [40] * 5
    indices = [index for epoch in epochs for index in epoch]
    assert sorted(indices[:100]) == sorted(indices[100:]) == list(range(100))
    assert indices[:100] != indices[100:]


def test_longer_epochs_have_each_patch_several_times_and_draw_for_it_anew() -> None:
    order = PatchOrder(100, 10, 0, True, per_epoch=300)
    draws = np.concatenate([request.draws for request in order])
    assert sorted(draws) == list(range(300))
    assert set(np.bincount(flat(order))) == {3}
    processes = part_of_all(0, 300, world=2)
    assert sorted(processes[0] + processes[1]) == sorted(draws % 100)


def test_an_epoch_of_all_patches_has_the_order_of_one_without_a_number() -> None:
    for epoch in range(3):
        plain = PatchOrder(100, 10, 0, True, epoch=lambda epoch=epoch: epoch)
        assert part_of_all(epoch, 100) == [flat(plain)]


@pytest.mark.parametrize(
    ("asked", "size", "expected"),
    [
        ("auto", 300, 1200),
        ("auto", 999, 1998),
        ("auto", 1000, 1000),
        ("auto", 5000, 5000),
        (None, 300, 300),
        (64, 300, 64),
        (2000, 300, 2000),
    ],
)
def test_few_patches_come_several_times_by_default(
    asked: int | Literal["auto"] | None, size: int, expected: int
) -> None:
    data = DataConfig(name="folder", patches_per_epoch=asked)
    assert patches_per_epoch(data, size) == expected


def test_a_quick_try_has_each_patch_once() -> None:
    data = DataConfig(name="folder", patches_per_epoch="auto", limit=300)
    assert patches_per_epoch(data, 300) == 300


LABELS = np.repeat(np.array([0, 1], np.uint8), [95, 5])


def balanced(
    epoch: int = 0, rank: int = 0, world: int = 1, per_epoch: int | None = None
) -> PatchOrder:
    return PatchOrder(
        100, 10, 0, True, rank, world, lambda: epoch, balanced=LABELS, per_epoch=per_epoch
    )


def test_balanced_epochs_of_any_length_have_as_many_patches_of_each_class() -> None:
    for per_epoch in (40, 300):
        counts = np.bincount(flat(balanced(per_epoch=per_epoch)), minlength=100)
        assert counts[:95].sum() == counts[95:].sum() == per_epoch // 2
        assert counts[:95].max() - counts[:95].min() <= 1


def test_a_balanced_epoch_has_as_many_patches_of_each_class() -> None:
    indices = np.array(flat(balanced()))
    counts = np.bincount(indices, minlength=100)
    assert counts[:95].max() == 1
    assert counts[:95].sum() == counts[95:].sum() == 50
    assert set(counts[95:]) == {10}
    assert flat(balanced(epoch=1)) != flat(balanced())
    processes = [flat(balanced(rank=rank, world=2)) for rank in range(2)]
    assert sorted(processes[0] + processes[1]) == sorted(indices)


def test_a_patch_that_comes_twice_in_an_epoch_is_drawn_for_anew() -> None:
    requests = list(balanced())
    draws = np.concatenate([request.draws for request in requests])
    indices = np.concatenate([request.indices for request in requests])
    assert len(set(draws)) == 100
    assert (draws % 100 == indices).all()
    assert (draws == indices)[indices < 95].all()
