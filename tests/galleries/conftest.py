"""A small trained run."""

from pathlib import Path

import pytest

from tests.conftest import SMALL, TINY
from tests.run import train


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    train(folder, *TINY, *SMALL, "trainer.max_epochs=1", "crop=center", "crop.size=64")
    return folder
