"""Networks of the Hugging Face hub, and folders in the same form: timm's, or transformers' DINOv2.

``model.name=hf-hub:ORG/NAME`` and ``model.name=local-dir:DIR`` stand for what ``config.json`` there
says: one of timm's networks with its arguments, the normalisation of its input, and a file of
weights. A config is expanded to these before a training, so its run folder needs neither hub nor
folder to be understood.
"""

import logging

from pydantic import ValidationError

from pcam.config.sections import InputSize, ModelConfig
from pcam.errors import ConfigError
from pcam.models.hub_files import CONFIG, WEIGHTS, FolderFiles, find_files, is_published_name
from pcam.models.published import (
    GIVEN_HERE,
    PublishedConfig,
    describe_first,
    read_published,
)

log = logging.getLogger(__name__)


def check_published_name(name: str) -> None:
    """Make sure that a published network's name can be one, without asking the hub.

    Raises:
        ConfigError: a hub's name has another form, or a folder does not exist.
        WeightsError: the folder has no config.json.
    """
    files = find_files(name)
    if isinstance(files, FolderFiles):
        files.find(CONFIG)


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
    files = find_files(model.name)
    normalised = model.mean is not None and model.std is not None
    published = read_published(files, normalised)
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
    try:
        return ModelConfig.model_validate({**model.model_dump(), **update})
    except ValidationError as error:
        fault = f"model.name={model.name}: its {CONFIG}: {describe_first(error)}"
        raise ConfigError(fault) from error


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
