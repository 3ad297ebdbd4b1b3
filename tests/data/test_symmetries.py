import torch

from pcam.data.symmetries import D4, rotate, rotate_back


def test_the_eight_symmetries_differ_and_have_inverses() -> None:
    image = torch.arange(3 * 5 * 5).view(1, 3, 5, 5)
    views = [rotate(image, symmetry) for symmetry in D4]
    assert len({tuple(view.flatten().tolist()) for view in views}) == 8
    for symmetry, view in zip(D4, views, strict=True):
        assert torch.equal(rotate_back(view, symmetry), image)


def test_a_quarter_turn_is_anticlockwise_before_the_mirror() -> None:
    image = torch.tensor([[1, 2], [3, 4]])
    assert rotate(image, (1, False)).tolist() == [[2, 4], [1, 3]]
    assert rotate(image, (1, True)).tolist() == [[4, 2], [3, 1]]
