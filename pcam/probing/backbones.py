"""The backbones that are probed: of runs, or by name with their first weights."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from pcam.config.schema import ProbeConfig
from pcam.config.sections import HeadConfig, ModelConfig
from pcam.data.crop import Crop
from pcam.errors import ConfigError, RunError, format_override
from pcam.evaluation.saved_run import SavedRun, crop_for_split, open_run
from pcam.features.extractor import Extractor
from pcam.models.hub import expand_model
from pcam.models.input_size import choose_input_size, initial_input_size
from pcam.models.network import Network
from pcam.models.weights import load_initial_weights
from pcam.runs.files import match_paths
from pcam.runs.trees import JsonObject

INTERPOLATION = "bilinear"  # of patches that are resized, as crop.interpolation

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ProbedBackbone:
    """A backbone whose features are probed.

    Attributes:
        name: in tables, unique.
        weights: where they come from, as text.
        extractor: computes its features.
        crop: of all patches.
    """

    name: str
    weights: str
    extractor: Extractor
    crop: Crop


def open_runs(config: ProbeConfig) -> list[SavedRun]:
    """Open the runs that a config names.

    Raises:
        RunError: nothing matches, a folder is named twice, or a folder holds no run.
    """
    runs = [config.runs] if isinstance(config.runs, str) else config.runs
    folders: list[Path] = []
    for pattern in runs:
        folders += match_paths(pattern, "runs")
    places = [folder.resolve() for folder in folders]
    repeated = sorted({str(place) for place in places if places.count(place) > 1})
    if repeated:
        raise RunError(f"runs: {', '.join(repeated)} is named more than once")
    return [open_run(folder) for folder in folders]


def list_backbones(config: ProbeConfig, runs: list[SavedRun], side: int) -> list[ProbedBackbone]:
    """Return the backbones of a config: those of its runs, ``model``, and ``backbones``.

    Args:
        config: of ``pcam.probe``.
        runs: opened.
        side: of the patches, pixels.

    Raises:
        ConfigError: two have one name, or a network cannot be built.
        WeightsError: weights are not available.
    """
    named = list(config.backbones.items())
    if config.model is not None:
        named = [(config.model.name, config.model), *named]
    run_names = [_name_run(run, runs) for run in runs]
    names = [*run_names, *(name for name, _ in named)]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ConfigError(f"two backbones are called {', '.join(repeated)}")
    of_runs = [_of_run(run, name) for run, name in zip(runs, run_names, strict=True)]
    return of_runs + [_of_model(name, model, side, config.seed) for name, model in named]


def _name_run(run: SavedRun, runs: Sequence[SavedRun]) -> str:
    """Return a run's network and the end of its folder's path: as much as tells it from others.

    Args:
        run: one of ``runs``.
        runs: of different folders.
    """
    most = len(run.folder.absolute().parts)
    for length in range(1, most):
        name = _label_run(run, length)
        if [_label_run(other, length) for other in runs].count(name) == 1:
            return name
    return _label_run(run, most)


def _label_run(run: SavedRun, length: int) -> str:
    """Return a run's network and the last names of its folder's path."""
    end = Path(*run.folder.absolute().parts[-length:])
    return f"{run.label} ({end})"


def _of_run(run: SavedRun, name: str) -> ProbedBackbone:
    network = run.model.network
    settings = dict(run.model.hparams["network"])
    return ProbedBackbone(
        name=name,
        weights=f"of {run.folder}",
        extractor=Extractor(network, settings, _precision(network)),
        crop=crop_for_split(run.config, "test"),
    )


def _of_model(name: str, model: ModelConfig, side: int, seed: int) -> ProbedBackbone:
    """Return a backbone with its first weights; random ones are drawn by the seed."""
    model = expand_model(model)
    unused = _unused_settings(model.head)
    if unused:
        log.info(f"{name}: {unused} has no effect: a probe replaces the head; only its pool counts")
    settings: JsonObject = model.model_dump(
        mode="json", include={"name", "kwargs", "mean", "std", "head"}
    )
    settings["input_size"] = initial_input_size(model)
    settings["interpolation"] = INTERPOLATION
    torch.manual_seed(seed)
    network = Network(**{**settings, "head": model.head}, outputs=1)
    origin = load_initial_weights(
        network.backbone, model.name, model.kwargs, model.weights, network.input_size
    )
    if model.weights == "auto" and not origin.pretrained:
        log.warning(f"{name}: RANDOM WEIGHTS (weights=auto): {origin.detail}")
    network.input_size = choose_input_size(model, origin.pretrained, side)
    settings["input_size"] = network.input_size
    network.to("cuda" if torch.cuda.is_available() else "cpu")
    extractor = Extractor(network, settings, _precision(network))
    return ProbedBackbone(name, str(origin), extractor, Crop("none"))


def _unused_settings(head: HeadConfig) -> str:
    """Return the settings of a head that probes do not use, as they are typed; "" for none."""
    given = head.model_dump(exclude_defaults=True, exclude={"pool"})
    return " ".join(format_override(f"model.head.{key}", value) for key, value in given.items())


def _precision(network: Network) -> str:
    """Return Lightning's name of the precision of features: mixed on GPUs that have bfloat16."""
    on_gpu = network.mean.device.type == "cuda"
    return "bf16-mixed" if on_gpu and torch.cuda.is_bf16_supported() else "32-true"
