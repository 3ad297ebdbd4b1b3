"""Prediction: patches per second, beside a plain loop and timm's validate.py, in one run.

python -m benchmarks.predict --timm DIR     DIR: a checkout of timm's repository (validate.py)
python -m benchmarks.predict --help         networks, batch, patches, rounds

All ways take turns within a round. Rates leave the start of a process out: pcam's are those of
``load_run(FOLDER).predict`` after a first pass, timm's run from its first line to its last.
"command" is the time of the whole command, start included: ``pcam.predict`` beside validate.py. A
figure is the median over rounds; a ratio is pcam's figure over the other's in a round, and again
the median.

limit: the network in a loop over tensors on the device, float32; limit-bf16: in bfloat16.
timm: validate.py as it comes; timm-bf16: with --amp and --channels-last.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import timm_scripts
from benchmarks.machine import choose_device, describe_machine
from benchmarks.timm_scripts import CommandFailed, write_files
from benchmarks.training_ways import MODELS, REPOSITORY, run_command

PCAM = "pcam"


@dataclass(frozen=True)
class Setting:
    """What is scored.

    Attributes:
        folder: temporary, with the files, a run of the network, and timm's weights.
        arguments: of the command line.
        model: timm's name of the network.
        device: cuda or cpu.
    """

    folder: Path
    arguments: argparse.Namespace
    model: str
    device: str

    @property
    def run(self) -> Path:
        """The run folder of the network."""
        return self.folder / "runs" / self.model


@dataclass(frozen=True)
class Result:
    """What scoring took.

    Attributes:
        rate: patches per second, without the start.
        command: seconds of the whole command; None where there is none.
    """

    rate: float
    command: float | None


Way = Callable[[Setting], Result]


def main() -> None:
    """Measure and print what the command line asks for."""
    arguments = parse_arguments()
    device = choose_device(arguments.device)
    print(describe_machine(device), flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        write_files(folder, arguments.root, arguments.patches, arguments.timm is not None)
        for model in arguments.models:
            setting = Setting(folder, arguments, model, device.type)
            train_briefly(setting)
            rows = measure(setting)
            print(f"\n{model}, {arguments.size} px, batch {arguments.batch}\n")
            print(format_rows(rows), flush=True)


def parse_arguments() -> argparse.Namespace:
    """Return the command line's values."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, help="folder of PatchCamelyon's HDF5 files")
    parser.add_argument("--timm", type=Path, help="checkout of timm's repository")
    parser.add_argument("--models", nargs="+", default=["resnet50", "efficientnet_b0"])
    parser.add_argument("--ways", nargs="+", default=["limit", PCAM, "timm"], choices=list(WAYS))
    parser.add_argument("--size", type=int, default=96, help="side of the network's input, pixels")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--patches", type=int, default=2560)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--workers", type=int, default=0, help="of timm's loader")
    parser.add_argument("--keep", type=Path, help="folder of the files, which stay and are reused")
    parser.add_argument("--json", type=Path, help="file to which each result is appended at once")
    return parser.parse_args()


def train_briefly(setting: Setting) -> None:
    """Write a run of one step, and random weights for timm's script."""
    import torch
    from timm import create_model

    model = MODELS.get(setting.model, ["model=timm", f"model.name={setting.model}"])
    command = [
        *[sys.executable, "-m", "pcam.train", "data=pcam", f"data.root={setting.folder}", *model],
        *["model.weights=none", f"model.input_size={setting.arguments.size}"],
        *["data.limit=64", "data.num_workers=0", "aug=none", "trainer.max_epochs=1"],
        *["trainer.devices=1"],
        *[f"trainer.accelerator={'gpu' if setting.device == 'cuda' else 'cpu'}"],
        *[f"hydra.run.dir={setting.run}"],
    ]
    run_command(command, REPOSITORY)
    weights = create_model(setting.model, num_classes=2).state_dict()
    torch.save(weights, setting.folder / f"{setting.model}.pth")


