"""What a checkpoint of a classifier holds: plain values of known types, and dense weights."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pcam.config.base import PositiveInt, Seed
from pcam.config.sections import CropMode, HeadConfig, Interpolation, ThreeChannels, ThreeScales
from pcam.errors import shorten_value
from pcam.models.tensor_checks import describe_negative_variances, describe_unusable
from pcam.models.tensor_files import read_tensors
from pcam.runs.checkpoints import CheckpointState
from pcam.runs.earlier_keys import with_current_keys


class _Strict(BaseModel):
    """Plain values of exact types, no infinities."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)


class _Network(_Strict):
    name: str
    kwargs: dict[str, Any] = Field(default_factory=dict)
    input_size: PositiveInt | None = None
    interpolation: Interpolation
    mean: Annotated[float, Field(ge=0, le=1)] | ThreeChannels | None = None
    std: Annotated[float, Field(gt=0)] | ThreeScales | None = None
    head: HeadConfig


class _Named(_Strict):
    name: str


class _Settings(_Strict):
    network: _Network
    loss: _Named
    optimizer: _Named
    scheduler: _Named
    finetune: _Named
    epochs: PositiveInt
    seed: Seed


class _Patches(_Strict):
    classes: Annotated[list[str], Field(min_length=2, max_length=2)]
    height: PositiveInt
    width: PositiveInt
    crop: CropMode
    crop_size: PositiveInt | None
    seed: Seed


class _Origin(_Strict):
    asked: str
    origin: str
    detail: str


class _Checkpoint(_Strict):
    state_dict: dict[str, Any]
    hyper_parameters: _Settings
    patches: _Patches | None = None
    initial_weights: _Origin | None = None
    data: dict[str, str] | None = None


def read_checkpoint(path: Path) -> CheckpointState:
    """Return the content of a classifier's checkpoint, on the CPU.

    Raises:
        AccessError: the file cannot be read now.
        Exception: it is damaged, holds code, or is no checkpoint; see ``read_tensors``.
    """
    content = read_tensors(path)
    check_checkpoint(content)
    return cast(CheckpointState, content)


def check_checkpoint(content: object) -> None:
    """Make sure that the content of a file is that of a classifier's checkpoint.

    Raises:
        ValueError: a key is missing, or a value is of another type or range.
    """
    if not isinstance(content, Mapping) or not all(isinstance(key, str) for key in content):
        raise ValueError("it is no checkpoint of a run")
    values = dict(with_current_keys("checkpoint", content))
    for key in ("patches", "initial_weights"):
        values[key] = None if values.get(key) == {} else values.get(key)
    try:
        checkpoint = _Checkpoint.model_validate(values)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        keys = [".".join(map(str, detail["loc"])) for detail in details]
        named = shorten_value(", ".join(dict.fromkeys(keys)))
        raise ValueError(f"missing or wrong in it: {named}") from None
    state = checkpoint.state_dict
    fault = describe_unusable(state) or describe_negative_variances(state)
    if fault is not None:
        raise ValueError(f"it holds other values than weights: {fault}")
