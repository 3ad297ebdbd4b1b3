"""Expected failures. A command prints the message as one line and exits with status 2."""

import re
import shlex
from collections.abc import Iterable
from difflib import get_close_matches

INTERRUPTED = 130  # exit status after ctrl-C
STOPPED = 75  # exit status of a training after SIGTERM or SIGUSR1: to be queued again (EX_TEMPFAIL)
MOST_CHOICES = 20  # longer lists are not shown
LONGEST_VALUE = 100  # characters of a value in a message
LONGEST_LINE = 1500  # characters of a message
LONGEST_DESCRIPTION = 120  # characters of a library's message
# Texts that Hydra reads as they are; it takes other alphabets, and numbers as text, in quotes only.
PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./:+-]*")
WORDS = ("null", "true", "false", "nan", "inf")  # that Hydra does not read as text


def printable(text: str) -> str:
    """Return a text for a terminal or a page: line breaks and control characters are escaped."""
    if text.isprintable():
        return text
    return "".join(map(_printable_character, text))


def _printable_character(character: str) -> str:
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode()


def printable_lines(text: str) -> str:
    """Return a text of several lines in which other control characters are escaped."""
    return "\n".join(map(printable, text.split("\n")))


def shorten_value(value: object) -> str:
    """Return a value as messages show it: printable, and not long."""
    text = printable(str(value))
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def one_line(text: str) -> str:
    """Return a text as one line of bounded length: ``printable``, its middle left out."""
    line = printable(text)
    if len(line) <= LONGEST_LINE:
        return line
    half = LONGEST_LINE // 2
    return f"{line[:half]} … {line[-half:]}"


class PcamError(Exception):
    """An expected failure; the message says what is wrong, where, and how to fix it.

    Args:
        *faults: one line each. Names and cells of files in them are shown as text: control
            characters are escaped, and what is very long is shortened.
    """

    def __init__(self, *faults: str) -> None:
        self.faults = tuple(map(one_line, faults))
        super().__init__(*self.faults)

    def __str__(self) -> str:
        return "\n".join(self.faults)


class ConfigError(PcamError):
    """A key, a value or a combination of values that is not valid."""


class DataError(PcamError):
    """Data that is missing, malformed or inconsistent."""


class WeightsError(PcamError):
    """Weights that are unavailable or do not fit the network."""


class NotFiniteError(PcamError):
    """A loss, a gradient, weights or scores that are infinite or not a number."""


class RunError(PcamError):
    """A run folder that is missing, damaged, unfinished or in use."""


class WriteError(PcamError):
    """A file that cannot be written: the disk is full or broken, or there is no permission.

    Attributes:
        advice: end of the message: what is kept, and how to go on.
    """

    advice = "make room or choose another folder, then start the command again"

    def __str__(self) -> str:
        return f"{super().__str__()}; {self.advice}"


class AccessError(PcamError):
    """A file that cannot be read now: no permission, or open in another program."""


def suggest(word: str, words: Iterable[str], section: str = "") -> str:
    """Return the names that are similar to a word, else all names, to end a message with.

    Args:
        word: what was typed.
        words: the available names.
        section: of the config whose keys they are, without its own name; "" for other names.

    Returns:
        "; did you mean A, B?", "; available: A, B", or nothing if there are too many names. Of a
        section's keys "; did you mean SECTION.A?" or "; keys of SECTION: A, B".
    """
    available = sorted(set(words))
    similar = get_close_matches(word, available, n=3, cutoff=0.6)
    if similar:
        prefix = f"{section}." if section else ""
        return f"; did you mean {', '.join(f'{prefix}{name}' for name in similar)}?"
    if available and len(available) <= MOST_CHOICES:
        listed = f"keys of {section}" if section else "available"
        return f"; {listed}: {', '.join(available)}"
    return ""


def describe_error(error: BaseException) -> str:
    """Return the first line of a library's error, shortened.

    The error's class is added where the text is a single word, as a KeyError's key is.
    """
    kind = type(error).__name__
    lines = str(error).splitlines()
    if not lines or not lines[0]:
        return kind
    text = lines[0] if " " in lines[0] else f"{kind}: {lines[0]}"
    return text[:LONGEST_DESCRIPTION]


def format_override(key: str, value: object) -> str:
    """Return an override as it is typed on a command line, quoted for Hydra and the shell.

    Args:
        key: the key.
        value: a value, or a list of values; a text or a path is read back as text.

    Returns:
        ``key=value`` or ``key=[A,B]``.
    """
    if isinstance(value, list | tuple):
        return shlex.quote(f"{key}=[{','.join(map(quote_value, value))}]")
    return shlex.quote(f"{key}={quote_value(value)}")


def quote_value(value: object) -> str:
    """Return a value as Hydra reads it back: in double quotes if it would read something else."""
    text = str(value)
    if isinstance(value, int | float) or (PLAIN.fullmatch(text) and text.lower() not in WORDS):
        return text
    # Backslashes count only before a quote, and before what would be an interpolation.
    escaped = re.sub(r"(\\*)\$\{", r"\1\1\\${", text)
    escaped = re.sub(r'(\\*)"', r'\1\1\\"', escaped)
    escaped = re.sub(r"(\\+)$", r"\1\1", escaped)
    return f'"{escaped}"'
