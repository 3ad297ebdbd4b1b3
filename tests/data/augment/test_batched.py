"""Batched augmentation has the distribution of albumentations: moments and two-sample tests."""

import numpy as np
import pytest
import torch
from scipy import stats

from pcam.config.sections import AugConfig
from pcam.data.augment.augmentation import Augmentation
from pcam.data.augment.batched import (
    CHANGES,
    BatchedAugmentation,
    jitter_colours,
    rotate_batch,
)
from pcam.data.augment.recipes import DihedralColorConfig, DihedralConfig, PaperConfig, StainConfig
from pcam.data.sources.synthetic.source import SyntheticSource
from pcam.data.symmetries import rotate
from pcam.errors import ConfigError
from tests.data.configs import data_config

DRAWS = 10_000
# One patch, small, with tissue and white in it: clipping shows.
PATCH = SyntheticSource("train", 60).read(np.array([7]))[:, 30:54, 30:54]


def both(settings: AugConfig) -> tuple[np.ndarray, np.ndarray]:
    """Return PATCH under 10,000 draws of albumentations, and of the batched form."""
    index = np.arange(DRAWS)
    many = np.repeat(PATCH, DRAWS, axis=0)
    batched = BatchedAugmentation(settings, 0, DRAWS)
    image = torch.from_numpy(many).permute(0, 3, 1, 2)
    out = batched(image, batched.draws(index, 0))
    assert out.dtype == torch.uint8
    assert (image.permute(0, 2, 3, 1).numpy() == PATCH).all()  # not changed
    return Augmentation(settings, 0)(many, index, 0), out.permute(0, 2, 3, 1).numpy()


def colour(**strength: float) -> DihedralColorConfig:
    unchanged = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0}
    return DihedralColorConfig(**{**unchanged, **strength})


ALL = {"brightness": 0.2, "contrast": 0.2, "saturation": 0.2, "hue": 0.1}


@pytest.mark.parametrize(
    "settings",
    [
        *(
            pytest.param(colour(**{name: 2 * value}), marks=pytest.mark.slow)
            for name, value in ALL.items()
        ),
        pytest.param(colour(**ALL), marks=pytest.mark.slow),
        pytest.param(PaperConfig(jitter_share=0.5, **ALL), marks=pytest.mark.slow),
        pytest.param(StainConfig(stain_scale=0.3, stain_shift=0.1, **ALL), marks=pytest.mark.slow),
    ],
    ids=[*ALL, "together", "paper", "stain"],
)
def test_colours_have_the_same_distribution(settings: AugConfig) -> None:
    known, ours = both(settings)
    for channel in range(3):
        for figure in (np.mean, np.std):
            a, b = (figure(patches[..., channel], axis=(1, 2)) for patches in (known, ours))
            spread = a.std()
            if (
                spread < 0.5
            ):  # contrast keeps the mean, saturation the grey: nothing to compare but the value
                assert abs(a.mean() - b.mean()) < 0.5
                continue
            assert (
                abs(a.mean() - b.mean()) < 4 * spread * np.sqrt(2 / DRAWS) + 0.5
            )  # albumentations rounds after each step
            assert abs(b.std() / spread - 1) < 0.05
            assert (
                stats.ks_2samp(a, b).statistic < 0.03
            )  # the 0.1 % point of 10,000 against 10,000 is 0.0276


SYMMETRIES = [
    np.rot90(PATCH[0, ..., 0] if not flip else PATCH[0, :, ::-1, 0], turns)
    for flip in (0, 1)
    for turns in range(4)
]


@pytest.mark.parametrize(
    "settings",
    [
        DihedralConfig(),
        pytest.param(PaperConfig(jitter_share=0.0, **ALL), marks=pytest.mark.slow),
    ],
    ids=["dihedral", "paper"],
)
def test_symmetries_have_the_same_distribution(settings: AugConfig) -> None:
    counts = []
    for patches in both(settings):
        equal = np.stack([(patches[..., 0] == symmetry).all((1, 2)) for symmetry in SYMMETRIES])
        assert (equal.sum(0) == 1).all()
        counts.append(equal.sum(1))
    assert stats.chi2_contingency(counts).pvalue > 0.001


def test_draws_belong_to_the_patch() -> None:
    settings = PaperConfig(jitter_share=0.5, **ALL)
    patches = torch.from_numpy(SyntheticSource("train", 40).read(np.arange(40))).permute(0, 3, 1, 2)

    def augmented(index: np.ndarray, epoch: int = 0, seed: int = 0, size: int = 40) -> torch.Tensor:
        batched = BatchedAugmentation(settings, seed, size)
        return batched(patches[index], batched.draws(index, epoch))

    order = np.random.default_rng(0).permutation(40)
    together = augmented(np.arange(40))
    assert torch.equal(augmented(order), together[order])  # whatever the batch
    assert torch.equal(augmented(np.array([3])), together[3:4])
    assert torch.equal(
        augmented(np.arange(40), size=50), together
    )  # whatever the number of patches
    for other in (augmented(np.arange(40), epoch=1), augmented(np.arange(40), seed=1)):
        assert (other != together).flatten(1).any(1).sum() > 30
    assert augmented(np.arange(40)).is_contiguous(memory_format=torch.channels_last)


def test_a_recipe_without_a_batched_form_says_so() -> None:
    with pytest.raises(
        ConfigError,
        match=r"aug\.batched=true is not available for aug=keras .*_color, stain, paper",
    ):
        data_config("aug=keras", "aug.batched=true")


def test_each_patch_s_colours_change_in_its_own_order() -> None:
    settings = PaperConfig(jitter_share=0.5, **ALL)
    patches = SyntheticSource("train", 40).read(np.arange(40))
    images = torch.from_numpy(patches).permute(0, 3, 1, 2)
    augmentation = BatchedAugmentation(settings, 0, 40)
    draws = augmentation.draws(np.arange(40), 0)
    out = jitter_colours(images, draws)
    assert len({tuple(order) for order in draws.order[draws.jitter]}) > 5
    for row in range(40):
        expected = images[row : row + 1].float()
        for number in draws.order[row] if draws.jitter[row] else ():
            factor = torch.tensor(draws.factors[row, number], dtype=torch.float32).view(1, 1, 1, 1)
            expected = CHANGES[number](expected, factor).clamp(0, 255)
        assert torch.equal(out[row : row + 1], expected.to(torch.uint8))


def test_every_symmetry_is_that_of_rotate() -> None:
    settings = DihedralConfig()
    images = torch.from_numpy(SyntheticSource("train", 60).read(np.arange(60))).permute(0, 3, 1, 2)
    draws = BatchedAugmentation(settings, 0, 60).draws(np.arange(60), 0)
    out = rotate_batch(images, draws)
    assert len(set(zip(draws.turns, draws.flip, strict=True))) == 8
    for row in range(60):
        symmetry = (int(draws.turns[row]), bool(draws.flip[row]))
        assert torch.equal(out[row], rotate(images[row], symmetry))
