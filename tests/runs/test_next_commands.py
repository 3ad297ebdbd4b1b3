"""The commands that are offered after a training can be run."""

from pathlib import Path

from pcam.runs.next_commands import next_commands
from tests.run import composed


def test_the_next_commands_keep_the_overrides(tmp_path: Path) -> None:
    words = ["data=pcam", "data.root=/a b", "model=resnet50", "aug=none", "seed=3", "resume=auto"]
    longer, sweep = next_commands(tmp_path / "run", composed("aug=none"), words)
    assert longer.startswith(f"python -m pcam.train resume={tmp_path}/run trainer.max_epochs=10 ")
    start = "python -m pcam.train -m data=pcam 'data.root=/a b' model=resnet50 "
    assert sweep.startswith(f"{start}aug=none,dihedral seed=0,1,2 ")
    (_, repeated) = next_commands(tmp_path / "run", composed(), ["aug=paper", "aug.hue=0.2"])
    assert repeated.startswith("python -m pcam.train -m aug=paper aug.hue=0.2 seed=0,1,2 ")
    assert len(next_commands(tmp_path / "run", composed(), None)) == 1


def test_the_next_commands_offer_no_quarter_turns_of_oblong_patches(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text('{"patch_size": [48, 64]}')
    (_, seeds) = next_commands(tmp_path, composed("aug=none"), ["aug=none"])
    assert seeds.startswith("python -m pcam.train -m aug=none seed=0,1,2 ")
    cropped = composed("aug=none", "crop=center", "crop.size=32")
    assert "aug=none,dihedral" in next_commands(tmp_path, cropped, ["aug=none"])[1]


def test_a_quick_look_is_followed_by_good_figures(tmp_path: Path) -> None:
    words = ["data=folder", "data.root=/a b", "recipe=quick", "seed=3", "resume=auto"]
    commands = next_commands(tmp_path / "run", composed("recipe=quick"), words)
    start = "python -m pcam.train data=folder 'data.root=/a b' seed=3 recipe=best "
    assert commands[1].startswith(start)
