"""What the config.json of a published network says: timm's form, or transformers' of a DINOv2."""

from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, Field, ValidationError

from pcam.errors import ConfigError, shorten_value
from pcam.models.base import RESERVED
from pcam.models.dinov2 import MODEL_TYPES, Dinov2Config
from pcam.models.hub_files import CONFIG, FolderFiles, HubFiles
from pcam.runs.access import ensure_readable

PREPROCESSOR = "preprocessor_config.json"  # of transformers
TIMM_FORM, TRANSFORMERS_FORM = "timm's form", "the form of transformers"
MOST_BYTES = 1 << 20  # of a config.json
GIVEN_HERE = frozenset({"num_classes", "in_chans", "img_size"})  # arguments that pcam decides

# As ``model.mean`` and ``model.std`` of the config
Mean = Annotated[list[Annotated[float, Field(ge=0, le=1)]], Field(min_length=3, max_length=3)]
Std = Annotated[list[Annotated[float, Field(gt=0, le=1)]], Field(min_length=3, max_length=3)]
Size = Annotated[list[int], Field(min_length=3, max_length=3)]
Content = TypeVar("Content", bound=BaseModel)


class PretrainedConfig(BaseModel):
    """How the weights of a published network were trained.

    Attributes:
        mean: of the normalised input, per channel, from 0 to 1.
        std: likewise.
        input_size: channels, height and width.
        fixed_input_size: whether the network takes no other size.
    """

    mean: Mean | None = None
    std: Std | None = None
    input_size: Size = [3, 224, 224]
    fixed_input_size: bool = False


class PreprocessorConfig(BaseModel):
    """What a preprocessor_config.json of transformers says about normalisation.

    Attributes:
        image_mean: per channel, from 0 to 1.
        image_std: likewise.
    """

    image_mean: Mean | None = None
    image_std: Std | None = None


class _Kind(BaseModel):
    """Whose form a config.json is in: timm's has an architecture, others' a model_type."""

    architecture: str | None = None
    model_type: str | None = None


class PublishedConfig(BaseModel):
    """The content of a config.json in timm's form.

    Attributes:
        architecture: timm's name of the network.
        model_args: passed to it.
        global_pool: how it pools its last features; None for its default.
        pretrained_cfg: how its weights were trained.
    """

    architecture: str
    model_args: dict[str, object] = Field(default_factory=dict)
    global_pool: str | None = None
    pretrained_cfg: PretrainedConfig = PretrainedConfig()


def read_published(files: FolderFiles | HubFiles, normalised: bool) -> PublishedConfig:
    """Return what the config.json of a published network says.

    Args:
        files: of the network.
        normalised: whether mean and standard deviation are known already; transformers keeps them
            in a file of their own.

    Raises:
        AccessError: a file cannot be read now.
        ConfigError: it is in neither of the forms, or sets what must not come from a file.
        WeightsError: it is missing, or the hub cannot be reached.
    """
    path = files.find(CONFIG)
    kind = _read_other_kind(path)
    if kind in MODEL_TYPES:
        return _describe_dinov2(path, None if normalised else files.find_optional(PREPROCESSOR))
    if kind is not None:
        raise ConfigError(
            f"{path} is of a network of transformers ({shorten_value(kind)}); of these only"
            f" {' and '.join(MODEL_TYPES)} can be read"
        )
    published = _read_file(path, PublishedConfig, TIMM_FORM)
    refused = sorted((RESERVED - GIVEN_HERE) & set(published.model_args))
    if refused:
        raise ConfigError(f"{path} sets model_args.{refused[0]}, which a file must not set")
    if published.model_args.get("in_chans", 3) != 3:
        raise ConfigError(f"{path} is of a network for other than 3 channels")
    return published


def _read_other_kind(path: Path) -> str | None:
    """Return transformers' name of the kind of network; None if the file is to be timm's."""
    try:
        kind = _read_file(path, _Kind, TRANSFORMERS_FORM)
    except ConfigError:
        return None  # what is wrong is said when it is read as timm's
    return None if kind.architecture is not None else kind.model_type


def _describe_dinov2(path: Path, preprocessor: Path | None) -> PublishedConfig:
    """Return a DINOv2 of transformers in timm's terms."""
    config = _read_file(path, Dinov2Config, TRANSFORMERS_FORM)
    trained = PretrainedConfig()
    if preprocessor is not None:
        said = _read_file(preprocessor, PreprocessorConfig, TRANSFORMERS_FORM)
        trained = PretrainedConfig(mean=said.image_mean, std=said.image_std)
    return PublishedConfig(
        architecture=config.architecture, model_args=config.arguments, pretrained_cfg=trained
    )


def _read_file(path: Path, model: type[Content], form: str) -> Content:
    """Return the content of a JSON file.

    Args:
        path: the file.
        model: what it must be.
        form: what that is called, for messages.

    Raises:
        AccessError: it cannot be read now.
        ConfigError: it is something else, or too large.
    """
    ensure_readable(path)
    if path.stat().st_size > MOST_BYTES:
        raise ConfigError(f"{path} has more than {MOST_BYTES:,} bytes")
    try:
        return model.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise ConfigError(f"{path} is not in {form}: {describe_first(error)}") from error


def describe_first(error: ValidationError) -> str:
    """Return the first fault of a file's content: the key and what is wrong."""
    first = error.errors()[0]
    key = ".".join(map(str, first["loc"])) or "it"
    return f"{key}: {first['msg']}"
