import numpy as np
import pytest

from pcam.data.randomness import Purpose, Stream, draw


def test_a_draw_is_a_function_of_its_names() -> None:
    first = draw(3, Purpose.CROP, 2, 7).random(5)
    draw(3, Purpose.CROP, 2, 8).random(1000)
    assert (draw(3, Purpose.CROP, 2, 7).random(5) == first).all()
    others = [
        (4, Purpose.CROP, 2, 7),
        (3, Purpose.ORDER, 2, 7),
        (3, Purpose.CROP, 1, 7),
        (3, Purpose.CROP, 2, 6),
    ]
    assert all((draw(*other).random(5) != first).all() for other in others)


def test_neighbouring_patches_are_not_correlated() -> None:
    values = np.array([draw(0, Purpose.AUGMENTATION, 0, patch).random(2) for patch in range(4000)])
    assert abs(np.corrcoef(values[:-1, 0], values[1:, 0])[0, 1]) < 0.05
    assert abs(values.mean() - 0.5) < 0.02


def test_long_streams_of_neighbours_do_not_overlap() -> None:
    # Philox counts upwards in its first word; epoch and patch lie in other words, so no stream runs
    # into the next.
    a, b = (draw(0, Purpose.ORDER, 0, patch).integers(1 << 62, size=20_000) for patch in (0, 1))
    assert len(np.intersect1d(a, b)) == 0


@pytest.mark.parametrize("before", [0, 1, 2, 3, 7, 1000])
def test_a_stream_is_taken_up_as_new(before: int) -> None:
    stream = Stream(3, Purpose.CROP)
    stream.at(5, 6).integers(
        1 << 20, size=before, dtype=np.uint32
    )  # leaves half a word and part of a block behind
    for epoch, patch in ((2, 7), (2, 8), (2, 7)):
        known, taken = draw(3, Purpose.CROP, epoch, patch), stream.at(epoch, patch)
        assert (
            known.integers(1 << 20, size=9, dtype=np.uint32)
            == taken.integers(1 << 20, size=9, dtype=np.uint32)
        ).all()
        assert (known.random(9) == taken.random(9)).all()