def measure(setting: Setting) -> dict[str, list[Result]]:
    """Return the results of each way in each round."""
    arguments = setting.arguments
    names = [name for name in arguments.ways if arguments.timm or not name.startswith("timm")]
    rows: dict[str, list[Result]] = {name: [] for name in names}
    for _ in range(arguments.rounds):
        for name in names:
            if name not in rows:
                continue
            try:
                result = WAYS[name](setting)
            except CommandFailed as error:  # the other ways still give figures
                print(error, flush=True)
                del rows[name]
                continue
            rows[name].append(result)
            append_json(name, setting, result)
    return rows


def append_json(name: str, setting: Setting, result: Result) -> None:
    """Append one result to the file of JSON lines, if there is one."""
    if setting.arguments.json is None:
        return
    row = {
        "way": name,
        "model": setting.model,
        "size": setting.arguments.size,
        "batch": setting.arguments.batch,
        "patches": setting.arguments.patches,
        "rate": result.rate,
        "command": result.command,
    }
    with setting.arguments.json.open("a") as file:
        file.write(json.dumps(row) + "\n")


def score(setting: Setting, limit: str | None = None) -> Result:
    """Run ``benchmarks.score``, and ``pcam.predict`` beside it unless it is the limit."""
    arguments = setting.arguments
    options = [f"--root={setting.folder}", f"--run={setting.run}", f"--batch={arguments.batch}"]
    options += [f"--patches={arguments.patches}", f"--device={setting.device}"]
    if limit is not None:
        options.append(f"--limit={limit}")
    output = run_command([sys.executable, "-m", "benchmarks.score", *options], REPOSITORY)
    seconds = json.loads(output.splitlines()[-1])["seconds"]
    rate = arguments.patches / statistics.median(seconds[1:])
    if limit is not None:
        return Result(rate, None)
    command = [sys.executable, "-m", "pcam.predict", f"run={setting.run}", "split=train"]
    command += [f"data.batch_size={arguments.batch}", "data=pcam", f"data.root={setting.folder}"]
    start = time.perf_counter()
    run_command([*command, f"hydra.run.dir={setting.folder / 'predict'}"], REPOSITORY)
    return Result(rate, time.perf_counter() - start)


def run_timm(setting: Setting, options: tuple[str, ...] = ()) -> Result:
    """Run timm's validate.py over the training images."""
    arguments = setting.arguments
    command = [
        *["--data-dir", str(setting.folder / "images"), "--split", "train"],
        *["--model", setting.model, "--checkpoint", str(setting.folder / f"{setting.model}.pth")],
        *["--num-classes", "2", "--input-size", "3", str(arguments.size), str(arguments.size)],
        *["-b", str(arguments.batch), "-j", str(arguments.workers), "--device", setting.device],
        *options,
    ]
    start = time.perf_counter()
    times = timm_scripts.validate(arguments.timm / "validate.py", command)
    whole = time.perf_counter() - start
    rate = (arguments.patches - arguments.batch) / (times.last - times.first)
    return Result(rate, whole)


def format_rows(rows: Mapping[str, list[Result]]) -> str:
    """Return a table in Markdown."""
    lines = [
        "| way | patches/s | spread | pcam's ratio | command, s |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, found in rows.items():
        rates = [result.rate for result in found]
        ratio = ""
        if name != PCAM and PCAM in rows:
            pairs = zip(rows[PCAM], found, strict=True)
            ratio = f"{statistics.median([one.rate / other.rate for one, other in pairs]):.2f}"
        whole = [result.command for result in found if result.command is not None]
        seconds = f"{statistics.median(whole):.1f}" if whole else ""
        spread = f"{min(rates):,.0f} to {max(rates):,.0f}"
        cells = [name, f"{statistics.median(rates):,.0f}", spread, ratio, seconds]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


WAYS: Mapping[str, Way] = {
    "limit": partial(score, limit="fp32"),
    "limit-bf16": partial(score, limit="bf16"),
    PCAM: score,
    "timm": run_timm,
    "timm-bf16": partial(run_timm, options=("--amp", "--amp-dtype", "bfloat16", "--channels-last")),
}


if __name__ == "__main__":
    main()
