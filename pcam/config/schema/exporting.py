"""The config of an export."""

import re
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field, model_validator

from pcam.config.base import PathText, PlainText
from pcam.config.choices import fault
from pcam.config.schema.command import (
    Calibration,
    CommandConfig,
    ReadingData,
    Sensitivity,
    Threshold,
)
from pcam.config.sections import Symmetries

MOST_COMPARED = 10_000  # patches that an export scores
HUB_NAME = "hub:"
ExportFormat = Literal["onnx", "safetensors", "torchscript", "torch"]


def _check_target(value: str) -> str:
    """Check that ``to`` is a format, or a name on the Hugging Face hub."""
    formats = get_args(ExportFormat)
    if value in formats or re.fullmatch(r"hub:[\w.-]+/[\w.-]+", value):
        return value
    raise fault(f"to={value} must be {', '.join(formats)} or hub:ORG/NAME")


def _check_license(value: str) -> str:
    """Check that a licence is an identifier, as the hub has them."""
    if re.fullmatch(r"[A-Za-z0-9][\w.+-]*", value):
        return value
    raise fault(f"license={value} must be a name as cc0-1.0 or mit")


class ExportConfig(CommandConfig):
    """The config of ``pcam.export``. ``conf/export.yaml`` explains each key."""

    run: PathText
    to: Annotated[PlainText, AfterValidator(_check_target)]
    quantize: Literal["none", "int8"]
    calibration: Calibration
    threshold: Threshold
    sensitivity: Sensitivity
    patches: Annotated[int, Field(ge=1, le=MOST_COMPARED)]
    robustness: Annotated[int, Field(ge=0, le=MOST_COMPARED)]
    license: Annotated[PlainText, AfterValidator(_check_license)] | None
    dry_run: bool

    @property
    def repository(self) -> str | None:
        """ORG/NAME on the Hugging Face hub; None if nothing is uploaded."""
        return self.to.removeprefix(HUB_NAME) if self.to.startswith(HUB_NAME) else None

    @property
    def format(self) -> str:
        """The format of the files."""
        return "safetensors" if self.repository is not None else self.to

    @property
    def data(self) -> ReadingData:
        """How valid is scored: as in the run."""
        return ReadingData(batch_size=None, num_workers=None)

    @property
    def tta(self) -> Symmetries:
        """None: an exported network sees each patch once."""
        return "none"

    @model_validator(mode="after")
    def _check_quantization(self) -> "ExportConfig":
        if self.quantize != "none" and self.format != "onnx":
            raise fault(f"quantize={self.quantize} needs to=onnx, not {self.to}")
        return self

    @model_validator(mode="after")
    def _check_dry_run(self) -> "ExportConfig":
        if self.dry_run and self.repository is None:
            raise fault(f"dry_run=true needs to=hub:ORG/NAME, not {self.to}")
        return self
