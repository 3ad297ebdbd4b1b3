"""The sections of a training's config that concern data, composed from words of a command line."""

import functools
from typing import Annotated

from pydantic import ConfigDict

from pcam.config.checks import augmentation_can_be_batched, crop_fits_patch
from pcam.config.choices import chosen_from
from pcam.config.registry import augmentations, sources
from pcam.config.schema import CommandConfig
from pcam.config.sections import AnySplits, AugConfig, CropConfig, DataConfig
from pcam.config.validation import validate
from pcam.data.datamodule import PatchDataModule
from pcam.data.loading import Splits, open_splits
from tests.run import composed_values


class DataSections(CommandConfig):
    """What a training's config says about data."""

    model_config = ConfigDict(extra="ignore")
    cross_checks = (crop_fits_patch, augmentation_can_be_batched)

    data: Annotated[DataConfig, chosen_from(sources)]
    splits: AnySplits
    crop: CropConfig
    aug: Annotated[AugConfig, chosen_from(augmentations)]
    seed: int


@functools.cache
def data_config(*overrides: str) -> DataSections:
    return validate(DataSections, composed_values(*overrides))


def split_data(*overrides: str) -> Splits:
    config = data_config(*overrides)
    return open_splits(config.data, config.splits, config.seed)


def data_module(*overrides: str) -> PatchDataModule:
    config = data_config(*overrides)
    return PatchDataModule(config.data, config.splits, config.crop, config.aug, config.seed)
