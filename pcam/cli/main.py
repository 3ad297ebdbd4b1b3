"""The console script: ``pcam train model=resnet50`` is ``python -m pcam.train model=resnet50``."""

import importlib
import sys

from pcam import __version__
from pcam.cli.console import print_error
from pcam.errors import suggest
from pcam.runs.screen import keep_going_without_screen

COMMANDS = (
    "prepare",
    "train",
    "evaluate",
    "predict",
    "slide",
    "ensemble",
    "compare",
    "attribute",
    "bias",
    "probe",
    "report",
    "export",
)


def main() -> None:
    """Run the command that the first word names, or list the commands."""
    keep_going_without_screen()
    words = sys.argv[1:]
    if not words or words[0] in ("-h", "--help"):
        print(list_commands())
        return
    name = words[0]
    if name == "--version":
        print(f"pcam {__version__}")
        return
    if name not in COMMANDS:
        print_error(f"unknown command {name}{suggest(name, COMMANDS)}")
        sys.exit(2)
    sys.argv = [f"pcam.{name}", *words[1:]]
    importlib.import_module(f"pcam.{name}").main()


def list_commands() -> str:
    """Return the commands with one line each."""
    lines = ["pcam trains, measures and explains patch classifiers for histopathology.", ""]
    for name in COMMANDS:
        summary = (importlib.import_module(f"pcam.{name}").__doc__ or "").partition("\n")[0]
        lines.append(f"  python -m pcam.{name:<10} {summary.partition(': ``')[0].rstrip('.')}")
    lines += [
        "",
        "Choices and keys of a command: python -m pcam.train --help",
        "The console script is the same: pcam train model=resnet50",
    ]
    return "\n".join(lines)
