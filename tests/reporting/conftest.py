from pathlib import Path

import pytest

from pcam.runs.figures import canvas, png
from tests.reporting.fakes import write_sweep


@pytest.fixture(scope="session")
def blank_picture() -> bytes:
    return png(canvas(1, 1, 50))


@pytest.fixture
def real_figures() -> None:
    """Figures are drawn in the tests that ask for this."""


@pytest.fixture(autouse=True)
def blank_figures(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, blank_picture: bytes
) -> None:
    """Leave out the drawing, most of the time of a report, from tests of its text."""
    if "real_figures" in request.fixturenames:
        return
    for module in ("plots", "trial_plots"):
        monkeypatch.setattr(f"pcam.reporting.{module}.png", lambda figure: blank_picture)


@pytest.fixture(scope="session")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two networks with and without augmentation over two seeds; not to be changed."""
    return write_sweep(tmp_path_factory.mktemp("sweep") / "multirun" / "s")
