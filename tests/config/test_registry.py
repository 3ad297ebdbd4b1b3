"""Registries: entries by name, similar names, collisions."""

import pytest

from pcam.config.base import Section
from pcam.config.registry import Registry, losses, register_loss
from pcam.errors import ConfigError


class Settings(Section):
    strength: float


def test_an_entry_is_found_by_its_name_with_its_config_and_details() -> None:
    registry = Registry("loss", "loss.name", ())

    @registry.register("mine", config=Settings, outputs=1)
    def mine() -> None: ...

    entry = registry.get("mine")
    assert (entry.target, entry.config, entry.details) == (mine, Settings, {"outputs": 1})


def test_an_unknown_name_is_answered_with_similar_ones() -> None:
    with pytest.raises(ConfigError, match=r"loss\.name=bec is not available; did you mean bce\?"):
        losses.get("bec")


def test_a_name_that_is_registered_already_is_refused() -> None:
    with pytest.raises(ConfigError, match="the loss ce is registered already"):

        @register_loss("ce")
        def other() -> None: ...


def test_a_fallback_answers_names_that_no_entry_has() -> None:
    registry = Registry("backbone", "model.name", ())

    def check(name: str) -> None:
        if name != "known":
            raise ConfigError(f"model.name={name} is unknown")

    @registry.register_fallback(check=check)
    def fallback() -> None: ...

    assert registry.get("known").target is fallback
    registry.check_name("known")
    with pytest.raises(ConfigError, match="other is unknown"):
        registry.check_name("other")
