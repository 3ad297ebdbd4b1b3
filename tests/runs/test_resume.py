import os
import shutil
from pathlib import Path

import pytest
import torch

from pcam.errors import ConfigError, RunError
from pcam.runs.checkpoints import previous_checkpoint
from pcam.runs.files import write_file, write_json
from pcam.runs.folder import last_checkpoint, start_run
from pcam.runs.resume import (
    find_run_to_resume,
    finished_objective,
    resume_config,
    sweep_objective,
)
from tests.run import composed, summary_with


def started(folder: Path, *words: str, checkpoint: bool = True, finished: bool = False) -> Path:
    """Make a run folder as a training leaves it."""
    start_run(folder, composed(*words))
    if checkpoint:
        last_checkpoint(folder).parent.mkdir()
        torch.save({}, last_checkpoint(folder))
    if finished:
        (folder / "summary.json").touch()
    return folder


def auto(tmp_path: Path, *words: str, default: str = "new") -> Path | None:
    return find_run_to_resume("auto", tmp_path / default, tmp_path / "outputs", composed(*words))


def test_auto_finds_the_unfinished_run_of_the_same_command_alone(tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    assert auto(tmp_path) is None
    started(outputs / "other", "model=resnet50")
    started(outputs / "finished", finished=True)
    started(outputs / "without a checkpoint", checkpoint=False)
    damaged = started(outputs / "damaged")
    (damaged / "config.yaml").write_text("model: [")
    assert auto(tmp_path) is None
    mine = started(outputs / "a" / "mine", "trainer.max_epochs=3")
    assert auto(tmp_path) == mine  # where it runs, who observes and how long may differ
    elsewhere = ("trainer=ddp", "data.num_workers=2", "logger=tensorboard", "attribution.every=1")
    assert auto(tmp_path, *elsewhere) == mine
    assert auto(tmp_path, "seed=1") is None
    later = started(outputs / "later")
    os.utime(last_checkpoint(mine), (1, 1))
    assert auto(tmp_path) == later
    started(tmp_path / "named")
    assert auto(tmp_path, default="named") == tmp_path / "named"
    # A sweep's job looks in its own folder only.
    assert find_run_to_resume("auto", tmp_path / "new", None, composed()) is None


def test_auto_falls_back_to_the_checkpoint_before_then_to_a_new_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = started(tmp_path / "outputs" / "run")
    last, previous = last_checkpoint(folder), previous_checkpoint(folder)
    shutil.copy(last, previous)
    last.write_bytes(last.read_bytes()[:50])
    for default in ("outputs/run", "new"):
        assert auto(tmp_path, default=default) == folder
        assert find_run_to_resume(str(folder), tmp_path, None, composed()) == folder
    last.unlink()  # killed between two renames, where there are no hard links
    assert auto(tmp_path) == folder
    previous.write_bytes(b"")
    last.write_bytes(b"")
    assert caplog.messages == []
    assert auto(tmp_path, default="outputs/run") is None
    assert auto(tmp_path) is None
    message = "checkpoints: last.ckpt and previous.ckpt damaged; this run cannot be resumed"
    assert all(line.endswith(message) for line in caplog.messages)
    with pytest.raises(RunError, match=r"start the run again: hydra\.run\.dir=.*/run resume=auto"):
        find_run_to_resume(str(folder), tmp_path, None, composed())


def test_a_run_without_a_checkpoint_is_started_again(tmp_path: Path) -> None:
    folder = started(tmp_path / "run", checkpoint=False)
    with pytest.raises(RunError, match=r"interrupted before its first one; start it again"):
        find_run_to_resume(str(folder), tmp_path, None, composed())
    assert auto(tmp_path, default="run") is None
    with pytest.raises(RunError, match="is not a run folder"):
        find_run_to_resume(str(tmp_path), tmp_path, None, composed())


def test_a_sweep_is_resumed_with_its_overrides(tmp_path: Path) -> None:
    write_json(tmp_path / "sweep.json", {"words": []})
    with pytest.raises(RunError, match="is a sweep: resume it with -m"):
        find_run_to_resume(str(tmp_path), tmp_path, None, composed())


def test_a_choice_of_trainer_changes_where_a_run_continues_and_nothing_else(
    tmp_path: Path,
) -> None:
    saved = composed("trainer.max_epochs=4", "trainer.ema=0.9")
    after = resume_config(saved, composed("trainer=cpu"), ["trainer"], tmp_path)
    place = {"accelerator": "cpu", "devices": 1}
    assert after.trainer == saved.trainer.model_copy(update=place)
    now = composed("trainer=cpu", "trainer.max_epochs=9")
    after = resume_config(saved, now, ["trainer", "trainer.max_epochs"], tmp_path)
    assert (after.trainer.max_epochs, after.trainer.ema) == (9, 0.9)
    now = composed("trainer.prune.after=2", "logger=tensorboard", "attribution.every=2")
    keys = ["trainer.prune.after", "logger", "attribution.every"]
    after = resume_config(saved, now, keys, tmp_path)
    assert after.trainer.prune.after == 2
    assert (after.logger, after.attribution) == (now.logger, now.attribution)


def test_a_resumed_config_is_checked_as_a_whole(tmp_path: Path) -> None:
    saved = composed("trainer.prune.after=3")
    with pytest.raises(ConfigError, match="must be less than trainer.max_epochs=2"):
        resume_config(saved, composed("trainer.max_epochs=2"), ["trainer.max_epochs"], tmp_path)


def test_data_that_moved_is_named_by_its_choice_and_its_new_place(tmp_path: Path) -> None:
    saved = composed("data=folder", "data.root=old", "data.limit=100")
    now = composed("data=folder", "data.root=new")
    after = resume_config(saved, now, ["data", "data.root"], tmp_path)
    assert after.data.model_dump() == {
        **saved.data.model_dump(),
        "root": now.data.model_dump()["root"],
    }


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["data=pcam"], "was started with data=folder, not pcam; a resumed run keeps this value"),
        (["data=folder", "aug=paper"], "was started with aug=dihedral_color, not paper"),
        (["data=folder", "optimizer.lr=0.25"], r"was started with optimizer.lr=0.0005, not 0.25"),
        (["data=folder", "scheduler=cosine"], "was started with scheduler=onecycle, not cosine"),
        (["data=folder", "crop=center"], "was started with crop.size=None, not 64"),
        (["data=folder", "seed=1"], "was started with seed=0, not 1"),
    ],
)
def test_a_resumed_run_keeps_what_decides_its_figures(
    words: list[str], message: str, tmp_path: Path
) -> None:
    saved = composed("data=folder")
    keys = [word.partition("=")[0] for word in words]
    with pytest.raises(RunError, match=message):
        resume_config(saved, composed(*words), keys, tmp_path)


