"""Hydra's options of a command line: unknown ones, and those that exclude each other."""

from collections.abc import Sequence
from typing import NoReturn

from hydra._internal.utils import get_args_parser

from pcam.errors import ConfigError

UNRECOGNIZED = "unrecognized arguments: "  # how a message of argparse begins

# Options that each ask for something else than the others.
EXCLUSIVE = ("run", "multirun", "cfg", "info", "shell_completion")


def refuse_options(words: Sequence[str]) -> None:
    """Make sure that Hydra takes the options among the words, in place of its usage or a traceback.

    Args:
        words: of a command line, with -m in front.

    Raises:
        ConfigError: an option is unknown, lacks its value, or excludes another.
    """
    parser = get_args_parser()
    parser.error = _raise_fault  # type: ignore[method-assign]
    # It would print and leave here
    options = parser.parse_args([word for word in words if word != "--version"])
    asked = [f"--{name.replace('_', '-')}" for name in EXCLUSIVE if getattr(options, name)]
    if len(asked) > 1:
        raise ConfigError(f"{' and '.join(asked)} exclude each other; leave out all but one")
    if options.resolve and not (options.cfg or options.help):
        raise ConfigError("--resolve belongs to --cfg job or --help, which is missing")


def _raise_fault(message: str) -> NoReturn:
    """Raise what argparse would print before it leaves.

    Args:
        message: argparse's, "argument --x: ..." or "unrecognized arguments: x ...".
    """
    words = message.removeprefix(UNRECOGNIZED).split()
    if message.startswith(UNRECOGNIZED) and all("=" in word for word in words):
        raise ConfigError(
            f"{' '.join(words)} stands after an option; write options (--cfg job) behind all"
            " KEY=VALUE"
        )
    raise ConfigError(f"{message.removeprefix('argument ')}; see --hydra-help")
