"""One trained run for all tests of attribution."""

from pathlib import Path

import pytest

from tests.conftest import SMALL, TINY
from tests.run import train


@pytest.fixture(scope="package")
def trained_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run of a tiny network, on the central 64x64 of synthetic patches."""
    folder = tmp_path_factory.mktemp("run")
    train(
        folder, *TINY, *SMALL, "trainer.max_epochs=2", "crop=center", "crop.size=64", "aug=dihedral"
    )
    return folder
