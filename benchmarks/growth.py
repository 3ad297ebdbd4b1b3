"""How the cost of a training grows with the number of patches: 10,000, 100,000 and 1,000,000.

python -m benchmarks.growth            needs 28 GB of disk in the temporary folder (TMPDIR)
python -m benchmarks.growth --root DIR PatchCamelyon's HDF5 files in DIR; else synthetic patches

The patches of the larger files are repetitions. An epoch takes as many patches of each file, drawn
from all of it, so that each file has as many steps. The network is a tiny one: with any other, what
the patches cost would be hidden by what the network costs. Files take turns within a round.
"""

import argparse
import json
import statistics
import sys
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

from benchmarks.epoch_times import EpochTime, step_rates
from benchmarks.files import BATCH, write_synthetic_files
from benchmarks.large_file import SMALL, enlarge
from benchmarks.machine import choose_device, describe_machine
from benchmarks.training_ways import REPOSITORY, run_command

OTHER = 1000  # patches of valid, and of test


@dataclass(frozen=True)
class Training:
    """What a training on a file costs.

    Attributes:
        rate: patches per second within an epoch, the median of the epochs.
        start: seconds from the imports to the first step.
        memory: the process's own memory at the end of an epoch, at most, MB; mapped files are not
            counted.
    """

    rate: float
    start: float
    memory: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, help="folder of PatchCamelyon's HDF5 files")
    parser.add_argument("--sizes", nargs="+", type=int, default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--patches", type=int, default=12_800, help="per epoch")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--options", nargs="*", default=[], help="of pcam.train")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    print(describe_machine(choose_device("auto")), flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        roots = write_files(Path(temporary), arguments.root, arguments.sizes)
        options = [f"data.patches_per_epoch={arguments.patches}", *arguments.options]
        trainings: dict[int, list[Training]] = {size: [] for size in roots}
        for _ in range(arguments.rounds):
            for size, root in roots.items():
                found = run_training(root, options)
                trainings[size].append(found)
                print(f"{size:,} patches: {found}", flush=True)
    print(format_table(trainings))


def write_files(folder: Path, source: Path | None, sizes: list[int]) -> dict[int, Path]:
    """Write a data set of each size, and return its folder."""
    if source is None:
        source = folder / "source"
        source.mkdir()
        write_synthetic_files(source, SMALL, OTHER)
    roots = {}
    for size in sizes:
        roots[size] = folder / str(size)
        roots[size].mkdir()
        enlarge(source, roots[size], size)
    return roots


def run_training(root: Path, options: list[str]) -> Training:
    """Train for three epochs."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "times.json"
        command = [
            *[sys.executable, "-m", "pcam.train", "plugins=[benchmarks.step_times]"],
            *[f"+callbacks.step_times.path={path}", f"hydra.run.dir={folder}/run"],
            *["data=pcam", f"data.root={root}", f"data.batch_size={BATCH}", "aug=paper"],
            *["model=timm", "model.name=test_resnet", "model.weights=none"],
            *["model.input_size=96", "trainer.max_epochs=3"],
            *options,
        ]
        run_command(command, REPOSITORY)
        times = json.loads(path.read_text())
    epochs = [EpochTime(**epoch) for epoch in times["epochs"]]
    rate = statistics.median(step_rates(epochs, BATCH))
    return Training(rate, epochs[0].first - times["imported"], times["memory"])


def format_table(trainings: dict[int, list[Training]]) -> str:
    """Return a table in Markdown: medians over rounds, and ratios to the first size's."""
    lines = [
        "| patches | patches/s | spread | ratio | to the first step, s | memory, MB |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    first = next(iter(trainings.values()))
    for size, found in trainings.items():
        rates = [training.rate for training in found]
        pairs = zip(rates, first, strict=True)
        ratio = statistics.median([rate / other.rate for rate, other in pairs])
        start = statistics.median([training.start for training in found])
        memory = statistics.median([training.memory for training in found])
        spread = f"{min(rates):,.0f} to {max(rates):,.0f}"
        cells = [f"{size:,}", f"{statistics.median(rates):,.0f}", spread, f"{ratio:.2f}"]
        lines.append(f"| {' | '.join([*cells, f'{start:.1f}', f'{memory:,.0f}'])} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
