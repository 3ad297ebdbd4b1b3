"""Networks of the Hugging Face hub, and folders in the same form, as timm writes them.

``model.name=hf-hub:ORG/NAME`` and ``model.name=local-dir:DIR`` stand for what ``config.json`` there
says: one of timm's networks with its arguments, the normalisation of its input, and a file of
weights. A config is expanded to these before a training, so its run folder needs neither hub nor
folder to be understood.
"""

import logging
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field, ValidationError

from pcam.config.sections import InputSize, ModelConfig
from pcam.errors import ConfigError, WeightsError
from pcam.models.base import RESERVED
from pcam.runs.access import ensure_readable

HUB = ("hf-hub:", "hf_hub:")
FOLDER = "local-dir:"
CONFIG = "config.json"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
MOST_BYTES = 1 << 20  # of a config.json
GIVEN_HERE = frozenset({"num_classes", "in_chans", "img_size"})  # arguments that pcam decides

log = logging.getLogger(__name__)

Three = Annotated[list[float], Field(min_length=3, max_length=3)]
Size = Annotated[list[int], Field(min_length=3, max_length=3)]


class PretrainedConfig(BaseModel):
    """How the weights of a published network were trained.

    Attributes:
        mean: of the normalised input, per channel, from 0 to 1.
        std: likewise.
        input_size: channels, height and width.
        fixed_input_size: whether the network takes no other size.
    """

    mean: Three | None = None
    std: Three | None = None
    input_size: Size = [3, 224, 224]
    fixed_input_size: bool = False


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


def is_published_name(name: str) -> bool:
    """Return whether ``model.name`` names a hub's network or a folder."""
    return name.startswith((*HUB, FOLDER))


def check_published_name(name: str) -> None:
    """Make sure that a published network's name can be one, without asking the hub.

    Raises:
        ConfigError: a hub's name has another form, or a folder does not exist.
        WeightsError: the folder has no config.json.
    """
    if name.startswith(FOLDER):
        _FolderFiles(name).find(CONFIG)
    else:
        _HubFiles(name)


def expand_model(model: ModelConfig) -> ModelConfig:
    """Return the config's ``model`` with what a published network's name stands for.

    Args:
        model: the section; what it sets itself is kept.

    Raises:
        ConfigError: the name, or the config.json, cannot be used.
        WeightsError: files are missing, or the hub cannot be reached.
    """
    if not is_published_name(model.name):
        return model
    files = _FolderFiles(model.name) if model.name.startswith(FOLDER) else _HubFiles(model.name)
    published = read_published(files.find(CONFIG))
    weights = model.weights
    if weights in ("auto", "imagenet"):
        weights = str(files.find(*WEIGHTS))
    trained = published.pretrained_cfg
    log.info(f"model: {model.name} is timm's {published.architecture}")
    update = {
        "name": published.architecture,
        "at_scale": {},
        "kwargs": {**_arguments(published, model.head.pool), **model.kwargs},
        "weights": weights,
        "mean": trained.mean if model.mean is None else model.mean,
        "std": trained.std if model.std is None else model.std,
        "input_size": _input_size(model, published),
    }
    return ModelConfig.model_validate({**model.model_dump(), **update})


def read_published(path: Path) -> PublishedConfig:
    """Return the content of a config.json.

    Args:
        path: the file.

    Raises:
        AccessError: it cannot be read now.
        ConfigError: it is not in timm's form, or sets what must not come from a file.
    """
    ensure_readable(path)
    if path.stat().st_size > MOST_BYTES:
        raise ConfigError(f"{path} has more than {MOST_BYTES:,} bytes")
    try:
        published = PublishedConfig.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "it"
        raise ConfigError(f"{path} is not in timm's form: {key}: {first['msg']}") from error
    refused = sorted((RESERVED - GIVEN_HERE) & set(published.model_args))
    if refused:
        raise ConfigError(f"{path} sets model_args.{refused[0]}, which a file must not set")
    if published.model_args.get("in_chans", 3) != 3:
        raise ConfigError(f"{path} is of a network for other than 3 channels")
    return published


def _arguments(published: PublishedConfig, pool: str) -> dict[str, object]:
    """Return what is passed to the network; its own pooling only if the head asks for it."""
    arguments = {key: value for key, value in published.model_args.items() if key not in GIVEN_HERE}
    if pool != "avg":
        arguments.pop("global_pool", None)
    elif published.global_pool:
        arguments.setdefault("global_pool", published.global_pool)
    return arguments


def _input_size(model: ModelConfig, published: PublishedConfig) -> InputSize:
    """Return the input size, pixels: that of the weights where the network takes no other.

    Args:
        model: the config's ``model``; a size in pixels is kept.
        published: what the config.json says.
    """
    built_for = published.model_args.get("img_size")
    if isinstance(built_for, list) and built_for:
        built_for = built_for[-1]
    if built_for is None and published.pretrained_cfg.fixed_input_size:
        built_for = published.pretrained_cfg.input_size[-1]
    if isinstance(model.input_size, str) and isinstance(built_for, int):
        return built_for
    return model.input_size


class _FolderFiles:
    """The files of ``local-dir:DIR``."""

    def __init__(self, name: str) -> None:
        self.folder = Path(name.removeprefix(FOLDER)).expanduser().absolute()
        if not self.folder.is_dir():
            raise ConfigError(f"model.name={name}: the folder {self.folder} does not exist")

    def find(self, *names: str) -> Path:
        """Return the first of some files that is there.

        Raises:
            WeightsError: none is.
        """
        for name in names:
            if (self.folder / name).is_file():
                return self.folder / name
        raise WeightsError(f"{self.folder} has no {' or '.join(names)}")


class _HubFiles:
    """The files of ``hf-hub:ORG/NAME`` or ``hf-hub:ORG/NAME@REVISION``."""

    def __init__(self, name: str) -> None:
        repository, _, revision = name.partition(":")[2].partition("@")
        if repository.count("/") != 1 or "" in repository.split("/"):
            raise ConfigError(f"model.name={name} must be hf-hub:ORG/NAME")
        self.repository = repository
        self.revision = revision or None

    def find(self, *names: str) -> Path:
        """Return the first of some files that the hub, or its cache on this machine, has.

        Raises:
            WeightsError: none can be had; says how to get them.
        """
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import (
            EntryNotFoundError,
            GatedRepoError,
            HfHubHTTPError,
            LocalEntryNotFoundError,
        )

        from pcam.models.downloads import offline_if_unreachable

        with offline_if_unreachable():
            for name in names:
                try:
                    return Path(hf_hub_download(self.repository, name, revision=self.revision))
                except GatedRepoError as error:
                    raise WeightsError(self._advice("needs access: ask for it there")) from error
                except LocalEntryNotFoundError as error:
                    reason = "is not on this machine, and the hub cannot be reached"
                    raise WeightsError(self._advice(reason)) from error
                except EntryNotFoundError:
                    continue
                except (HfHubHTTPError, OSError, ValueError) as error:
                    reason = "is not known to the hub, or needs a login"
                    raise WeightsError(self._advice(reason)) from error
        raise WeightsError(self._advice(f"has no {' or '.join(names)}"))

    def _advice(self, reason: str) -> str:
        files = f"{CONFIG} {WEIGHTS[0]}"
        return (
            f"hf-hub:{self.repository} {reason}; log in (hf auth login), or get the files on a"
            f" machine that can (hf download {self.repository} {files} --local-dir DIR) and set"
            " model.name=local-dir:DIR"
        )
