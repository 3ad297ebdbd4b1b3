"""A table over the study's networks: one epoch each, parameters, input, head, loss, time per step.

python docs/networks.py data=pcam data.root=DIR    any overrides of pcam.train; 64 patches per split by default
"""

import sys
import tempfile
from pathlib import Path

from hydra import compose, initialize_config_dir
from torch import nn

from pcam import CONF
from pcam.cli.command import plain
from pcam.runs.folder import make_paths_absolute, start_run
from pcam.training.callbacks import read_rows
from pcam.training.fit import train
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


def main(overrides: list[str]) -> None:
    """Print the table as Markdown."""
    lines = [
        "| network | backbone | head | input | layers of the head | loss | seconds per step |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in NAMES:
        words = [
            f"model={name}",
            "data.limit=64",
            "data.batch_size=16",
            "trainer.max_epochs=1",
            "model.weights=none",
            *overrides,
        ]
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = make_paths_absolute(plain(compose("train", words)))
        config.pop("resume")
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / "run"
            start_run(run, config)
            train(config, run, resume=False)
            row = read_rows(run / "metrics.csv")[0]
        model = build_classifier(config)
        count = model.network.count_parameters()
        widths = [m.out_features for m in model.network.head if isinstance(m, nn.Linear)]
        head = " → ".join(
            [
                str(next(m.in_features for m in model.network.head if isinstance(m, nn.Linear))),
                *map(str, widths),
            ]
        )
        seconds = (float(row["seconds"])) / float(
            row["step"]
        )  # the epoch's: reading and validation included
        cells = [
            config["model"]["name"],
            f"{count['backbone'] / 1e6:.1f} M",
            f"{count['head']:,}",
            f"{model.network.input_size} px",
            head,
            f"{float(row['train/loss_epoch']):.3f} ({config['loss']['name']})",
            f"{seconds:.1f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    print("\n" + "\n".join(lines))


if __name__ == "__main__":
    main(sys.argv[1:])
