from pathlib import Path

from pcam.data.preparation import obtain
from tests.data.configs import data_config


def test_synthetic_data_and_own_patches_need_no_preparation(tmp_path: Path) -> None:
    assert obtain(data_config().data) == []
    assert obtain(data_config("data=folder", f"data.root={tmp_path / 'new'}").data) == []
    assert not list(tmp_path.iterdir())
