"""The settings of registered callbacks and loggers."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, TypeAdapter, ValidationError

from pcam.config.base import Section
from pcam.config.choices import fault
from pcam.config.faults import describe_faults, unknown_keys
from pcam.config.registry import callbacks
from pcam.config.sections import LoggerConfig
from pcam.errors import ConfigError, printable, shorten_value, suggest

AnySection = TypeVar("AnySection", bound=Section)


class NoSettings(Section):
    """The section of a callback or a logger without settings."""


def _check_tables(values: object) -> object:
    """Check that what each callback is given are its settings; say which callbacks there are."""
    faults: list[str] = []
    for name, settings in values.items() if isinstance(values, Mapping) else ():
        if settings is None or isinstance(settings, Mapping):
            continue
        if name not in callbacks:
            faults.append(describe_unknown_callback(str(name)))
            continue
        key = f"callbacks.{printable(str(name))}"
        faults.append(
            f"{key}={shorten_value(settings)} must be a mapping of the callback's keys; set them as"
            f" {key}.KEY=VALUE"
        )
    if faults:
        raise fault("\n".join(faults))
    return values


def describe_unknown_callback(name: str) -> str:
    """Return the line about a callback that is not registered."""
    return f"callbacks.{printable(name)} is not available{suggest(name, callbacks.names())}"


CallbackTables = Annotated[dict[str, dict[str, Any] | None], BeforeValidator(_check_tables)]


def read_section(section: type[AnySection], key: str, settings: Mapping[str, object]) -> AnySection:
    """Return the settings of a registered callback or logger as its own class.

    Args:
        section: the class.
        key: the config's key of the settings, for messages.
        settings: plain values.

    Raises:
        ConfigError: with one line per fault.
    """
    values = {key: dict(settings)}  # so that the faults' keys are complete
    adapter: TypeAdapter[dict[str, AnySection]]
    adapter = TypeAdapter(dict[str, section])  # type: ignore[valid-type]
    try:
        return adapter.validate_python(values)[key]
    except ValidationError as error:
        unknown = [f"unknown key {name}" for name in unknown_keys(error, values)]
        faults = describe_faults(error, values)
        raise ConfigError(*unknown, *faults) from error


def settings_of_logger(section: type[Section], config: LoggerConfig) -> dict[str, object]:
    """Return the keys of ``logger`` that belong to one logger.

    Args:
        section: the class of its settings.
        config: the section ``logger``, with the keys of all its loggers.
    """
    values = config.settings()
    return {key: values[key] for key in section.model_fields if key in values}


def settings_of_callback(values: Mapping[str, object] | None) -> dict[str, object]:
    """Return the settings below ``callbacks.NAME``, which may be null."""
    return dict(values or {})
