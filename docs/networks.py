"""A table of the study's networks: one epoch each on 64 patches per split.

python docs/networks.py                            synthetic patches
python docs/networks.py model=vgg16                one network
python docs/networks.py data=pcam data.root=DIR    any overrides of pcam.train

The table has parameters, input size, layers of the head, loss and seconds per step. The seconds
include the epoch's reading and validation. The weights are random.
"""

import sys
import tempfile
from pathlib import Path

from hydra import compose, initialize_config_dir
from torch import nn

from pcam import CONF
from pcam.cli.config import plain
from pcam.config.schema import TrainConfig
from pcam.config.validation import validate
from pcam.models.network import Network
from pcam.runs.files import read_metrics
from pcam.runs.folder import start_run
from pcam.training.fit import train
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
DEFAULTS = (
    "model.weights=none",
    "data.limit=64",
    "data.batch_size=16",
    "trainer.max_epochs=1",
)
COLUMNS = (
    "network",
    "backbone",
    "head",
    "input",
    "layers of the head",
    "loss",
    "seconds per step",
)


def main(overrides: list[str]) -> None:
    """Print the table as Markdown."""
    names, others = split_overrides(overrides)
    print(format_row(COLUMNS))
    print("|---" * len(COLUMNS) + "|")
    for name in names:
        config = read_config(name, [*DEFAULTS, *others])
        print(format_row(describe_network(config, train_one_epoch(config))), flush=True)


def split_overrides(overrides: list[str]) -> tuple[list[str], list[str]]:
    """Return the networks that ``model=NAME`` chooses, all by default, and the other overrides."""
    names = []
    others = []
    for word in overrides:
        if word.startswith("model="):
            names.append(word.removeprefix("model="))
        else:
            others.append(word)
    return names or list(NETWORKS), others


def read_config(model: str, overrides: list[str]) -> TrainConfig:
    """Return the config of a training of one network."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        composed = compose("train", [f"model={model}", *overrides])
    return validate(TrainConfig, plain(composed))


def train_one_epoch(config: TrainConfig) -> dict[str, str]:
    """Train in a temporary folder; return the first row of metrics.csv."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        start_run(run, config)
        train(config, run, resume=False)
        return read_metrics(run / "metrics.csv")[0]


def describe_network(config: TrainConfig, metrics: dict[str, str]) -> list[str]:
    """Return a row of the table.

    Args:
        config: of the training.
        metrics: a row of its metrics.csv.
    """
    network = build_classifier(config).network
    counts = network.count_parameters()
    loss = float(metrics["train/loss_epoch"])
    seconds_per_step = float(metrics["seconds"]) / float(metrics["step"])
    return [
        config.model.name,
        f"{counts['backbone'] / 1e6:.1f} M",
        f"{counts['head']:,}",
        f"{network.input_size} px",
        describe_head(network),
        f"{loss:.3f} ({config.loss.name})",
        f"{seconds_per_step:.1f}",
    ]


def describe_head(network: Network) -> str:
    """Return the widths of the head's layers: "1920 → 512 → 2"."""
    layers = [layer for layer in network.head if isinstance(layer, nn.Linear)]
    widths = [layers[0].in_features]
    widths += [layer.out_features for layer in layers]
    return " → ".join(map(str, widths))


def format_row(cells: list[str] | tuple[str, ...]) -> str:
    """Return a row of a Markdown table."""
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main(sys.argv[1:])
