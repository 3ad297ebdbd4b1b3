"""Failures that a user can mend: a door prints the message as one line and exits with 2."""

import re
import shlex
from collections.abc import Iterable
from difflib import get_close_matches


class PcamError(Exception):
    """An expected failure; the message says what is wrong, where, and what mends it."""


class ConfigError(PcamError):
    """A key, a value or a combination of them that cannot be."""


class DataError(PcamError):
    """Data that is missing, malformed or at odds with itself."""


class WeightsError(PcamError):
    """Weights that cannot be had or do not fit."""


class RunError(PcamError):
    """A run folder that is missing, unfinished where a finished one is needed, or in the way."""


def suggest(word: str, words: Iterable[str]) -> str:
    """Return "; did you mean A, B?" with the names closest to ``word``, or what there is to choose from."""
    known = sorted(set(words))
    close = get_close_matches(word, known, n=3, cutoff=0.6)
    if close:
        return f"; did you mean {', '.join(close)}?"
    return f"; there is {', '.join(known)}" if 0 < len(known) <= 20 else ""


def describe_error(error: BaseException) -> str:
    """Return what a library's error says in one short line."""
    kind, text = type(error).__name__, "".join(str(error).splitlines()[:1])
    told = (
        text if " " in text else f"{kind}: {text}" if text else kind
    )  # one word, as a KeyError's key, says nothing alone
    return told[:120]


def format_override(key: str, value: object) -> str:
    """Return ``key=value``, or ``key=[A,B]``, as it is typed on a command line, quoted for Hydra and the shell where needed."""
    if isinstance(value, list | tuple):
        return shlex.quote(f"{key}=[{','.join(map(_quoted, value))}]")
    return shlex.quote(f"{key}={_quoted(value)}")


def _quoted(value: object) -> str:
    word = str(value)
    return word if re.fullmatch(r"[\w./:+-]*", word) else '"' + word.replace('"', '\\"') + '"'
