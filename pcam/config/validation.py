"""From what Hydra composed, or a run folder holds, to a typed config.

All faults are reported together.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from pcam.config.faults import describe_faults, describe_unknown_key, known_keys, unknown_keys
from pcam.config.plugins import check_plugins_are_named, import_plugins
from pcam.config.schema import CommandConfig, TrainConfig
from pcam.config.versions import upgrade
from pcam.errors import ConfigError

Config = TypeVar("Config", bound=CommandConfig)


def validate(model: type[Config], values: Mapping[str, Any]) -> Config:
    """Return the typed config of a command.

    Args:
        model: the class of the command's config.
        values: what was composed: plain values, by key.

    Raises:
        ConfigError: with one line per fault; none of them hides another.
    """
    faults = _import_plugins(values.get("plugins"))
    config: Config | None = None
    try:
        config = model.model_validate(values)
    except ValidationError as error:
        unknown = unknown_keys(error, values)
        known = known_keys(values, unknown, model)
        faults += [describe_unknown_key(key, known) for key in unknown]
        faults += describe_faults(error, values)
    sections = _valid_sections(model, values) if config is None else dict(config)
    for check in (*model.cross_checks, *model.slow_checks):
        faults += check(sections)
    if faults or config is None:
        raise ConfigError(*dict.fromkeys("\n".join(faults).split("\n")))
    return config


def _import_plugins(names: object) -> list[str]:
    """Import the plugins that a config names, if it names them in a list; return the faults."""
    try:
        import_plugins(names if isinstance(names, list) else [])
    except ConfigError as error:
        return [str(error)]
    return []


def _valid_sections(model: type[CommandConfig], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a config that are valid by themselves."""
    sections = {}
    for name, info in model.model_fields.items():
        if name not in values:
            continue
        annotation: Any = info.rebuild_annotation()
        try:
            sections[name] = TypeAdapter(annotation).validate_python(values[name], strict=True)
        except ValidationError:
            continue
    return sections


def read_train_config(values: Mapping[str, Any], source: str) -> TrainConfig:
    """Return the config of a run, also of one that an earlier version wrote.

    Args:
        values: what its config.yaml holds.
        source: the file, for messages.

    Raises:
        ConfigError: a value is missing or wrong, or the user has not named a plugin of the run.
    """
    values = upgrade(values)
    check_plugins_are_named(values.get("plugins"), source)
    try:
        return TrainConfig.model_validate(values)
    except ValidationError as error:
        unknown = [f"unknown key {key}" for key in unknown_keys(error, values)]
        faults = [*unknown, *describe_faults(error, values)]
        raise ConfigError(f"{source} is not valid: {'; '.join(faults)}") from error
