"""A run opened again: its network, and which data a later command uses."""

import shutil
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from pcam.config.schema import EvaluateConfig
from pcam.config.sections import AnySplits, SplitsConfig
from pcam.errors import ConfigError, DataError, RunError
from pcam.evaluation.saved_run import crop_for_split, open_run, open_split, resolve_data
from pcam.runs.folder import read_config

AUTO = {"name": "auto", "share": 0.2, "seed": 0}


def ask(
    data: dict[str, object], splits: dict[str, object] = AUTO, split: str = "test"
) -> EvaluateConfig:
    """Return the config of a command that asks for this data."""
    return EvaluateConfig.model_validate(
        {
            "run": "run",
            "split": split,
            "data": data,
            "splits": splits,
            "tta": "none",
            "threshold": 0.5,
            "sensitivity": 0.95,
            "calibration": "none",
            "resamples": 100,
            "seed": 0,
        }
    )


def official() -> SplitsConfig:
    splits: SplitsConfig = TypeAdapter(AnySplits).validate_python({"name": "official"})
    return splits


def test_null_keys_are_those_of_the_run(run: Path) -> None:
    config = read_config(run)
    data, splits = resolve_data(config, ask({"limit": 5, "batch_size": None}))
    assert data == config.data.model_copy(update={"limit": 5})
    assert splits == config.splits


def test_another_source_has_its_own_keys_and_default_loader_settings(run: Path) -> None:
    config = read_config(run)
    asked = {"name": "folder", "root": "/x", "positive": None, "limit": 3, "batch_size": None}
    data, splits = resolve_data(config, ask(asked, {"name": "official"}))
    assert data.model_dump() == {
        "name": "folder",
        "root": "/x",
        "changed": "refuse",
        "worker_timeout": 600.0,
        "sampler": "shuffled",
        "patches_per_epoch": None,
        "positive": None,
        "batch_size": 64,
        "num_workers": "auto",
        "limit": 3,
        "duplicates": "group",
        "max_side": 4096,
        "resident": "auto",
    }
    assert splits == official()


def test_the_run_s_own_data_keeps_its_splits(run: Path) -> None:
    asked = ask({}, {"name": "random", "share": 0.2, "seed": 0})
    with pytest.raises(ConfigError, match="own data keeps the splits of the run"):
        resolve_data(read_config(run), asked)


def test_valid_is_cropped_as_the_run_cropped_valid(run: Path) -> None:
    config = read_config(run)
    crop = config.crop.model_copy(update={"train": "random", "valid": "none", "test": "center"})
    config = config.model_copy(update={"crop": crop})
    modes = {split: crop_for_split(config, split).mode for split in ("train", "valid", "test")}
    assert modes == {"train": "center", "valid": "none", "test": "center"}


def test_a_split_that_does_not_exist_is_an_error(run: Path) -> None:
    config = read_config(run)
    with pytest.raises(ConfigError, match="data=synthetic has no unlabelled patches"):
        open_split(config.data, config.splits, 0, "predict")
    with pytest.raises(DataError, match="data=synthetic has no split 'tests'; did you mean test"):
        open_split(config.data, config.splits, 0, "tests")


def test_a_config_that_names_another_network_is_an_error(run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run, tmp_path / "run")
    text = (copy / "config.yaml").read_text()
    (copy / "config.yaml").write_text(text.replace("name: test_resnet", "name: test_vit"))
    with pytest.raises(
        RunError, match=r"model\.name=test_vit, and the checkpoint is of test_resnet"
    ):
        open_run(copy)


def test_a_run_without_a_readable_checkpoint_is_an_error(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(run, folder)
    shutil.rmtree(folder / "checkpoints")
    with pytest.raises(RunError, match="has no checkpoint: the training stopped before"):
        open_run(folder)
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "best.ckpt").write_bytes(b"no checkpoint")
    with pytest.raises(RunError, match=r"best\.ckpt cannot be read safely as a checkpoint"):
        open_run(folder)
