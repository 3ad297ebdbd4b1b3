"""The words of a command line, before Hydra reads them."""

import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from pcam import CONF
from pcam.errors import ConfigError
from pcam.runs.overrides import override_key

MULTIRUN_OPTIONS = ("-m", "--multirun")
# Hydra's options that name folders of YAMLs.
CONFIG_FOLDER_OPTIONS = ("--config-dir", "-cd", "--config-path", "-cp")
# Hydra's options that only print something.
INFORMATION_OPTIONS = (
    *("--cfg", "-c", "--info", "-i", "--help", "-h", "--hydra-help", "--version"),
    *("--resolve", "--package", "-p", "--shell-completion", "-sc"),
)
RESULT_FOLDERS = ("hydra.run.dir", "hydra.sweep.dir")
# Of Hydra's section: what may have keys that its schema does not list.
OPEN_HYDRA_TABLES = (
    *("hydra.sweeper.", "hydra.launcher.", "hydra.callbacks.", "hydra.job.env_set."),
    *("hydra.job_logging.", "hydra.hydra_logging.", "hydra.help."),
)
OPEN_TABLES = ("model.kwargs.", "optimizer.kwargs.", "callbacks.")  # hold keys of a user's choice


def options_of(words: Sequence[str]) -> set[str]:
    """Return the options among the words: ``--cfg`` of ``--cfg=job``."""
    return {word.partition("=")[0] for word in words if word.startswith("-")}


def overrides_of(words: Sequence[str]) -> list[str]:
    """Return the words that are not options."""
    return [word for word in words if not word.startswith("-")]


def refuse_malformed(words: Sequence[str]) -> None:
    """Make sure that each override has a key, and that folders for results have a name.

    Raises:
        ConfigError: with one line per fault.
    """
    faults: list[str] = []
    if options_of(words) - set(MULTIRUN_OPTIONS):
        return  # a word may be the value of an option
    for word in overrides_of(words):
        key, equals, value = word.partition("=")
        if not override_key(word):
            faults.append(f"{word} has no key; write KEY=VALUE")
        elif not equals and not word.startswith("~"):
            faults.append(f"{word} is not an override; write KEY=VALUE")
        if key in RESULT_FOLDERS and equals and not value:
            faults.append(f"{key} is empty; it must be a folder")
    if faults:
        raise ConfigError(*faults)


def multirun_first(words: Sequence[str]) -> list[str]:
    """Return the words with -m in front: argparse takes no option between overrides."""
    return sorted(words, key=lambda word: word not in MULTIRUN_OPTIONS)


def parse_override(word: str) -> Override | None:
    """Return an override as Hydra reads it; None if Hydra cannot read it."""
    hydra = GlobalHydra.instance()
    loader = hydra.config_loader() if hydra.is_initialized() else None  # for glob()
    try:
        return OverridesParser.create(loader).parse_overrides([word])[0]
    except HydraException:
        return None


def force_add(words: Sequence[str]) -> list[str]:
    """Return the words with ``++`` before each key, so that Hydra accepts unknown keys too.

    The schema then reports unknown keys together with all other faults. Config groups, Hydra's own
    keys and what a sweep varies stay as they are.
    """
    groups = config_groups(words)
    if options_of(words) & set(INFORMATION_OPTIONS):
        groups = groups | {override_key(word) for word in words if not _is_open(word)}
    words = [_without_addition(word) for word in words]
    return [f"++{word}" if _is_plain_key(word, groups) else word for word in words]


def _without_addition(word: str) -> str:
    """Return a word without the ``+`` that would add an unknown key to Hydra's own section."""
    key = override_key(word)
    if not word.startswith("+") or not key.startswith("hydra."):
        return word
    return word if key.startswith(OPEN_HYDRA_TABLES) else word.lstrip("+")


def force_add_all(words: Sequence[str]) -> list[str]:
    """Return the words of one job with ``++`` before each key that is no config group."""
    groups = config_groups(words)
    return [f"++{word}" if _is_key(word, groups) else word for word in words]


def config_groups(words: Sequence[str]) -> set[str]:
    """Return the names of all config groups: the folders of conf/ and of the user's own."""
    folders = [CONF, *users_folders(words)]
    subfolders = [path for folder in folders if folder.is_dir() for path in folder.iterdir()]
    return {path.name for path in subfolders if path.is_dir()}


def _is_plain_key(word: str, groups: set[str]) -> bool:
    """Return whether a word sets one value of a key of the config."""
    if not _is_key(word, groups):
        return False
    override = parse_override(word)
    return override is not None and (_is_open(word) or not override.is_sweep_override())


def _is_key(word: str, groups: set[str]) -> bool:
    """Return whether a word sets a key of the config, without a prefix of its own."""
    if "=" not in word or word.startswith(("-", "+", "~")):
        return False
    key = override_key(word).partition("@")[0]
    is_hydra = key == "hydra" or key.startswith(("hydra.", "hydra/"))
    return key not in groups and "/" not in key and not is_hydra


def _is_open(word: str) -> bool:
    return word.startswith(OPEN_TABLES)


def users_folders(words: Sequence[str]) -> Iterator[Path]:
    """Yield the folders of YAMLs that the command line names."""
    for position, word in enumerate(words):
        option, _, value = word.partition("=")
        if option in CONFIG_FOLDER_OPTIONS:
            yield Path(value or "".join(words[position + 1 : position + 2]))
        elif override_key(word) == "hydra.searchpath":
            override = parse_override(word)
            paths = override.value() if override is not None else None
            for path in paths if isinstance(paths, list) else []:
                yield from _searchpath_folder(str(path))


def _searchpath_folder(path: str) -> Iterator[Path]:
    """Yield the folder of an entry of hydra.searchpath: file://DIR, pkg://PACKAGE or DIR."""
    scheme, _, rest = path.rpartition("://")
    if scheme in ("", "file"):
        yield Path(rest)
    elif scheme == "pkg":
        try:
            spec = importlib.util.find_spec(rest.replace("/", "."))
        except ImportError:
            return
        for location in (spec.submodule_search_locations or ()) if spec else ():
            yield Path(location)
