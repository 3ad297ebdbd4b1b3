"""The config of whole slides."""

from typing import Annotated, Literal

from pydantic import Field

from pcam.config.base import NonNegativeFloat, PathText, PositiveInt, Resolution, Seed
from pcam.config.checks import stride_divides_centre, unannotated_has_annotations
from pcam.config.schema.command import (
    Calibration,
    CommandConfig,
    Folders,
    ReadingData,
    Resamples,
    Sensitivity,
    Threshold,
)
from pcam.config.sections import MAPS_PER_SHEET, Symmetries


class SlideConfig(CommandConfig):
    """The config of ``pcam.slide``. ``conf/slide.yaml`` explains each key."""

    cross_checks = (stride_divides_centre, unannotated_has_annotations)

    run: PathText
    slide: Folders
    mpp: Resolution
    slide_mpp: Resolution | None
    tissue: Literal["otsu", "all"]
    stain: Literal["compare", "off"]
    centre: PositiveInt | None
    stride: PositiveInt | None
    tta: Symmetries
    smoothing: NonNegativeFloat
    threshold: Threshold
    sensitivity: Sensitivity
    calibration: Calibration
    annotations: PathText | None
    unannotated: Literal["unknown", "normal"]
    attribute: Annotated[int, Field(ge=0, le=MAPS_PER_SHEET)]
    data: ReadingData
    resamples: Resamples
    seed: Seed
