import os
import subprocess
import sys
from pathlib import Path

import pytest

from pcam.errors import RunError, describe_error, format_override
from pcam.runs.folder import last_checkpoint, start_run
from pcam.runs.lock import is_locked, lock_run
from pcam.runs.resume import find_run_to_resume, next_commands, resume_config
from tests.run import composed


def begun(folder: Path, *words: str, checkpoint: bool = True, finished: bool = False) -> Path:
    """Make a run folder as a training leaves it."""
    start_run(folder, composed(*words))
    if checkpoint:
        last_checkpoint(folder).parent.mkdir()
        last_checkpoint(folder).touch()
    if finished:
        (folder / "summary.json").touch()
    return folder


def auto(tmp_path: Path, *words: str, asked: str = "new") -> Path | None:
    return find_run_to_resume("auto", tmp_path / asked, tmp_path / "outputs", composed(*words))


def test_auto_finds_the_unfinished_run_of_the_same_command_alone(tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    assert auto(tmp_path) is None
    begun(outputs / "other", "model=resnet50")
    begun(outputs / "done", finished=True)
    begun(outputs / "dead", checkpoint=False)
    assert auto(tmp_path) is None
    mine = begun(outputs / "a" / "mine", "trainer.max_epochs=3")  # where and how long may differ
    assert auto(tmp_path) == mine
    assert auto(tmp_path, "trainer=ddp", "data.num_workers=2") == mine
    assert auto(tmp_path, "seed=1") is None
    later = begun(outputs / "later")
    os.utime(last_checkpoint(mine), (1, 1))
    assert auto(tmp_path) == later
    begun(tmp_path / "named")
    assert auto(tmp_path, asked="named") == tmp_path / "named"
    assert (
        find_run_to_resume("auto", tmp_path / "new", None, composed()) is None
    )  # a sweep's job looks in its own folder alone


def test_a_run_that_died_before_its_first_checkpoint_can_be_begun_anew(tmp_path: Path) -> None:
    folder, config = begun(tmp_path / "run", checkpoint=False), composed()
    with pytest.raises(
        RunError, match=r"begin it anew \(resume=auto\) or set another hydra\.run\.dir"
    ):
        start_run(folder, config)
    with pytest.raises(RunError, match=r"cut off before its first epoch ended; start it anew"):
        find_run_to_resume(str(folder), tmp_path, None, config)
    assert auto(tmp_path, asked="run") is None
    start_run(folder, config, anew=True)


def test_a_choice_of_trainer_changes_where_a_run_goes_on_and_nothing_else(tmp_path: Path) -> None:
    saved = composed("trainer.max_epochs=4", "trainer.ema=0.9")
    after = resume_config(saved, composed("trainer=cpu"), ["trainer"], tmp_path)
    assert after["trainer"] == {**saved["trainer"], "accelerator": "cpu", "devices": 1}
    after = resume_config(
        saved,
        composed("trainer=cpu", "trainer.max_epochs=9"),
        ["trainer", "trainer.max_epochs"],
        tmp_path,
    )
    assert (after["trainer"]["max_epochs"], after["trainer"]["ema"]) == (9, 0.9)


def test_data_that_moved_is_named_by_its_choice_and_its_new_place(tmp_path: Path) -> None:
    saved = composed("data=folder", "data.root=old", "data.limit=100")
    now = composed("data=folder", "data.root=new")
    after = resume_config(saved, now, ["data", "data.root"], tmp_path)
    assert after["data"] == {**saved["data"], "root": now["data"]["root"]}
    with pytest.raises(RunError, match="was begun with data=folder, not pcam"):
        resume_config(saved, composed("data=pcam"), ["data"], tmp_path)
    with pytest.raises(RunError, match="was begun with aug=dihedral, not paper"):
        resume_config(saved, composed("aug=paper"), ["aug"], tmp_path)


def test_a_config_that_lacks_a_part_says_which(tmp_path: Path) -> None:
    saved = composed()
    del saved["optimizer"]
    with pytest.raises(RunError, match=r"config\.yaml lacks optimizer: it was changed"):
        resume_config(saved, composed(), [], tmp_path)


def test_one_process_at_a_time_trains_into_a_folder(tmp_path: Path) -> None:
    imports = "import sys; from pathlib import Path; from pcam.runs.lock import lock_run"
    wait = f"{imports}\nwith lock_run(Path(sys.argv[1])): print(1, flush=True); input()"
    other = subprocess.Popen(
        [sys.executable, "-c", wait, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout is not None
    other.stdout.readline()
    with pytest.raises(RunError, match="is being trained by another process"), lock_run(tmp_path):
        pass
    other.kill()  # the hold ends with the process, however that ends
    other.wait()
    with lock_run(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("runs/a-1", "resume=runs/a-1"),
        ("runs/x y=z", "'resume=\"runs/x y=z\"'"),
        ('a\'s "b"', '\'resume="a\'"\'"\'s \\"b\\""\''),
    ],
)
def test_a_printed_command_can_be_typed(value: str, said: str) -> None:
    import shlex

    from hydra.core.override_parser.overrides_parser import OverridesParser

    assert format_override("resume", value) == said
    assert OverridesParser.create().parse_override(shlex.split(said)[0]).value() == value


def test_the_next_commands_keep_what_was_typed(tmp_path: Path) -> None:
    words = ["data=pcam", "data.root=/a b", "model=resnet50", "aug=none", "seed=3", "resume=auto"]
    on, sweep = next_commands(tmp_path / "run", composed("aug=none"), words)
    assert on.startswith(f"python -m pcam.train resume={tmp_path}/run trainer.max_epochs=10 ")
    assert sweep.startswith(
        "python -m pcam.train -m data=pcam 'data.root=/a b' model=resnet50 aug=paper seed=0,1,2 "
    )


def test_a_reason_says_what_it_is_of() -> None:
    assert describe_error(KeyError(1785425525)) == "KeyError: 1785425525"
    assert describe_error(KeyError("a b")) == "'a b'"
    assert describe_error(RuntimeError()) == "RuntimeError"
    assert describe_error(OSError("the disk is full\nof it")) == "the disk is full"


def test_a_folder_is_held_as_long_as_its_process_trains(tmp_path: Path) -> None:
    assert not is_locked(tmp_path)
    with lock_run(tmp_path):
        assert is_locked(tmp_path)
    (tmp_path / ".held").touch()  # left by one that was killed
    assert not is_locked(tmp_path)
