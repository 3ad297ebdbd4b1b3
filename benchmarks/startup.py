"""Start-up: seconds from the command to the end of the first step, and its parts, in one run.

python -m benchmarks.startup               --rounds N

The peer is a process that only imports torch, timm and lightning. Both take turns. A part is the
median over rounds.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.machine import choose_device, describe_machine
from benchmarks.training_ways import REPOSITORY, run_command

IMPORTS = "import torch, timm, lightning"
OPTIONS = ["scale=smoke", "data.num_workers=0", "trainer.max_epochs=1", "aug=none"]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--options", nargs="*", default=[], help="of pcam.train")
    parser.add_argument("--json", type=Path, help="file to which the result is appended")
    arguments = parser.parse_args()
    print(describe_machine(choose_device("auto")), flush=True)
    parts: dict[str, list[float]] = {}
    for _ in range(arguments.rounds):
        for name, seconds in measure(arguments.options).items():
            parts.setdefault(name, []).append(seconds)
    medians = {name: statistics.median(seconds) for name, seconds in parts.items()}
    print("\n| | seconds |\n|---|---:|")
    for name, value in medians.items():
        print(f"| {name} | {value:.2f} |")
    pairs = zip(parts["to the first step"], parts[IMPORTS], strict=True)
    print(f"\nratio: {statistics.median([ours / theirs for ours, theirs in pairs]):.2f}")
    if arguments.json is not None:
        with arguments.json.open("a") as file:
            file.write(json.dumps(parts) + "\n")


def measure(options: list[str]) -> dict[str, float]:
    """Return the seconds of each part of one training's start, and of the peer."""
    start = time.time()
    subprocess.run([sys.executable, "-c", IMPORTS], check=True)
    peer = time.time() - start
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "times.json"
        command = [
            *[sys.executable, "-m", "pcam.train", "plugins=[benchmarks.step_times]"],
            *[f"+callbacks.step_times.path={path}", f"hydra.run.dir={folder}/run"],
            *OPTIONS,
            *options,
        ]
        start = time.time()
        run_command(command, REPOSITORY)
        times = json.loads(path.read_text())
    first = times["epochs"][0]["first"]
    return {
        IMPORTS: peer,
        "Hydra, config, torch and lightning": times["imported"] - start,
        "data, network, weights": times["built"] - times["imported"],
        "trainer, to the start of training": times["started"] - times["built"],
        "first step": first - times["started"],
        "to the first step": first - start,
    }


if __name__ == "__main__":
    main()
