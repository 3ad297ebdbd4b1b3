"""Words of a command line: which keys they set, and which of them identify a sweep."""

import re
from collections.abc import Sequence

from pcam.runs.identity import KeyClass, key_class

# Hydra's own words decide nothing about a sweep, but for the sweeper, which chooses its jobs.
_SWEEPER = ("hydra/sweeper", "hydra.sweeper")


# Quoted texts, lists and tables: their commas separate no values of a sweep.
GROUPED = re.compile(r""""(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|\[.*?\]|\{.*?\}""")


def override_key(word: str) -> str:
    """Return the key of a word of the command line.

    Args:
        word: as typed: ``aug=none``, ``+aug=none`` or ``~aug``.

    Returns:
        The key or group: ``aug``.
    """
    return word.lstrip("+~").partition("=")[0]


def identifying_overrides(words: Sequence[str]) -> list[str]:
    """Return the words of a command line that identify a sweep.

    Words are left out that set EXECUTION or OBSERVER keys, ``resume`` and most of Hydra's own.
    A word with several values stays, whatever its key: it decides how many jobs the sweep has.
    """
    kept = []
    for word in words:
        key = override_key(word)
        if key.startswith("hydra"):
            identifies = key.startswith(_SWEEPER)
        else:
            identifies = key_class(key) is KeyClass.RESULT or _has_choices(word)
        if identifies:
            kept.append(word)
    return kept


def _has_choices(word: str) -> bool:
    """Return whether a word holds several values: ``a=1,2`` or ``a=range(3)``, not ``a=[1,2]``."""
    value = GROUPED.sub("", word.partition("=")[2])
    return re.search("[,(]", value) is not None
