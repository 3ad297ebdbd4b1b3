import numpy as np
import pytest

from pcam.data.sampling import PatchOrder


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


LABELS = np.repeat(np.array([0, 1], np.uint8), [95, 5])


def balanced(epoch: int = 0, rank: int = 0, world: int = 1) -> PatchOrder:
    return PatchOrder(100, 10, 0, True, rank, world, lambda: epoch, balanced=LABELS)


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
