"""Synthetic sources are opened once per config, so that tests do not generate the same patches."""

import pytest

from pcam.data.base import PatchSource
from pcam.data.sources.synthetic.registration import SyntheticData

OPENED: dict[tuple[str, str], PatchSource] = {}
_open = SyntheticData.open


@pytest.fixture(autouse=True)
def shared_synthetic_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    def open_once(self: SyntheticData, split: str) -> PatchSource:
        key = (split, self.config.model_dump_json(exclude={"batch_size", "num_workers", "limit"}))
        if key not in OPENED:
            OPENED[key] = _open(self, split)
        return OPENED[key]

    monkeypatch.setattr(SyntheticData, "open", open_once)
