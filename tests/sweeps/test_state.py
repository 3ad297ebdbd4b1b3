"""Sweeps: what fails is kept, what is missing is done, nothing is done twice."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from pcam.errors import ConfigError, PcamError
from pcam.models.classifier import PatchClassifier
from pcam.runs.files import write_csv, write_file, write_json
from pcam.runs.folder import Config, read_config, write_config
from pcam.runs.resume import find_run_to_resume
from pcam.sweeps import pruning
from pcam.sweeps.state import FailedBefore, failure_summary, read_sweep, record_failure, reopen_job
from pcam.training.processes import node_rank, process_group
from pcam.training.trainer import devices
from tests.conftest import SMALL, TINY, command
from tests.run import composed, run_command, summary_with, train

QUICK = [*TINY, *SMALL, "trainer.max_epochs=1", "trainer.accelerator=cpu"]
Typed = Callable[..., tuple[int, str]]


@pytest.fixture
def typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Typed:
    """Type a sweep in this process; return its exit status and all that it said."""

    def type_(*words: str) -> tuple[int, str]:
        capfd.readouterr()
        try:
            run_command(monkeypatch, tmp_path, "train", "-m", *words)
            status: Any = 0
        except SystemExit as left:
            status = left.code
        out, err = capfd.readouterr()
        return status, out + err

    return type_


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list that the folders' names are added to as they are trained."""
    import pcam.training.fit

    names: list[str] = []
    whole = pcam.training.fit.train

    def counted(config: Config, folder: Path, **rest: Any) -> dict[str, Any]:
        names.append(folder.name)
        return whole(config, folder, **rest)

    monkeypatch.setattr(pcam.training.fit, "train", counted)
    return names


