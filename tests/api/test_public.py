"""What ``import pcam`` offers, and what it costs."""

import importlib
import subprocess
import sys

import pytest

import pcam

HEAVY = {"torch", "lightning", "pydantic", "numpy", "hydra", "matplotlib"}


def test_every_public_name_can_be_imported() -> None:
    for name in pcam.__all__:
        assert getattr(pcam, name) is not None
    assert set(pcam.__all__) <= set(dir(pcam))


def test_every_registry_has_a_public_decorator() -> None:
    registry = importlib.import_module("pcam.config.registry")
    decorators = {name for name in vars(registry) if name.startswith("register_")}
    assert decorators == {name for name in pcam.__all__ if name.startswith("register_")}


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'pcam' has no attribute 'load_runs'"):
        pcam.load_runs  # noqa: B018


def test_import_pcam_imports_nothing_heavy() -> None:
    code = "import sys, pcam; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert HEAVY.isdisjoint(done.stdout.split())
