"""How the words of a command line are changed before Hydra reads them."""

from pathlib import Path

import pytest

from pcam.cli.arguments import config_groups, force_add, force_add_all, multirun_first
from tests.conftest import Terminal


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("optimizer.lr=3", "++optimizer.lr=3"),
        ("optimzer.lr=3", "++optimzer.lr=3"),
        ("run=FOLDER", "++run=FOLDER"),
        ("model.kwargs.a=1,2", "++model.kwargs.a=1,2"),
        ("model=vgg16", "model=vgg16"),  # a config group
        ("scale=smoke", "scale=smoke"),
        ("hydra.run.dir=x", "hydra.run.dir=x"),
        ("hydra/launcher=local", "hydra/launcher=local"),
        ("+nonsense=1", "+nonsense=1"),
        ("+hydra.run.dri=x", "hydra.run.dri=x"),  # Hydra's own section has a schema
        ("++hydra.nonsense=x", "hydra.nonsense=x"),
        ("+hydra.sweeper.sampler.x=1", "+hydra.sweeper.sampler.x=1"),
        ("~trainer.ema", "~trainer.ema"),
        ("seed=0,1", "seed=0,1"),  # Hydra varies it
        ("seed=0,]", "seed=0,]"),  # Hydra says what is wrong
        ("-m", "-m"),
    ],
)
def test_plain_keys_are_added_by_force(word: str, expected: str) -> None:
    assert force_add([word]) == [expected]


def test_hydra_reports_unknown_keys_where_a_config_is_only_printed() -> None:
    words = ["--cfg", "job", "optimzer.lr=3", "model.kwargs.a=1"]
    assert force_add(words) == ["--cfg", "job", "optimzer.lr=3", "++model.kwargs.a=1"]


def test_what_a_sweep_varies_is_added_by_force_in_one_job() -> None:
    assert force_add_all(["seed=0,1", "model=vgg16"]) == ["++seed=0,1", "model=vgg16"]


def test_a_users_folders_have_config_groups_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("given", "searched", "package/conf"):
        (tmp_path / name / f"group_{name[0]}").mkdir(parents=True)
    (tmp_path / "package" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    paths = f"hydra.searchpath=[file://{tmp_path}/searched,pkg://package.conf,pkg://missing]"
    groups = config_groups(["--config-dir", "given", paths])
    assert {"model", "group_g", "group_s", "group_p"} <= groups
    assert "group_g" in config_groups([f"--config-dir={tmp_path}/given"])


def test_multirun_comes_first() -> None:
    assert multirun_first(["a=1", "-m", "b=2"]) == ["-m", "a=1", "b=2"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["+hydra.run.dri=x"], "unknown key hydra.run.dri; did you mean hydra.run.dir?"),
        (["+=1"], "+=1 has no key; write KEY=VALUE"),
        (["~"], "~ has no key; write KEY=VALUE"),
        (["-m", "seed=interval(0,1)"], "BasicSweeper does not support sweep type : INTERVAL_SWEEP"),
        (["-m", "seed=glob(*)"], "seed=glob(*) has no value, so there is no job"),
        (
            ["-m", "data=glob(*)", "trainer.max_epochs=0"],
            "trainer.max_epochs=0 must be at least 1",
        ),
    ],
)
def test_words_that_hydra_answers_with_a_traceback_or_ignores(
    words: list[str], message: str, terminal: Terminal
) -> None:
    assert message in terminal("train", *words).faults
