"""Fields whose class depends on a registered name."""

from collections.abc import Sequence
from typing import Any

from pydantic import ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import PydanticCustomError

from pcam.config.base import Section
from pcam.config.registry import Registry
from pcam.errors import ConfigError, PcamError


def fault(message: str) -> PydanticCustomError:
    """Return an error for a validator to raise, whose message is complete as it stands."""
    return PydanticCustomError("fault", "{text}", {"text": message})


def chosen_from(registry: Registry) -> WrapValidator:
    """Return a validator that reads a section as the class that its ``name`` is registered with."""

    def validate(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        if isinstance(value, Section) or not isinstance(value, dict) or "name" not in value:
            return handler(value)
        try:
            entry = registry.get(value["name"])
        except ConfigError as error:
            raise fault(str(error)) from error
        if entry.config is None:
            return handler(value)
        return entry.config.model_validate(value)

    return WrapValidator(validate)


def check_names(registry: Registry, names: Sequence[str], key: str) -> None:
    """Make sure that each of a list of names is registered, and there once.

    Raises:
        PydanticCustomError: one is not.
    """
    for name in names:
        try:
            registry.get(name)
        except PcamError as error:
            raise fault(str(error)) from error
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise fault(f"{key} names {', '.join(repeated)} more than once")
