"""The config of getting and checking a data set."""

from typing import Annotated

from pydantic import AfterValidator, SerializeAsAny

from pcam.config.base import Seed
from pcam.config.choices import chosen_from, fault
from pcam.config.registry import sources
from pcam.config.schema.command import CommandConfig
from pcam.config.sections import AnySplits, DataConfig


def _check_address(value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise fault(f"address={value} must start with http:// or https://")
    return value


class PrepareConfig(CommandConfig):
    """The config of ``pcam.prepare``."""

    data: Annotated[SerializeAsAny[DataConfig], chosen_from(sources)]
    splits: AnySplits
    seed: Seed
    audit: bool
    address: Annotated[str, AfterValidator(_check_address)] | None
