"""A table of networks and attribution methods: whether a method makes maps, or why not.

With random weights BatchNorm has the statistics of 64 patches, and which class is the positive one
is arbitrary. If Grad-CAM or HiResCAM, which cut off negative values, are empty, the classes are
swapped, and the table says so.

python docs/methods.py                  the study's networks, random weights, two synthetic patches
python docs/methods.py model=vgg16      one network
python docs/methods.py data=pcam data.root=DIR model.weights=imagenet    any overrides of pcam.train
"""

import sys

import numpy as np
import torch
from hydra import compose, initialize_config_dir
from numpy.typing import NDArray
from torch import Tensor

from pcam import CONF
from pcam.attribution.explainer import Explainer
from pcam.attribution.layers import default_layer, find_layer
from pcam.attribution.method import find_method
from pcam.attribution.options import Options
from pcam.attribution.scorer import Scorer, recalibrate_batchnorm
from pcam.cli.config import plain
from pcam.config.registry import methods
from pcam.config.schema import TrainConfig
from pcam.config.validation import validate
from pcam.data.crop import Crop
from pcam.data.datamodule import PatchDataModule
from pcam.models.network import Network
from pcam.models.weights import load_initial_weights
from pcam.training.preparation import build_classifier

NETWORKS = (
    "resnet50",
    "efficientnet_b0",
    "efficientnet_b7",
    "googlenet",
    "vgg16",
    "densenet201",
    "xception",
)
MAPS = 2  # per method
TRIED = 8  # patches on which it is tried whether a method applies


def main(overrides: list[str]) -> None:
    """Print the table as Markdown, and below it the reasons."""
    names = [word.removeprefix("model=") for word in overrides if word.startswith("model=")]
    others = [word for word in overrides if not word.startswith("model=")]
    titles = [find_method(name).title for name in methods.names()]
    head = ["network", "layer", *titles, "most steps", "largest gap"]
    print(f"| {' | '.join(head)} |")
    print("|---" * len(head) + "|")
    reasons: dict[str, str] = {}
    for name in names or NETWORKS:
        row = try_network(read_config(name, others), reasons)
        print(f"| {' | '.join(row)} |", flush=True)
    print()
    for reason, letter in reasons.items():
        print(f"{letter}: {reason}")


def read_config(model: str, overrides: list[str]) -> TrainConfig:
    """Return the config of a training."""
    words = [f"model={model}", "model.weights=none", "data.limit=64", *overrides]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return validate(TrainConfig, plain(compose("train", words)))


def try_network(config: TrainConfig, reasons: dict[str, str]) -> list[str]:
    """Return a row of the table; new reasons are added to ``reasons``, with a letter."""
    source = PatchDataModule(config.data, config.splits, config.crop, config.aug, 0).sources["test"]
    crop = Crop(config.crop.test, config.crop.size)
    indices = np.arange(len(source))
    network = build_network(config)
    x = normalise(network, crop(source.read(indices), indices, 0))
    recalibrate_batchnorm(network, x)
    x = x[:TRIED]
    scorer = Scorer(network)
    layer, module = find_layer(scorer, default_layer(config.model.name), x)
    explainer = Explainer(scorer, module, Options(batch=8), x)
    cells = [try_method(explainer, name, x, reasons) for name in methods.names()]
    maps = explainer.maps("integrated_gradients", x[:MAPS], torch.arange(MAPS))
    most_steps, largest_gap = int(maps.steps.max()), float(maps.gap.max())
    return [config.model.name, layer, *cells, str(most_steps), f"{100 * largest_gap:.3g} %"]


def build_network(config: TrainConfig) -> Network:
    """Return an untrained network with the weights that the config names."""
    torch.manual_seed(0)
    network = build_classifier(config).eval().network
    model = config.model
    load_initial_weights(
        network.backbone, model.name, model.kwargs, model.weights, network.input_size
    )
    return network


def normalise(network: Network, patches: NDArray[np.uint8]) -> Tensor:
    """Return patches (N, H, W, 3) normalised, (N, 3, H, W)."""
    return network.normalised(torch.from_numpy(np.ascontiguousarray(patches)).permute(0, 3, 1, 2))


def try_method(explainer: Explainer, method: str, x: Tensor, reasons: dict[str, str]) -> str:
    """Return whether a method makes maps of a network."""
    reason = explainer.reason_not_applicable(method, x)
    if reason is not None:
        letter = reasons.setdefault(reason, chr(ord("a") + len(reasons)))
        return f"not applicable ({letter})"
    result = describe_maps(explainer, method, x)
    if result == "yes" or not find_method(method).uses_layer:
        return result
    swap_classes(explainer.scorer.network)
    result = describe_maps(explainer, method, x)
    swap_classes(explainer.scorer.network)
    return f"{result} (classes swapped)"


def swap_classes(network: Network) -> None:
    """Change the sign of the log-odds."""
    for parameter in network.head[-1].parameters():
        parameter.data.neg_()


def describe_maps(explainer: Explainer, method: str, x: Tensor) -> str:
    """Return whether maps have the patches' size, are finite, and are not constant."""
    values = explainer.maps(method, x[:MAPS], torch.arange(MAPS)).values
    if values.shape[1:] != x.shape[-2:]:
        return f"of size {tuple(values.shape[1:])}"
    if not bool(torch.isfinite(values).all()):
        return "not finite"
    constant = int((values.amax((1, 2)) == values.amin((1, 2))).sum())
    return f"{constant} of {len(values)} constant" if constant else "yes"


if __name__ == "__main__":
    main(sys.argv[1:])
