"""One training in this process, from a composed config, without Hydra's command line."""

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir

from pcam import CONF, runs
from pcam.door import plain


def composed(*overrides: str) -> dict[str, Any]:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = runs.absolute(plain(compose("train", list(overrides))))
    config.pop("resume")
    return config


def train(folder: Path, *overrides: str, resume: bool = False) -> dict[str, Any]:
    from pcam.training import train as run

    config = composed(*overrides)
    if not resume:
        runs.start(folder, config)
    return run(config, folder, resume)


def door(monkeypatch: pytest.MonkeyPatch, folder: Path, name: str, *words: str) -> None:
    """Type a command in a folder, in this process: without a new process's twenty seconds of imports."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", [f"pcam.{name}", *words])
    importlib.import_module(f"pcam.{name}").main()
