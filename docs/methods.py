"""A table over the study's networks and the methods of attribution: maps that hold, or why a method is refused.

With random weights BatchNorm has seen 64 patches, and which class is the positive one is arbitrary: where Grad-CAM or HiResCAM,
which cut off what lies below zero, have nothing left, the classes are exchanged, and the table says so.

python docs/methods.py                        random weights, two made patches
python docs/methods.py model=vgg16            one network
python docs/methods.py data=pcam data.root=DIR model.weights=imagenet    any overrides of pcam.train
"""

import sys

import numpy as np
import torch
from hydra import compose, initialize_config_dir

from pcam import CONF
from pcam.attribution.explainer import METHODS, Explainer
from pcam.attribution.options import Options
from pcam.attribution.scorer import Scorer, find_layer, recalibrate_batchnorm
from pcam.cli.command import plain
from pcam.data.crop import Crop
from pcam.data.datamodule import PatchDataModule
from pcam.models.weights import load_initial_weights
from pcam.runs.folder import make_paths_absolute
from pcam.training.preparation import build_classifier

NAMES = (
    "resnet50",
    "efficientnet_b0",
    "efficientnet_b7",
    "googlenet",
    "vgg16",
    "densenet201",
    "xception",
)
COUNT = 2


def main(overrides: list[str]) -> None:
    """Print the table as Markdown, and below it the reasons."""
    print(
        "| network | layer | "
        + " | ".join(method.title for method in METHODS.values())
        + " | most steps | largest gap |"
    )
    print("|---" * (len(METHODS) + 4) + "|")
    reasons: dict[str, str] = {}
    for name in [word[6:] for word in overrides if word.startswith("model=")] or NAMES:
        words = [
            f"model={name}",
            "model.weights=none",
            "data.limit=64",
            *(w for w in overrides if not w.startswith("model=")),
        ]
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = make_paths_absolute(plain(compose("train", words)))
        torch.manual_seed(0)
        model = build_classifier(config).eval()
        network = config["model"]
        load_initial_weights(
            model.network.backbone,
            network["name"],
            network["kwargs"],
            network["weights"],
            model.network.input_size,
        )
        source = PatchDataModule(
            config["data"], config["splits"], config["crop"], config["aug"], 0
        ).sources["test"]
        crop = Crop(config["crop"]["test"], config["crop"]["size"])
        patches = crop(source.read(np.arange(8)), np.arange(8), 0)
        many = crop(source.read(np.arange(len(source))), np.arange(len(source)), 0)
        recalibrate_batchnorm(
            model.network,
            model.network.normalised(
                torch.from_numpy(np.ascontiguousarray(many)).permute(0, 3, 1, 2)
            ),
        )
        scorer = Scorer(model.network)
        x = scorer.network.normalised(
            torch.from_numpy(np.ascontiguousarray(patches)).permute(0, 3, 1, 2)
        )
        layer, module = find_layer(
            scorer, "inception5b" if network["name"] == "googlenet" else "last", x
        )
        explainer = Explainer(scorer, module, Options(batch=8), x)
        cells, most, gap = [], 0, 0.0
        for method in METHODS:
            why = explainer.refused(method, x)
            if why is not None:
                reasons[why] = reasons.get(why) or chr(ord("a") + len(reasons))
                cells.append(f"refused {reasons[why]}")
                continue
            maps = explainer.maps(method, x[:COUNT], torch.arange(COUNT))
            cell = judged(maps.values, x.shape[-2:])
            if METHODS[method].of_layer and cell != "yes":
                for last in scorer.network.head[-1].parameters():
                    last.data.neg_()
                cell = f"{judged(explainer.maps(method, x[:COUNT], torch.arange(COUNT)).values, x.shape[-2:])} (exchanged)"
            cells.append(cell)
            if method == "integrated_gradients":
                most, gap = int(maps.steps.max()), float(maps.gap.max())
        row = [network["name"], layer, *cells, str(most), f"{100 * gap:.3g} %"]
        print(f"| {' | '.join(row)} |", flush=True)
    print()
    for why, letter in reasons.items():
        print(f"{letter}: {why}")


def judged(values: torch.Tensor, shape: torch.Size) -> str:
    """Say whether maps (N, H, W) are of the patches' size, finite, and not constant."""
    if values.shape[1:] != shape:
        return f"of size {tuple(values.shape[1:])}"
    if not bool(torch.isfinite(values).all()):
        return "not finite"
    constant = int((values.amax((1, 2)) == values.amin((1, 2))).sum())
    return f"{constant} of {len(values)} constant" if constant else "yes"


if __name__ == "__main__":
    main(sys.argv[1:])
