"""A small trained run."""

from pathlib import Path

import pytest

from tests.conftest import SMALL, TINY
from tests.run import train


@pytest.fixture(scope="session")
def exported_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose network crops, and enlarges what it sees."""
    folder = tmp_path_factory.mktemp("exported")
    words = ["trainer.max_epochs=1", "crop=center", "crop.size=48", "model.input_size=64"]
    train(folder, *TINY, *SMALL, *words)
    return folder
