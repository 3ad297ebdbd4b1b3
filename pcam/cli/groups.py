"""Config groups on a command line: each is given names of its choices, for its own section."""

from collections.abc import Iterator, Sequence

from hydra.core.override_parser.types import Override, QuotedString, ValueType

from pcam import CONF
from pcam.cli.arguments import config_groups, overrides_of, parse_override, users_folders
from pcam.errors import ConfigError
from pcam.runs.overrides import override_key
from pcam.sweeps.state import plain_override

GLOBAL = "_global_"  # Hydra's name of the whole config, which experiments change


def refuse_unnamed_choices(words: Sequence[str]) -> None:
    """Make sure that each config group is given names: not null, a number or a mapping.

    A group of pcam's own fills the section of its name only: ``data@other=pcam`` is refused.

    Args:
        words: of a command line.

    Raises:
        ConfigError: with one line per fault.
    """
    groups = config_groups(words)
    faults: list[str] = []
    for word in overrides_of(words):
        group, _, package = override_key(word).partition("@")
        if package not in ("", GLOBAL) and group in groups and (CONF / group).is_dir():
            faults.append(
                f"{plain_override(word)}: {group} is the only section of its choices; write"
                f" {group}=NAME"
            )
            continue
        override = parse_override(word)
        if override is None or not (group in groups or group.startswith("hydra/")):
            continue
        if override.is_delete() or all(map(_is_name, _given(override))):
            continue
        line = f"{plain_override(word)} must name a choice of {group}"
        choices = _choices(group, words)
        faults.append(f"{line}; available: {', '.join(choices)}" if choices else line)
    if faults:
        raise ConfigError(*faults)


def _given(override: Override) -> Iterator[object]:
    """Yield what a group is given: one choice, a list of choices, or the values of a sweep."""
    if override.value_type == ValueType.GLOB_CHOICE_SWEEP:
        return
    if override.is_discrete_sweep():
        yield from override.sweep_iterator()
    elif not override.is_sweep_override():
        yield override.value()


def _is_name(choice: object) -> bool:
    if isinstance(choice, list):
        return all(map(_is_name, choice))
    return isinstance(choice, str | QuotedString) and str(choice) != ""


def _choices(group: str, words: Sequence[str]) -> list[str]:
    """Return the choices of a config group, without Hydra's own."""
    folders = [folder / group for folder in (CONF, *users_folders(words))]
    return sorted({path.stem for folder in folders for path in folder.glob("*.yaml")})
