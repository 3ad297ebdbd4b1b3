import pytest

from pcam.data.sources.synthetic.source import SyntheticSource
from tests.conftest import RENDER


@pytest.fixture(autouse=True)
def patches_are_rendered_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests of a source see its own work, not a memory of it."""
    monkeypatch.setattr(SyntheticSource, "_render", RENDER)
