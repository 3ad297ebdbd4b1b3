"""Fields whose class depends on a registered name."""

from collections import Counter
from collections.abc import Hashable
from typing import Any

from pydantic import AfterValidator, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import PydanticCustomError

from pcam.config.registry import Registry
from pcam.errors import ConfigError, suggest


def fault(message: str) -> PydanticCustomError:
    """Return an error for a validator to raise, whose message is complete as it is."""
    return PydanticCustomError("fault", "{text}", {"text": message})


def names_from(registry: Registry) -> AfterValidator:
    """Return a validator of a list of names: each is registered, and there once."""

    def validate(names: list[str]) -> list[str]:
        faults: list[str] = []
        for name, count in Counter(names).items():
            if name not in registry:
                faults.append(f"{name} is not available{suggest(name, registry.names())}")
            if count > 1:
                faults.append(f"{name} is named more than once")
        if faults:
            raise PydanticCustomError("value_fault", "{text}", {"text": "; ".join(faults)})
        return names

    return AfterValidator(validate)


def _each_once(values: list[Hashable]) -> list[Hashable]:
    repeated = [str(value) for value, count in Counter(values).items() if count > 1]
    if repeated:
        text = f"{', '.join(repeated)} is named more than once"
        raise PydanticCustomError("value_fault", "{text}", {"text": text})
    return values


each_once = AfterValidator(_each_once)  # of a list whose values differ


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
