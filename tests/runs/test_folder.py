from pathlib import Path

import pytest
import yaml

from pcam.errors import RunError
from pcam.runs.folder import (
    best_checkpoint,
    discard_run,
    ensure_not_run_dir,
    last_checkpoint,
    network_label,
    read_config,
    start_run,
)
from tests.run import composed


def test_a_config_reads_back_as_it_was_written(tmp_path: Path) -> None:
    config = composed(
        "model=googlenet", "aug=paper", "trainer.ema=0.9", "++optimizer.kwargs.eps=1e-7"
    )
    start_run(tmp_path, config)
    assert read_config(tmp_path) == config
    assert "resume" not in yaml.safe_load((tmp_path / "config.yaml").read_text())


def test_a_folder_with_a_run_is_not_used_for_another(tmp_path: Path) -> None:
    config = composed()
    ensure_not_run_dir(tmp_path)
    start_run(tmp_path, config)
    with pytest.raises(RunError, match="would be overwritten; set another hydra.run.dir"):
        ensure_not_run_dir(tmp_path)
    with pytest.raises(RunError, match=r"no checkpoint yet; .* restart it \(resume=auto\)"):
        start_run(tmp_path, config)
    (tmp_path / "summary.json").touch()
    start_run(tmp_path, config, restart=True)
    assert not (tmp_path / "summary.json").exists()
    last_checkpoint(tmp_path).parent.mkdir()
    last_checkpoint(tmp_path).touch()
    with pytest.raises(RunError, match=rf"resume it \(resume={tmp_path}\)"):
        start_run(tmp_path, config)


def test_a_run_without_results_leaves_its_folder_free(tmp_path: Path) -> None:
    start_run(tmp_path, composed())
    discard_run(tmp_path)
    assert not (tmp_path / "config.yaml").exists()
    start_run(tmp_path, composed())
    (tmp_path / "metrics.csv").touch()
    discard_run(tmp_path)
    assert (tmp_path / "config.yaml").exists()


def test_the_last_checkpoint_stands_in_for_the_best(tmp_path: Path) -> None:
    assert best_checkpoint(tmp_path) == last_checkpoint(tmp_path)
    best = tmp_path / "checkpoints" / "best.ckpt"
    best.parent.mkdir()
    best.touch()
    assert best_checkpoint(tmp_path) == best


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "is not a run folder: config.yaml is missing"),
        ("model: [", "config.yaml is damaged"),
        ("- a", "config.yaml is damaged: it has no keys"),
        ("seed: 0", "config.yaml is not valid: missing key data"),
    ],
)
def test_a_damaged_config_is_one_line(text: str | None, message: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(RunError, match=message) as failure:
        read_config(tmp_path)
    assert "\n" not in str(failure.value)


def test_trap_a_config_that_holds_code_is_refused_and_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    (tmp_path / "config.yaml").write_text(f"a: !!python/object/apply:os.system ['touch {mark}']\n")
    with pytest.raises(RunError, match="config.yaml is damaged"):
        read_config(tmp_path)
    assert not mark.exists()


@pytest.mark.parametrize("section", ["data", "aug", "loss", "scheduler"])
def test_trap_a_name_in_a_config_is_not_imported(section: str, tmp_path: Path) -> None:
    values = composed().model_dump(mode="json")
    values[section]["name"] = "os.system"
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(RunError, match=rf"{section}\.name=os\.system is not "):
        read_config(tmp_path)


def test_a_config_that_lacks_a_part_says_which(tmp_path: Path) -> None:
    values = composed().model_dump(mode="json")
    del values["optimizer"]
    del values["trainer"]["max_epochs"]
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(RunError, match=r"missing key optimizer; missing key trainer\.max_epochs"):
        read_config(tmp_path)


@pytest.mark.parametrize(
    ("words", "label"),
    [
        (["model=resnet50"], "resnet50"),
        (["model=resnet50", "scale=smoke"], "test_resnet in place of resnet50 (smoke)"),
        (["model=efficientnet_b0", "scale=sample"], "efficientnet_b0 (sample)"),
        (["model=vgg16", "model.name=vgg16", "scale=sample"], "vgg16 (sample)"),
    ],
)
def test_a_label_says_which_network_was_trained(words: list[str], label: str) -> None:
    assert network_label(composed(*words)) == label


def test_a_pattern_is_answered_with_the_folders_that_it_matches(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"is not a run folder: this pattern matches nothing"):
        read_config(tmp_path / "run*")
    for number in range(7):
        (tmp_path / f"run{number}").mkdir()
    with pytest.raises(RunError, match=r"matches 7; name one folder of: .*run0, .*run4, …$"):
        read_config(tmp_path / "run*")
    start_run(tmp_path / "a[1]", composed())
    assert read_config(tmp_path / "a[1]") == composed()
