from pathlib import Path
from typing import Literal

import numpy as np

from pcam.config.sections import DataConfig
from pcam.data.base import PatchSource
from pcam.data.provider import SourceProvider, source_provider
from pcam.data.sources.synthetic.source import SyntheticSource
from tests.data.configs import data_config


def test_a_source_answers_what_is_special_about_it() -> None:
    synthetic = source_provider(data_config().data)
    anywhere = source_provider(data_config("data.place=anywhere").data)
    kaggle = source_provider(data_config("data=kaggle").data)
    folder = source_provider(data_config("data=folder").data)
    assert [one.centre_labelled for one in (synthetic, anywhere, kaggle, folder)] == [
        True,
        False,
        True,
        False,
    ]
    assert [one.unlabelled_split for one in (synthetic, kaggle)] == [None, "predict"]
    assert [one.patch_size for one in (synthetic, folder)] == [96, None]
    assert synthetic.published_splits == ("train", "valid", "test")
    assert kaggle.published_splits == ("train",)
    assert synthetic.submission(["a"], np.array([0.5]), "class") is None


def test_a_folder_has_the_splits_whose_folders_exist(folder_root: Path, tmp_path: Path) -> None:
    folder = source_provider(data_config("data=folder", f"data.root={folder_root}").data)
    assert folder.published_splits == ("train", "valid", "test")
    assert [folder.opens_alone(split) for split in ("train", "valid")] == [False, True]
    empty = source_provider(data_config("data=folder", f"data.root={tmp_path}").data)
    assert empty.published_splits == ("train",)
    assert not empty.opens_alone("test")


class OwnDataConfig(DataConfig):
    name: Literal["own"] = "own"


class OwnData(SourceProvider[OwnDataConfig]):
    def open(self, split: str) -> PatchSource:
        return SyntheticSource(split, 10)


def test_a_source_has_to_define_only_how_a_split_is_opened() -> None:
    own = OwnData(OwnDataConfig())
    assert len(own.open("train")) == 10
    assert own.published_splits == ("train", "valid", "test")
    assert own.unlabelled_split is None
    assert not own.has_unlabelled
    assert not own.centre_labelled
    assert not own.opens_alone("test")
    assert own.prepare() == []