def failure(folder: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((folder / "failure.json").read_text())
    return told


def test_trap_one_of_four_fails_the_others_finish_and_a_second_start_does_that_one(
    tmp_path: Path, pcam_root: Path, typed: Typed, trained: list[str]
) -> None:
    for i in (0, 1, 3):
        (tmp_path / f"r{i}").symlink_to(pcam_root)
    words = [
        *TINY,
        "data=pcam",
        "data.root=r0,r1,r2,r3",
        "data.limit=32",
        "data.batch_size=16",
        "trainer.max_epochs=1",
    ]
    status, told = typed(*words, "hydra.sweep.dir=multirun/x")
    sweep = tmp_path / "multirun" / "x"
    assert status == 2
    last = told.strip().splitlines()[-1]
    assert last.startswith(f"error: 1 of 4 jobs failed: 2 (why: failure.json of each in {sweep})")
    assert "Traceback" not in told
    assert [(sweep / str(i) / "summary.json").is_file() for i in range(4)] == [
        True,
        True,
        False,
        True,
    ]
    why = failure(sweep / "2")
    assert "is missing; get it" in why["error"]
    assert why["expected"]
    assert "traceback" not in why
    assert "data.root=r2" in why["words"]
    assert [job[-4] for job in read_sweep(sweep)["jobs"]] == [
        "data.root=r0",
        "data.root=r1",
        "data.root=r2",
        "data.root=r3",
    ]

    (tmp_path / "r2").symlink_to(pcam_root)
    trained.clear()
    status, told = typed(*words, "resume=auto")
    assert (status, trained) == (0, ["2"])
    assert told.count("ended before: valid AUROC") == 3
    assert not list(sweep.rglob("failure.json"))
    assert len(list(sweep.glob("*/summary.json"))) == 4

    status, told = typed(*words[:-1], "trainer.max_epochs=2", "resume=multirun/x")
    assert status == 2
    assert "was begun by other words: " in told
    config = read_config(sweep / "1")
    config["optimizer"]["lr"] = 0.25
    (sweep / "1" / "config.yaml").write_text(yaml.safe_dump(config))
    status, told = typed(*words, "hydra.sweep.dir=multirun/x")
    assert status == 2
    assert "holds another job: optimizer.lr=0.25, not 0.0005" in told
    assert trained == ["2"]
    assert "nowhere holds no sweep" in typed(*words, "resume=nowhere")[1]


def test_ctrl_c_stops_the_whole_sweep_which_then_goes_on(
    typed: Typed, trained: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [
        *QUICK[:-2],
        "trainer.max_epochs=2",
        "trainer.accelerator=cpu",
        "seed=0,1,2",
        "hydra.sweep.dir=s",
    ]
    step = PatchClassifier.training_step

    def stopped(
        self: PatchClassifier, batch: dict[str, torch.Tensor], batch_idx: int
    ) -> torch.Tensor:
        if self.hparams["seed"] == 1 and self.current_epoch == 1:
            raise KeyboardInterrupt
        return step(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(PatchClassifier, "training_step", stopped)
        status, told = typed(*words)
        with pytest.raises(SystemExit) as alone:
            run_command(patch, tmp_path, "train", *words[:-2], "seed=1", "hydra.run.dir=alone")
    assert alone.value.code == 130
    assert status == 130
    assert f"the same command with hydra.sweep.dir={tmp_path / 's'} does what is missing" in told
    assert trained == ["0", "1", "alone"]
    assert not (tmp_path / "s" / "2").exists()
    status, told = typed(*words)
    assert status == 0
    assert trained == ["0", "1", "alone", "1", "2"]
    assert f"resuming {tmp_path / 's' / '1'}" in told
    assert json.loads((tmp_path / "s" / "1" / "summary.json").read_text())["epochs"] == 2


def test_what_nobody_expected_keeps_its_traceback(
    typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(config: Config, folder: Path, **_: Any) -> dict[str, Any]:
        raise RuntimeError("out of memory")

    monkeypatch.setattr("pcam.training.fit.train", broken)
    status, told = typed(*QUICK, "seed=0,1", "hydra.sweep.dir=s")
    assert status == 1
    assert told.strip().splitlines()[-1].startswith("error: 2 of 2 jobs failed: 0, 1")
    why = failure(tmp_path / "s" / "1")
    assert why["error"] == "RuntimeError: out of memory"
    assert "in broken" in why["traceback"]
    assert record_failure(tmp_path, KeyError(17), []) == "KeyError: 17"


def test_a_sweep_is_no_single_run(
    typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit):
        run_command(
            monkeypatch, tmp_path, "train", "experiment=table2", "aug=none", "hydra.run.dir=r"
        )
    with pytest.raises(SystemExit):
        run_command(
            monkeypatch, tmp_path, "train", "trainer.prune.after=2", *QUICK, "hydra.run.dir=r"
        )
    (tmp_path / "r").mkdir()
    write_config(tmp_path / "r", {})
    write_json(tmp_path / "s" / "sweep.json", {"words": []})
    with pytest.raises(PcamError, match="is a sweep: type -m"):
        find_run_to_resume(str(tmp_path / "s"), tmp_path, None, {})
    (tmp_path / "s" / "sweep.json").unlink()
    assert "holds a single run" in typed(*QUICK, "seed=0,1", "resume=r")[1]
    assert "model=resnet5 is not known" in typed("model=vgg16,resnet5", "hydra.sweep.dir=s")[1]
    assert not (tmp_path / "s" / "sweep.json").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("seed=0,0", "seed=0,0: a value is named twice"),
        ("optimizer.lr=1e-3,0.001", "optimizer.lr=1e-3,0.001: a value is named twice"),
        (
            "seed=0,1 hydra.sweep.subdir=x",
            "hydra.sweep.subdir: a sweep's jobs are folders by number",
        ),
        ("seed=0,1 --config-dir=mine", "--config-dir does not go with -m"),
        ("seed=0,1 -cd mine", "type 'hydra.searchpath=[file:///DIR]'"),
        ("seed=0,1 --config-name train", "--config-name does not go with -m"),
        ("--experimental-rerun mine", "--experimental-rerun does not go with -m"),
    ],
)
def test_what_no_sweep_can_do_is_one_line_before_anything_is_written(
    words: str, said: str, typed: Typed, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    status, told = typed(*words.split())
    assert status == 2
    assert said in told
    assert len(told.strip().splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_yamls_of_one_s_own_go_with_a_sweep(
    typed: Typed, trained: list[str], tmp_path: Path
) -> None:
    (tmp_path / "mine" / "optimizer").mkdir(parents=True)
    (tmp_path / "mine" / "optimizer" / "slow.yaml").write_text("defaults: [adam]\nlr: 0.125\n")
    path = f"hydra.searchpath=[file://{tmp_path / 'mine'}]"
    assert typed(*QUICK, "optimizer=slow", path, "hydra.sweep.dir=s")[0] == 0
    assert read_config(tmp_path / "s" / "0")["optimizer"]["lr"] == 0.125
    assert read_sweep(tmp_path / "s")["jobs"] == [[*QUICK, "optimizer=slow"]]


def test_a_damaged_summary_counts_as_none_and_its_job_is_concluded_again(
    tmp_path: Path, typed: Typed, trained: list[str]
) -> None:
    words = [*QUICK, "seed=0,1", "hydra.sweep.dir=s"]
    assert typed(*words)[0] == 0
    whole = [json.loads((tmp_path / "s" / str(i) / "summary.json").read_text()) for i in range(2)]
    for number, text in enumerate(('{"valid": ', json.dumps({**whole[1], "valid": {}}))):
        (tmp_path / "s" / str(number) / "summary.json").write_text(text)
    trained.clear()
    status, told = typed(*words)
    assert (status, trained) == (0, ["0", "1"])
    assert told.count("resuming") == 2  # from their last epoch
    again = [json.loads((tmp_path / "s" / str(i) / "summary.json").read_text()) for i in range(2)]
    assert [one["test"]["auroc"] for one in again] == [one["test"]["auroc"] for one in whole]


def test_a_damaged_failure_still_ends_in_one_line(tmp_path: Path) -> None:
    write_json(tmp_path / "sweep.json", {"words": [], "jobs": [["a"], ["b"]]})
    write_file(tmp_path / "0" / "failure.json", "[]")
    (line, status) = failure_summary(tmp_path) or ("", 0)
    assert (line.partition(" (")[0], status) == ("1 of 2 jobs failed: 0", 1)
    (tmp_path / "1").mkdir()
    with pytest.raises(FailedBefore, match=r"failure\.json is broken: it holds no keys"):
        reopen_job(tmp_path / "0", search=True)


# Searches ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Replace training by its outcome: valid is best at a rate of 1e-3, test is the opposite. Return the rates tried."""
    rates: list[float] = []

    def pretend(config: Config, folder: Path, **_: Any) -> dict[str, Any]:
        rates.append(rate := config["optimizer"]["lr"])
        if len(rates) == 3:
            raise PcamError("the third fails")
        valid = 1 / (1 + abs(math.log10(rate) + 3))
        summary = summary_with(valid, 1 - valid)
        write_json(folder / "summary.json", summary)
        return summary

    monkeypatch.setattr("pcam.training.fit.train", pretend)
    return rates


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_search_chooses_by_valid_and_goes_on_from_where_it_was(
    sampler: str, tmp_path: Path, typed: Typed, judged: list[float]
) -> None:
    words = [
        "experiment=vgg16_search",
        f"hydra/sweeper={sampler}",
        "scale=smoke",
        "hydra.sweep.dir=s",
        "hydra.sweeper.n_trials=6",
    ]
    if sampler == "tpe":
        words.append("hydra.sweeper.sampler.n_startup_trials=3")
    status, told = typed(*words)
    assert status == 2  # one failed, the others went on
    assert told.strip().endswith("; the search went on without it")
    assert len(judged) == 6
    found = yaml.safe_load((tmp_path / "s" / "optimization_results.yaml").read_text())
    rate = found["best_params"]["optimizer.lr"]
    assert abs(math.log10(rate) + 3) == min(
        abs(math.log10(one) + 3) for i, one in enumerate(judged) if i != 2
    )
    assert found["best_value"] == pytest.approx(1 / (1 + abs(math.log10(rate) + 3)))
    assert all(1e-5 <= one <= 1e-2 for one in judged)
    assert read_sweep(tmp_path / "s")["trials"] == 6

    (tmp_path / "s" / "optimization_results.yaml").unlink()
    (tmp_path / "s" / "5" / "summary.json").unlink()
    tried = list(judged)
    status, told = typed(*words)
    assert status == 2
    assert judged == [*tried, tried[5]]  # the same proposals; what ended is taken as it was
    assert "the third fails (when it was first started; the search went on without it)" in told
    assert yaml.safe_load((tmp_path / "s" / "optimization_results.yaml").read_text()) == found


def finished(
    sweep: Path, name: str, figures: list[float], pruned: dict[str, Any] | None = None
) -> None:
    """Leave what a job leaves that ran to its end."""
    write_csv(sweep / name / "metrics.csv", ("epoch", "valid/auroc"), enumerate(figures))
    write_json(sweep / name / "summary.json", {"pruned": pruned})


def test_a_damaged_sibling_is_no_part_of_the_median(tmp_path: Path) -> None:
    for number, figure in enumerate((0.9, 0.8, 0.7, 0.1)):
        finished(tmp_path, str(number), [figure])
    (tmp_path / "0" / "summary.json").write_text('{"pruned": ')
    (tmp_path / "1" / "metrics.csv").write_text("epoch,valid/auroc\nx,0.8\n")
    verdict = pruning.judge(tmp_path / "3", tmp_path, epoch=0, least=1)
    assert verdict == {"epoch": 0, "auroc": 0.1, "median": 0.7, "jobs": 1}
    assert pruning.describe_verdict(verdict).endswith("the median of 1 job")


def test_the_median_rule_ends_what_is_worse_than_half_of_the_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_json(tmp_path / "sweep.json", {"words": []})
    study = [
        *QUICK[:-2],
        "trainer.max_epochs=4",
        "trainer.accelerator=cpu",
        "trainer.prune.after=2",
        "trainer.prune.jobs=3",
    ]
    finished(tmp_path, "0", [0.2, 0.0, 0.9, 0.9])
    finished(tmp_path, "1", [2.0, 0.0, 0.9, 0.9])  # its best so far counts, as the job's own does
    finished(tmp_path, "2", [2.0, 2.0], pruned={})  # was ended itself
    assert (
        train(tmp_path / "few", *study)["pruned"] is None
    )  # two ran to their end, three are asked for
    write_json(tmp_path / "few" / "summary.json", {"pruned": {}})
    finished(tmp_path, "3", [0.0, 0.1, 0.9, 0.9])
    assert (
        train(tmp_path / "good", *study, "trainer.max_epochs=3")["pruned"] is None
    )  # its last epoch: nothing to end
    write_json(tmp_path / "good" / "summary.json", {"pruned": {}})
    finished(tmp_path, "4", [2.0, 2.0, 2.0, 2.0])
    finished(tmp_path, "5", [2.0, 2.0, 2.0, 2.0])
    folder = tmp_path / "bad"
    summary = train(folder, *study)
    verdict = summary["pruned"]
    assert (verdict["epoch"], verdict["median"], verdict["jobs"]) == (1, 2.0, 5)
    assert verdict["auroc"] == pytest.approx(summary["valid"]["auroc"]["value"], abs=1e-5)
    assert summary["epochs"] == 2
    (folder / "summary.json").unlink()  # killed after the verdict, before the figures
    again = train(folder, *study, resume=True)
    assert (again["pruned"], again["epochs"]) == (verdict, 2)
    for word, said in (
        ("jobs=0", "jobs=0 is too small"),
        ("after=4", "after=4 ends no job: .* less than trainer.max_epochs=4"),
    ):
        with pytest.raises(ConfigError, match=rf"trainer\.prune\.{said}"):
            train(tmp_path / word, *study, f"trainer.prune.{word}")


# Elsewhere -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("launcher", ["processes", "local"])
def test_jobs_in_processes_of_their_own(launcher: str, tmp_path: Path) -> None:
    words = [
        *QUICK,
        "trainer.num_nodes=2,1",
        f"hydra/launcher={launcher}",
        "hydra.sweep.dir=s",
    ]  # the first cannot be
    answer = command("pcam.train", "-m", *words, cwd=tmp_path)
    assert answer.returncode == 2, answer.stderr
    assert "error: 1 of 2 jobs failed: 0 (" in answer.stderr.strip().splitlines()[-1]
    assert "no sweep can" in failure(tmp_path / "s" / "0")["error"]
    assert (
        0
        <= json.loads((tmp_path / "s" / "1" / "summary.json").read_text())["test"]["auroc"]["value"]
        <= 1
    )


def test_each_job_takes_one_gpu_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = composed()["trainer"]
    assert devices(settings, job=5) == 1
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert [devices(settings, job) for job in (None, 0, 5)] == [4, [0], [1]]
    assert devices({**settings, "accelerator": "cpu"}) == 1
    assert devices({**settings, "devices": 2}, job=1) == 2


def test_nodes_find_each_other_by_the_environment() -> None:
    two = {"num_nodes": 2}
    told = {"MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "29500", "NODE_RANK": "1"}
    group = process_group(two, 4, told)
    assert (group.size, group.node, group.address, group.port) == (8, 1, "10.0.0.1", 29500)
    slurm = {"SLURM_NODEID": "0", "SLURM_JOB_NODELIST": "gpu[07-08]", "SLURM_JOB_ID": "4711"}
    group = process_group(two, 1, slurm)
    assert (group.node, group.address, group.port) == (0, "gpu07", 15711)
    for wrong in ({}, {**told, "NODE_RANK": "2"}, {**told, "MASTER_PORT": ""}, {"NODE_RANK": "0"}):
        with pytest.raises(ConfigError, match=r"trainer\.num_nodes=2: "):
            process_group(two, 1, wrong)
    assert node_rank({"num_nodes": 1}, told) == 0
