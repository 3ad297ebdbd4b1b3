import pytest

from pcam.data.sampling import PatchOrder


def flat(order: PatchOrder) -> list[int]:
    batches = list(order)
    assert len(order) == len(batches)
    return [int(i) for _, batch in batches for i in batch]


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
