"""Mixup: what a blend of patches and of their losses is."""

import numpy as np
import torch

from pcam.data.randomness import Purpose, draw
from pcam.models.losses import cross_entropy
from pcam.models.mixing import Mix, draw_mix


def test_patches_and_losses_are_blended_by_the_same_share() -> None:
    mix = Mix(0.75, torch.tensor([1, 0]))
    images = torch.tensor([0, 200], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 3, 2, 2)
    assert mix.blend(images)[:, 0, 0, 0].tolist() == [50, 150]
    logit, label = torch.tensor([2.0, -1.0]), torch.tensor([1, 0])

    def loss(logit: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        return cross_entropy(logit, label, 0.0)

    soft = torch.tensor([0.75, 0.25])
    probability = torch.sigmoid(logit)
    expected = -(soft * probability.log() + (1 - soft) * (1 - probability).log())
    assert torch.allclose(mix.blend_losses(loss, logit, label), expected)


def test_memory_format_and_dtype_stay() -> None:
    images = torch.zeros(4, 3, 8, 8, dtype=torch.uint8).to(memory_format=torch.channels_last)
    blended = Mix(0.6, torch.tensor([3, 2, 1, 0])).blend(images)
    assert blended.dtype == torch.uint8
    assert blended.is_contiguous(memory_format=torch.channels_last)


def test_a_patch_s_own_share_is_the_larger_one() -> None:
    mixes = [
        draw_mix(0.4, 8, draw(0, Purpose.MIXUP, 0, step), torch.device("cpu"))
        for step in range(200)
    ]
    shares = np.array([mix.share for mix in mixes])
    assert shares.min() >= 0.5
    assert shares.std() > 0.1
    assert sorted(mixes[0].partner.tolist()) == list(range(8))