def test_words_that_change_nothing_may_be_repeated(tmp_path: Path) -> None:
    saved = composed("aug=paper", "experiment=table1", "optimizer.lr=0.25")
    keys = ["aug", "experiment", "recipe", "optimizer.lr", "resume", "hydra.run.dir"]
    assert resume_config(saved, saved, keys, tmp_path) == saved


def test_a_finished_job_is_known_by_its_summary(tmp_path: Path) -> None:
    assert finished_objective(tmp_path, composed()) is None
    started(tmp_path, "data.num_workers=2")
    assert finished_objective(tmp_path, composed()) is None
    write_json(tmp_path / "summary.json", summary_with(0.75, 0.5))
    assert finished_objective(tmp_path, composed()) == 0.75
    message = r"holds another job: optimizer\.lr=0\.0005, not 0\.25; set another hydra.sweep.dir"
    with pytest.raises(RunError, match=message):
        finished_objective(tmp_path, composed("optimizer.lr=0.25"))
    write_file(tmp_path / "summary.json", '{"valid": ')
    assert finished_objective(tmp_path, composed()) is None


def test_the_objective_of_one_class_is_not_a_number() -> None:
    assert sweep_objective({"valid": {"auroc": {"value": None}}}) != 0
    assert sweep_objective({"valid": {"auroc": {"value": 1}}}) == 1.0
