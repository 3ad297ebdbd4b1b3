"""Fields whose class depends on a registered name."""

from typing import Any

from pydantic import ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import PydanticCustomError

from pcam.config.registry import Registry
from pcam.errors import ConfigError


def fault(message: str) -> PydanticCustomError:
    """Return an error for a validator to raise, whose message is complete as it is."""
    return PydanticCustomError("fault", "{text}", {"text": message})


def chosen_from(registry: Registry) -> WrapValidator:
    """Return a validator that reads a section as the class that its ``name`` is registered with."""

    def validate(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        if not isinstance(value, dict) or "name" not in value:
            return handler(value)
        try:
            entry = registry.get(value["name"])
        except ConfigError as error:
            raise fault(str(error)) from error
        if entry.config is None:
            return handler(value)
        return entry.config.model_validate(value)

    return WrapValidator(validate)
