from pathlib import Path

import pytest

from tests.reporting.fakes import write_sweep


@pytest.fixture(scope="session")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two networks with and without augmentation over two seeds; not to be changed."""
    return write_sweep(tmp_path_factory.mktemp("sweep") / "multirun" / "s")
