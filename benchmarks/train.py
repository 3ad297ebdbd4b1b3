"""Training: patches per second, beside a plain loop and timm's train.py, in one run.

python -m benchmarks.train --timm DIR      DIR: a checkout of timm's repository (train.py)
python -m benchmarks.train --root DIR      PatchCamelyon's HDF5 files in DIR; else synthetic patches
python -m benchmarks.train --help          networks, sizes, ways, options of pcam.train

All ways take turns within a round. "steps" is the rate from an epoch's first step to its last;
"epochs" includes validation and checkpoints. The first epoch is left out. A figure is the median
over epochs and rounds; a ratio is pcam's figure over the other's in a round, and again the median.

limit: the same network and optimizer in a loop over tensors on the device, without augmentation.
pcam: ``pcam.train aug=paper``. pcam:KEY=VALUE,... the same with further options.
timm: train.py with its default augmentation; timm-channels-last, timm-compile: its faster options.
"""

import argparse
import json
import statistics
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from benchmarks.epoch_times import epoch_rates, median_after_first, step_rates
from benchmarks.machine import choose_device, describe_machine
from benchmarks.timm_scripts import CommandFailed, write_files
from benchmarks.training_ways import WAYS, Setting, Times, Way, run_pcam, run_way

PCAM = "pcam"

Rows = dict[str, list[Times]]


def main() -> None:
    """Measure and print what the command line asks for."""
    arguments = parse_arguments()
    warnings.filterwarnings("ignore")
    device = choose_device(arguments.device)
    print(describe_machine(device), flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        write_files(folder, arguments.root, arguments.patches, arguments.timm is not None)
        for model in arguments.models:
            setting = Setting(
                folder=folder,
                model=model,
                size=arguments.size,
                batch=arguments.batch,
                patches=arguments.patches,
                epochs=arguments.epochs,
                device=device.type,
                precision=arguments.precision,
                workers=arguments.workers,
                timm=arguments.timm,
                options=tuple(arguments.options),
            )
            rows = measure(choose_ways(arguments), setting, arguments)
            print(f"\n{model}, {arguments.size} px, batch {arguments.batch}\n")
            print(format_rows(rows, setting), flush=True)


def parse_arguments() -> argparse.Namespace:
    """Return the command line's values."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, help="folder of PatchCamelyon's HDF5 files")
    parser.add_argument("--timm", type=Path, help="checkout of timm's repository")
    parser.add_argument("--models", nargs="+", default=["resnet50", "efficientnet_b0"])
    parser.add_argument("--ways", nargs="+", default=["limit", PCAM, "timm"])
    parser.add_argument("--size", type=int, default=96, help="side of the network's input, pixels")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--patches", type=int, default=2560, help="per epoch; repeated if needed")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--workers", type=int, default=0, help="of timm's loader")
    parser.add_argument("--options", nargs="*", default=[], help="of pcam.train")
    parser.add_argument("--code", nargs="*", default=[], help="NAME=DIR: other checkouts of pcam")
    parser.add_argument("--keep", type=Path, help="folder of the files, which stay and are reused")
    parser.add_argument("--json", type=Path, help="file to which each result is appended at once")
    return parser.parse_args()


def choose_ways(arguments: argparse.Namespace) -> dict[str, Way]:
    """Return the ways that the command line names.

    Raises:
        SystemExit: there is no way of that name.
    """
    codes = dict(code.split("=", 1) for code in arguments.code)
    ways: dict[str, Way] = {}
    for name in arguments.ways:
        kind, _, options = name.partition(":")
        if kind in codes:
            ways[name] = partial(run_code, Path(codes[kind]), options)
        elif kind == PCAM:
            ways[name] = partial(run_pcam, options=_split_options(options))
        elif name in WAYS:
            ways[name] = WAYS[name]
        else:
            raise SystemExit(f"--ways {name}: choose from {', '.join([PCAM, *WAYS, *codes])}")
    return ways


def run_code(code: Path, options: str, setting: Setting) -> list:
    """Run ``pcam.train`` of another checkout."""
    return run_pcam(replace(setting, code=code.absolute()), _split_options(options))


def _split_options(options: str) -> tuple[str, ...]:
    return tuple(option for option in options.split(",") if option)


def measure(ways: Mapping[str, Way], setting: Setting, arguments: argparse.Namespace) -> Rows:
    """Return the times of each way in each round."""
    rows: Rows = {name: [] for name in ways}
    for number in range(arguments.rounds):
        for name, way in ways.items():
            if name not in rows:
                continue
            try:
                times = run_way(way, setting)
            except CommandFailed as error:  # the other ways still give figures
                print(error, flush=True)
                del rows[name]
                continue
            rows[name].append(times)
            if arguments.json is not None:
                append_json(arguments.json, name, number, setting, times)
    return rows


def append_json(path: Path, name: str, number: int, setting: Setting, times: Times) -> None:
    """Append one result to a file of JSON lines."""
    row = {
        "way": name,
        "round": number,
        "model": setting.model,
        "size": setting.size,
        "batch": setting.batch,
        "patches": setting.patches,
        "steps/s": step_rates(times.epochs, setting.batch),
        "epochs/s": epoch_rates(times.epochs, setting.batch),
        **asdict(times),
    }
    with path.open("a") as file:
        file.write(json.dumps(row) + "\n")


def format_rows(rows: Rows, setting: Setting) -> str:
    """Return a table in Markdown."""
    lines = [
        "| way | patches/s, steps | spread | pcam's ratio | patches/s, epochs | first step, s |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    rates = {name: [_steps(times, setting) for times in found] for name, found in rows.items()}
    first = next((name for name in rows if name.partition(":")[0] == PCAM), None)
    for name, found in rows.items():
        every = [rate for times in found for rate in step_rates(times.epochs, setting.batch)[1:]]
        spread = f"{min(every):,.0f} to {max(every):,.0f}" if every else ""
        ratio = ""
        if first is not None and name != first:
            ratios = [one / other for one, other in zip(rates[first], rates[name], strict=True)]
            ratio = f"{statistics.median(ratios):.2f}"
        whole = [epoch_rates(times.epochs, setting.batch) for times in found]
        epochs = statistics.median([median_after_first(found) for found in whole])
        before = statistics.median([times.before for times in found])
        cells = [name, f"{statistics.median(rates[name]):,.0f}", spread, ratio]
        lines.append(f"| {' | '.join([*cells, f'{epochs:,.0f}', f'{before:.1f}'])} |")
    return "\n".join(lines)


def _steps(times: Times, setting: Setting) -> float:
    return median_after_first(step_rates(times.epochs, setting.batch))


if __name__ == "__main__":
    main()
