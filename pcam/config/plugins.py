"""A user's own modules: imported if the user names them, never because a file does."""

import importlib
import os
import sys
from collections.abc import Sequence

from pcam.errors import ConfigError, describe_error

VARIABLE = "PCAM_PLUGINS"  # names of modules, separated by commas

_imported: set[str] = set()


def import_plugins(names: Sequence[str]) -> None:
    """Import the modules that the command line, a YAML or the environment names.

    Modules in the current folder are found, as they are by ``python -m``.

    Args:
        names: of modules.

    Raises:
        ConfigError: one cannot be imported.
    """
    wanted = [*plugins_of_environment(), *names]
    for name in wanted:
        if name not in _imported:
            _import(name)
            _imported.add(name)


def plugins_of_environment() -> list[str]:
    """Return the modules that the environment names."""
    words = os.environ.get(VARIABLE, "").split(",")
    return [word for word in words if word]


def _import(name: str) -> None:
    parts = str(name).split(".")
    if not all(part.isidentifier() for part in parts):
        raise ConfigError(f"plugins: {name} is not the name of a module")
    current = os.getcwd()
    if current not in sys.path:
        sys.path.insert(0, current)
    try:
        importlib.import_module(name)
    except ConfigError:
        raise
    except Exception as error:  # whatever a user's module raises
        reason = describe_error(error)
        raise ConfigError(f"plugins: {name} cannot be imported ({reason})") from error


def imported_plugins() -> list[str]:
    """Return the plugins that the user has named, sorted."""
    return sorted(_imported)


def discard_plugins() -> None:
    """Discard which plugins the user has named, as in a new process."""
    _imported.clear()


def check_plugins_are_named(names: object, source: str) -> None:
    """Make sure that the user has named each plugin that a file names.

    Args:
        names: what the file lists.
        source: the file, for the message.

    Raises:
        ConfigError: one is not named; it is not imported.
    """
    if not isinstance(names, list):
        return
    missing = [str(name) for name in names if name not in _imported]
    if missing:
        listed = ",".join(missing)
        raise ConfigError(
            f"{source} uses the plugin {listed}, which is imported only if you name it: "
            f"add plugins=[{listed}] (in Python: load_run(folder, plugins=[...])), "
            f"or set {VARIABLE}={listed}"
        )
