"""Augmentation recipes, in albumentations.

Albumentations 2.0.8 is its last MIT release and is no longer maintained; only this package uses it.

A recipe is a function from its config to albumentations transforms. Its form for whole batches, if
it has one, is a function from uniform numbers to draws::

    @register_augmentation("mine", config=MyAugConfig)
    def mine(config: MyAugConfig) -> list[Transform]: ...
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import numpy as np
from pydantic import Field

from pcam.config.base import ClosedShare, NonNegativeFloat
from pcam.config.registry import register_augmentation
from pcam.config.sections import AugConfig
from pcam.data.augment.draws import COLUMNS, Draws, Jitter, Uniform, combine_draws

if TYPE_CHECKING:
    from albumentations import BaseCompose, BasicTransform

    Transform: TypeAlias = BasicTransform | BaseCompose


class ColourConfig(AugConfig):
    """Strengths of a colour jitter.

    Attributes:
        brightness: factor 1 ± this.
        contrast: likewise.
        saturation: likewise.
        hue: ± share of the colour circle.
    """

    brightness: NonNegativeFloat
    contrast: NonNegativeFloat
    saturation: NonNegativeFloat
    hue: Annotated[float, Field(ge=0, le=0.5)]

    def jitter(self, share: float) -> Jitter:
        """Return the jitter of a share of the patches."""
        return Jitter(share, self.brightness, self.contrast, self.saturation, self.hue)


class NoAugConfig(AugConfig):
    """No augmentation."""

    name: Literal["none"] = "none"


@register_augmentation("none", config=NoAugConfig)
def none(config: NoAugConfig) -> list[Transform]:
    """No augmentation."""
    return []


class DihedralConfig(AugConfig):
    """One of the eight symmetries of the square."""

    name: Literal["dihedral"] = "dihedral"


def draw_dihedral(u: Uniform, config: DihedralConfig) -> Draws:
    """Return the draws of `dihedral`."""
    return combine_draws(u, *_draw_symmetry(u), Jitter(0.0, 0.0, 0.0, 0.0, 0.0))


@register_augmentation("dihedral", config=DihedralConfig, batched=draw_dihedral, quarter_turns=True)
def dihedral(config: DihedralConfig) -> list[Transform]:
    """One of the eight symmetries of the square, uniformly."""
    import albumentations as A

    return [A.D4(p=1.0)]


class DihedralColorConfig(ColourConfig):
    """Colour jitter, then one of the eight symmetries of the square."""

    name: Literal["dihedral_color"] = "dihedral_color"


def draw_dihedral_color(u: Uniform, config: DihedralColorConfig) -> Draws:
    """Return the draws of `dihedral_color`."""
    return combine_draws(u, *_draw_symmetry(u), config.jitter(1.0))


@register_augmentation(
    "dihedral_color",
    config=DihedralColorConfig,
    batched=draw_dihedral_color,
    quarter_turns=True,
)
def dihedral_color(config: DihedralColorConfig) -> list[Transform]:
    """Colour jitter, then one of the eight symmetries of the square."""
    import albumentations as A

    return [_colour_jitter(config.jitter(1.0)), A.D4(p=1.0)]


class StainConfig(ColourConfig):
    """Jitter of the stains, then of the colours, then one of the eight symmetries of the square.

    Attributes:
        stain_scale: the amounts of haematoxylin, eosin and DAB change by a factor 1 ± this.
        stain_shift: ± this is added to them; in natural units of density, 0.1 of which takes a
            tenth of the light.
    """

    name: Literal["stain"] = "stain"
    stain_scale: NonNegativeFloat
    stain_shift: NonNegativeFloat


def draw_stain(u: Uniform, config: StainConfig) -> Draws:
    """Return the draws of `stain`, whose columns from COLUMNS on are for the stains."""
    low, high = max(0.0, 1 - config.stain_scale), 1 + config.stain_scale
    factors = low + u[:, COLUMNS : COLUMNS + 3] * (high - low)
    shifts = config.stain_shift * (2 * u[:, COLUMNS + 3 : COLUMNS + 6] - 1)
    draws = combine_draws(u, *_draw_symmetry(u), config.jitter(1.0))
    return replace(draws, stains=np.stack([factors, shifts], axis=1))


@register_augmentation(
    "stain",
    config=StainConfig,
    batched=draw_stain,
    columns=COLUMNS + 6,
    quarter_turns=True,
)
def stain(config: StainConfig) -> list[Transform]:
    """Jitter of the stains and of the colours, then one of the eight symmetries of the square."""
    import albumentations as A

    from pcam.data.augment.stain_jitter import StainJitter

    stains = StainJitter(config.stain_scale, config.stain_shift)
    return [stains, _colour_jitter(config.jitter(1.0)), A.D4(p=1.0)]


class PaperConfig(ColourConfig):
    """The study's augmentation.

    Attributes:
        jitter_share: share of the patches whose colours change.
    """

    name: Literal["paper"] = "paper"
    jitter_share: ClosedShare


def draw_paper(u: Uniform, config: PaperConfig) -> Draws:
    """Return the draws of `paper`."""
    kind = (u[:, 8] * 3).astype(int)  # 0: rotation; 1: flip; 2: rotation and flip
    flip = kind > 0
    upside_down = flip & (u[:, 7] >= 0.5)
    turns = np.where(kind != 1, (u[:, 6] * 4).astype(int), 0)
    # an upside-down flip is half a turn and a left-right flip
    turns = (turns + np.where(upside_down, 2, 0)) % 4
    return combine_draws(u, turns, flip, config.jitter(config.jitter_share))


@register_augmentation("paper", config=PaperConfig, batched=draw_paper, quarter_turns=True)
def paper(config: PaperConfig) -> list[Transform]:
    """The study's section 2.7.

    Colour jitter or not, then one of rotation, flip, or rotation and flip, each equally likely.
    """
    import albumentations as A

    def rotation() -> Transform:
        return A.RandomRotate90(p=1.0)

    def flip() -> Transform:
        return A.OneOf([A.HorizontalFlip(p=1.0), A.VerticalFlip(p=1.0)], p=1.0)

    both = A.Sequential([rotation(), flip()], p=1.0)
    one_of = A.OneOf([rotation(), flip(), both], p=1.0)
    return [_colour_jitter(config.jitter(config.jitter_share)), one_of]


class KerasConfig(AugConfig):
    """The study's Table 1, as Keras' ImageDataGenerator defines it.

    Attributes:
        rotation: degrees, ±.
        width_shift: share of the width, ±.
        height_shift: share of the height, ±.
        shear: degrees, ±.
        zoom: each axis by a factor 1 ± this.
        horizontal_flip: whether patches are mirrored left to right, half of them.
    """

    name: Literal["keras"] = "keras"
    rotation: NonNegativeFloat
    width_shift: NonNegativeFloat
    height_shift: NonNegativeFloat
    shear: NonNegativeFloat
    zoom: Annotated[float, Field(ge=0, lt=1)]
    horizontal_flip: bool


@register_augmentation("keras", config=KerasConfig)
def keras(config: KerasConfig) -> list[Transform]:
    """The study's Table 1: an affine map, filled with the nearest pixel, then a horizontal flip."""
    import albumentations as A
    import cv2

    width, height = config.width_shift, config.height_shift
    # Keras draws the stretch of the sampling grid, albumentations that of the picture: the
    # reciprocal
    scale = (1 / (1 + config.zoom), 1 / (1 - config.zoom))
    affine = A.Affine(
        rotate=(-config.rotation, config.rotation),
        translate_percent={"x": (-width, width), "y": (-height, height)},
        shear={"x": (-config.shear, config.shear), "y": (0.0, 0.0)},
        scale={"x": scale, "y": scale},
        keep_ratio=False,
        interpolation=cv2.INTER_LINEAR,
        border_mode=cv2.BORDER_REPLICATE,
        p=1.0,
    )
    if config.horizontal_flip:
        return [affine, A.HorizontalFlip(p=0.5)]
    return [affine]


def _draw_symmetry(u: Uniform) -> tuple[np.ndarray, np.ndarray]:
    """Return quarter turns and flips, uniform over the eight symmetries, from columns 6 and 7."""
    return (u[:, 6] * 4).astype(int), u[:, 7] < 0.5


def _colour_jitter(jitter: Jitter) -> Transform:
    import albumentations as A

    def around_one(strength: float) -> tuple[float, float]:
        return (max(0.0, 1 - strength), 1 + strength)

    return A.ColorJitter(
        around_one(jitter.brightness),
        around_one(jitter.contrast),
        around_one(jitter.saturation),
        (-jitter.hue, jitter.hue),
        p=jitter.share,
    )
