"""A table of networks and attribution methods: whether a method makes maps, or why not.

python docs/methods.py                  the study's networks, two synthetic patches
python docs/methods.py model=vgg16      one network
python docs/methods.py data=pcam data.root=DIR model.weights=imagenet    any overrides of pcam.train

By default the weights are random, and BatchNorm has the statistics of 64 patches. With random
weights it is arbitrary which class is the positive one. Grad-CAM and HiResCAM cut off negative
values: if their maps are empty, the classes are swapped, and the table says so.
"""

import string
import sys

import numpy as np
import torch
from networks import format_row, read_config, split_overrides
from numpy.typing import NDArray
from torch import Tensor

from pcam.attribution.explainer import Explainer
from pcam.attribution.layers import default_layer, find_layer
from pcam.attribution.method import find_method
from pcam.attribution.options import Options
from pcam.attribution.scorer import Scorer, recalibrate_batchnorm
from pcam.config.registry import methods
from pcam.config.schema import TrainConfig
from pcam.data.base import Pixels
from pcam.data.crop import Crop
from pcam.data.datamodule import PatchDataModule
from pcam.models.network import Network
from pcam.models.weights import load_initial_weights
from pcam.training.preparation import build_classifier

DEFAULTS = ("model.weights=none", "data.limit=64")
MAPS = 2  # per method
TRIED = 8  # patches on which it is tried whether a method applies
BATCH = 8  # patches, steps or samples in one forward pass


def main(overrides: list[str]) -> None:
    """Print the table as Markdown, and below it the reasons."""
    names, others = split_overrides(overrides)
    titles = [find_method(name).title for name in methods.names()]
    columns = ["network", "layer", *titles, "most steps", "largest gap"]
    print(format_row(columns))
    print("|---" * len(columns) + "|")
    reasons: list[str] = []
    for name in names:
        config = read_config(name, [*DEFAULTS, *others])
        print(format_row(try_network(config, reasons)), flush=True)
    print()
    for letter, reason in zip(string.ascii_lowercase, reasons, strict=False):
        print(f"{letter}: {reason}")


def try_network(config: TrainConfig, reasons: list[str]) -> list[str]:
    """Return a row of the table.

    Args:
        config: of a training of the network.
        reasons: why methods do not apply; new ones are appended.
    """
    network = build_network(config)
    x = normalise(network, read_patches(config))
    recalibrate_batchnorm(network, x)
    x = x[:TRIED]

    scorer = Scorer(network)
    layer, module = find_layer(scorer, default_layer(network, config.model.name), x)
    explainer = Explainer(scorer, module, Options(batch=BATCH), x)
    cells = [try_method(explainer, name, x, reasons) for name in methods.names()]

    maps = explainer.maps("integrated_gradients", x[:MAPS], torch.arange(MAPS))
    most_steps = int(maps.steps.max())
    largest_gap = float(maps.gap.max())
    return [config.model.name, layer, *cells, str(most_steps), f"{100 * largest_gap:.3g} %"]


def read_patches(config: TrainConfig) -> Pixels:
    """Return the test patches, cropped, uint8 (N, H, W, 3)."""
    data = PatchDataModule(config.data, config.splits, config.crop, config.aug, seed=0)
    source = data.sources["test"]
    indices = np.arange(len(source))
    crop = Crop(config.crop.test, config.crop.size)
    return crop(source.read(indices), indices, epoch=0)


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
    images = torch.from_numpy(np.ascontiguousarray(patches))
    return network.normalised(images.permute(0, 3, 1, 2))


def try_method(explainer: Explainer, method: str, x: Tensor, reasons: list[str]) -> str:
    """Return whether a method makes maps of a network.

    Args:
        explainer: of the network.
        method: name of a registered method.
        x: normalised patches (B, 3, H, W).
        reasons: why methods do not apply; a new one is appended.
    """
    reason = explainer.reason_not_applicable(method, x)
    if reason is not None:
        if reason not in reasons:
            reasons.append(reason)
        letter = string.ascii_lowercase[reasons.index(reason)]
        return f"not applicable ({letter})"

    result = describe_maps(explainer, method, x)
    if result == "yes" or not find_method(method).uses_layer:
        return result

    network = explainer.scorer.network
    swap_classes(network)
    result = describe_maps(explainer, method, x)
    swap_classes(network)
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
    is_constant = values.amax((1, 2)) == values.amin((1, 2))
    constant = int(is_constant.sum())
    if constant:
        return f"{constant} of {len(values)} constant"
    return "yes"


if __name__ == "__main__":
    main(sys.argv[1:])
