"""The state of a sweep: failures are kept, missing jobs are run, nothing is done twice."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from pcam.config.schema import TrainConfig
from pcam.errors import PcamError
from pcam.models.classifier import PatchClassifier
from pcam.runs.files import write_file, write_json
from pcam.runs.folder import read_config, write_config
from pcam.runs.resume import find_run_to_resume
from pcam.sweeps.failures import FailedBefore, failure_summary, record_failure, reopen_job
from pcam.sweeps.state import (
    is_same_sweep,
    newest_sweep,
    read_sweep,
    resume_command,
)
from tests.conftest import SMALL, TINY, Terminal, command
from tests.run import composed, summary_with

QUICK = [*TINY, *SMALL, "trainer.max_epochs=1", "trainer.accelerator=cpu"]


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list to which each run folder's name is added when it is trained."""
    import pcam.training.fit

    names: list[str] = []
    train = pcam.training.fit.train

    def recorded(config: TrainConfig, folder: Path, **rest: Any) -> dict[str, object]:
        names.append(folder.name)
        return train(config, folder, **rest)

    monkeypatch.setattr(pcam.training.fit, "train", recorded)
    return names


@pytest.fixture
def instant(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace training by a summary; return the names of the trained folders."""
    names: list[str] = []

    def train(config: TrainConfig, folder: Path, **_: Any) -> dict[str, Any]:
        if config.trainer.limit_train_batches == 3:
            raise PcamError("data is missing")
        names.append(folder.name)
        summary = summary_with(0.5, 0.5)
        write_json(folder / "summary.json", summary)
        return summary

    monkeypatch.setattr("pcam.training.fit.train", train)
    return names


def read_failure(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "failure.json").read_text())
    return content


def summaries(sweep: Path) -> list[bool]:
    return [(sweep / str(number) / "summary.json").is_file() for number in range(4)]


@pytest.mark.slow
def test_trap_one_of_four_jobs_fails_and_a_second_start_runs_that_one(
    tmp_path: Path, pcam_root: Path, terminal: Terminal, trained: list[str]
) -> None:
    for number in (0, 1, 3):
        (tmp_path / f"r{number}").symlink_to(pcam_root)
    words = [
        *(*TINY, "data=pcam", "data.root=r0,r1,r2,r3", "data.limit=32", "data.batch_size=16"),
        "trainer.max_epochs=1",
    ]
    answer = terminal("train", "-m", *words, "hydra.sweep.dir=multirun/x")
    sweep = tmp_path / "multirun" / "x"
    assert answer.status == 2
    last = answer.err.strip().splitlines()[-1]
    assert last.startswith(f"error: 1 of 4 jobs failed: 2 (see failure.json of each in {sweep}); ")
    assert last.endswith(f"hydra.sweep.dir={sweep}")
    assert "Traceback" not in answer.err
    assert summaries(sweep) == [True, True, False, True]
    failure = read_failure(sweep / "2")
    assert "is missing; get it" in failure["error"]
    assert failure["expected"]
    assert "traceback" not in failure
    assert "data.root=r2" in failure["words"]
    roots = [
        [word for word in job if word.startswith("data.root")] for job in read_sweep(sweep)["jobs"]
    ]
    assert roots == [["data.root=r0"], ["data.root=r1"], ["data.root=r2"], ["data.root=r3"]]

    (tmp_path / "r2").symlink_to(pcam_root)
    trained.clear()
    answer = terminal("train", "-m", *words, "resume=auto")
    assert (answer.status, trained) == (0, ["2"])
    assert answer.out.count("is finished: valid AUROC") == 3
    assert not list(sweep.rglob("failure.json"))
    assert len(list(sweep.glob("*/summary.json"))) == 4


@pytest.mark.slow
def test_a_sweep_is_resumed_with_the_same_overrides_only(
    tmp_path: Path, terminal: Terminal, instant: list[str]
) -> None:
    words = [*QUICK, "seed=0,1"]
    assert terminal("train", "-m", *words, "hydra.sweep.dir=s").status == 0
    assert instant == ["0", "1"]
    (fault,) = terminal("train", "-m", *words, "optimizer.lr=0.1", "resume=s").faults
    assert "holds a sweep with other overrides: " in fault
    config = read_config(tmp_path / "s" / "1")
    changed = config.model_copy(
        update={"optimizer": config.optimizer.model_copy(update={"lr": 0.25})}
    )
    write_config(tmp_path / "s" / "1", changed)
    answer = terminal("train", "-m", *words, "hydra.sweep.dir=s")
    assert answer.status == 2
    assert "optimizer.lr=0.25, not 0.0005" in answer.err
    assert instant == ["0", "1"]
    (fault,) = terminal("train", "-m", *words, "resume=nowhere").faults
    assert "nowhere is not a sweep folder" in fault


@pytest.mark.slow
def test_ctrl_c_stops_the_sweep_which_is_then_resumed(
    terminal: Terminal, trained: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [*QUICK, "trainer.max_epochs=2", "seed=0,1,2", "hydra.sweep.dir=s"]
    step = PatchClassifier.training_step

    def interrupted(
        self: PatchClassifier, batch: dict[str, torch.Tensor], batch_idx: int
    ) -> torch.Tensor:
        if self.hparams["seed"] == 1 and self.current_epoch == 1:
            raise KeyboardInterrupt
        return step(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(PatchClassifier, "training_step", interrupted)
        answer = terminal("train", "-m", *words)
    assert answer.status == 130
    assert "Interrupted. Resume with: python -m pcam.train -m " in answer.err
    assert answer.err.endswith(f" seed=0,1,2 hydra.sweep.dir={tmp_path / 's'}\n")
    assert trained == ["0", "1"]
    assert not (tmp_path / "s" / "2").exists()
    answer = terminal("train", "-m", *words)
    assert answer.status == 0
    assert trained == ["0", "1", "1", "2"]
    assert f"resuming {tmp_path / 's' / '1'}" in answer.out
    assert json.loads((tmp_path / "s" / "1" / "summary.json").read_text())["epochs"] == 2


def test_an_unexpected_failure_keeps_its_traceback(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(config: TrainConfig, folder: Path, **_: Any) -> dict[str, Any]:
        raise RuntimeError("out of memory")

    monkeypatch.setattr("pcam.training.fit.train", broken)
    answer = terminal("train", "-m", *QUICK, "seed=0,1", "hydra.sweep.dir=s")
    assert answer.status == 1
    assert answer.err.strip().splitlines()[-1].startswith("error: 2 of 2 jobs failed: 0, 1")
    failure = read_failure(tmp_path / "s" / "1")
    assert failure["error"] == "RuntimeError: out of memory"
    assert "in broken" in failure["traceback"]
    assert record_failure(tmp_path, KeyError(17), []) == "KeyError: 17"


def test_a_job_that_fails_is_named_and_the_others_continue(
    terminal: Terminal, tmp_path: Path, instant: list[str]
) -> None:
    words = [*QUICK, "trainer.limit_train_batches=2,3,4", "hydra.sweep.dir=s"]
    answer = terminal("train", "-m", *words)
    assert (answer.status, instant) == (2, ["0", "2"])
    assert "job 1 failed: data is missing\n" in answer.err
    assert read_failure(tmp_path / "s" / "1")["words"][-1] == "trainer.limit_train_batches=3"


def test_a_sweep_with_a_faulty_job_does_not_start(
    terminal: Terminal, tmp_path: Path, instant: list[str]
) -> None:
    answer = terminal("train", "-m", *QUICK, "optimizer.lr=-1,0.1", "hydra.sweep.dir=s")
    assert (answer.status, instant) == (2, [])
    assert answer.faults == ["optimizer.lr=-1 must be at least 0"]
    assert not (tmp_path / "s").exists()


def test_a_sweep_and_a_run_are_not_mistaken_for_each_other(
    tmp_path: Path, terminal: Terminal
) -> None:
    config = composed()
    write_config(tmp_path / "r", config)
    (fault,) = terminal("train", "-m", *QUICK, "seed=0,1", "resume=r").faults
    assert "is a single run" in fault
    write_json(tmp_path / "s" / "sweep.json", {"words": []})
    with pytest.raises(PcamError, match="is a sweep"):
        find_run_to_resume(str(tmp_path / "s"), tmp_path, None, config)


def test_a_users_yaml_files_can_be_swept(
    terminal: Terminal, instant: list[str], tmp_path: Path
) -> None:
    (tmp_path / "mine" / "optimizer").mkdir(parents=True)
    (tmp_path / "mine" / "optimizer" / "slow.yaml").write_text("defaults: [adam]\nlr: 0.125\n")
    path = f"hydra.searchpath=[file://{tmp_path / 'mine'}]"
    answer = terminal("train", "-m", *QUICK, "optimizer=slow", path, "hydra.sweep.dir=s")
    assert answer.status == 0, answer.err
    assert read_config(tmp_path / "s" / "0").optimizer.lr == 0.125
    (job,) = read_sweep(tmp_path / "s")["jobs"]
    assert job[-1] == "optimizer=slow"


@pytest.mark.slow
def test_a_job_with_a_damaged_summary_is_finished_again(
    tmp_path: Path, terminal: Terminal, trained: list[str]
) -> None:
    words = [*QUICK, "seed=0,1", "hydra.sweep.dir=s"]
    assert terminal("train", "-m", *words).status == 0
    paths = [tmp_path / "s" / str(number) / "summary.json" for number in range(2)]
    before = [json.loads(path.read_text()) for path in paths]
    paths[0].write_text('{"valid": ')
    paths[1].write_text(json.dumps({**before[1], "valid": {}}))
    trained.clear()
    answer = terminal("train", "-m", *words)
    assert (answer.status, trained) == (0, ["0", "1"])
    assert answer.out.count("resuming") == 2  # from their last epoch
    after = [json.loads(path.read_text()) for path in paths]
    assert [one["test"]["auroc"] for one in after] == [one["test"]["auroc"] for one in before]


def test_a_damaged_failure_file_is_still_one_line(tmp_path: Path) -> None:
    write_json(tmp_path / "sweep.json", {"words": [], "jobs": [["a"], ["b"]]})
    write_file(tmp_path / "0" / "failure.json", "[]")
    line, status = failure_summary(tmp_path) or ("", 0)
    assert (line.partition(" (")[0], status) == ("1 of 2 jobs failed: 0", 1)
    (tmp_path / "1").mkdir()
    with pytest.raises(FailedBefore, match=r"failure\.json is damaged"):
        reopen_job(tmp_path / "0", search=True)


def test_a_sweep_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    words = ["++model.kwargs.a=1", "seed=0,1", "hydra/sweeper=random", "trainer.max_epochs=2"]
    old = {"door": "train", "words": words, "begun": "2026-01-01", "jobs": None, "trials": 3}
    write_json(tmp_path / "sweep.json", old)
    record = read_sweep(tmp_path)
    assert (record["command"], record["started"]) == ("train", "2026-01-01")
    assert resume_command(tmp_path, record).startswith("python -m pcam.train -m ")
    assert newest_sweep(tmp_path, words) == tmp_path
    typed = ["model.kwargs.a=1", "seed=0,1", "trainer.max_epochs=2", "hydra/sweeper=random"]
    assert is_same_sweep(words, typed)
    assert not is_same_sweep(words, typed[1:])


# Searches -----------------------------------------------------------------------------------------


@pytest.fixture
def rates(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Replace training: valid is best at a rate of 1e-3, test is the opposite; the third job fails.

    Return the rates that are tried.
    """
    tried: list[float] = []

    def train(config: TrainConfig, folder: Path, **_: Any) -> dict[str, Any]:
        rate = config.optimizer.lr
        tried.append(rate)
        if len(tried) == 3:
            raise PcamError("the third fails")
        valid = 1 / (1 + abs(math.log10(rate) + 3))
        summary = summary_with(valid, 1 - valid)
        write_json(folder / "summary.json", summary)
        return summary

    monkeypatch.setattr("pcam.training.fit.train", train)
    return tried


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_search_chooses_by_valid_and_is_resumed(
    sampler: str, tmp_path: Path, terminal: Terminal, rates: list[float]
) -> None:
    words = [
        *("experiment=vgg16_search", f"hydra/sweeper={sampler}", "scale=smoke"),
        *("hydra.sweep.dir=s", "hydra.sweeper.n_trials=6"),
    ]
    if sampler == "tpe":
        words.append("hydra.sweeper.sampler.n_startup_trials=3")
    answer = terminal("train", "-m", *words)
    assert answer.status == 2  # one failed, the others continued
    assert answer.err.strip().endswith("; the search continued without them")
    assert len(rates) == 6
    results = tmp_path / "s" / "optimization_results.yaml"
    found = yaml.safe_load(results.read_text())
    best = found["best_params"]["optimizer.lr"]
    distances = [abs(math.log10(rate) + 3) for rate in rates]
    assert abs(math.log10(best) + 3) == min(distances[:2] + distances[3:])
    assert found["best_value"] == pytest.approx(1 / (1 + abs(math.log10(best) + 3)))
    assert all(1e-5 <= rate <= 1e-2 for rate in rates)
    assert read_sweep(tmp_path / "s")["trials"] == 6

    results.unlink()
    (tmp_path / "s" / "5" / "summary.json").unlink()
    tried = list(rates)
    answer = terminal("train", "-m", *words)
    assert answer.status == 2
    assert rates == [*tried, tried[5]]  # the same proposals; finished trials are not repeated
    message = "the third fails (at its first start; the search continued without it)"
    assert message in answer.err
    assert yaml.safe_load(results.read_text()) == found


def test_the_best_of_equal_trials_is_that_of_the_lowest_loss(
    tmp_path: Path, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates: list[float] = []

    def train(config: TrainConfig, folder: Path, **_: Any) -> dict[str, Any]:
        rates.append(config.optimizer.lr)
        summary = summary_with(1.0, 0.5)
        summary["valid"]["nll"] = {"value": (0.3, 0.1, 0.2)[len(rates) - 1]}
        write_json(folder / "summary.json", summary)
        return summary

    monkeypatch.setattr("pcam.training.fit.train", train)
    words = ["hydra/sweeper=random", "hydra.sweeper.n_trials=3", "hydra.sweep.dir=s"]
    answer = terminal("train", "-m", *words, "optimizer.lr=interval(1e-5,1e-2)", "optimizer=sgd")
    assert answer.status == 0, answer.err
    found = yaml.safe_load((tmp_path / "s" / "optimization_results.yaml").read_text())
    assert found == {
        "name": "optuna",
        "best_params": {"optimizer.lr": rates[1]},
        "best_value": 1.0,
    }
    assert "the best by NLL on valid is trial 1" in answer.out


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_trial_without_an_auroc_fails_and_the_others_go_on(
    sampler: str, tmp_path: Path, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[float] = []

    def train(config: TrainConfig, folder: Path, **_: Any) -> dict[str, Any]:
        tried.append(config.optimizer.lr)
        auroc = math.nan if len(tried) == 1 else 0.5 + len(tried) / 10
        write_json(folder / "summary.json", summary_with(auroc, 0.5))
        return summary_with(auroc, 0.5)

    monkeypatch.setattr("pcam.training.fit.train", train)
    words = [f"hydra/sweeper={sampler}", "hydra.sweeper.n_trials=3", "hydra.sweep.dir=s"]
    answer = terminal("train", "-m", *words, "optimizer.lr=interval(1e-5,1e-2)")
    assert answer.status == 2
    assert answer.err.strip().splitlines()[-1].startswith("error: 1 of 3 jobs failed: 0 (")
    assert "has no valid AUROC, which the search" in read_failure(tmp_path / "s" / "0")["error"]
    found = yaml.safe_load((tmp_path / "s" / "optimization_results.yaml").read_text())
    assert found["best_value"] == 0.8
    assert found["best_params"] == {"optimizer.lr": tried[2]}
    assert len(tried) == 3


@pytest.mark.slow
def test_a_key_that_a_search_varies_can_be_fixed(
    tmp_path: Path, terminal: Terminal, rates: list[float]
) -> None:
    words = ["experiment=vgg16_search", "scale=smoke", "hydra.sweeper.n_trials=2"]
    terminal("train", "-m", *words, "optimizer.lr=0.002", "hydra.sweep.dir=s")
    assert rates == [0.002, 0.002]
    assert "optimizer.lr" not in read_sweep(tmp_path / "s")["varied"]


# Launchers ----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["processes", "local"])
def test_jobs_run_in_processes_of_their_own(launcher: str, tmp_path: Path) -> None:
    words = [*QUICK, "trainer.num_nodes=2,1", f"hydra/launcher={launcher}", "hydra.sweep.dir=s"]
    answer = command("pcam.train", "-m", *words, cwd=tmp_path)
    assert answer.returncode == 2, answer.stderr
    assert "error: 1 of 2 jobs failed: 0 (" in answer.stderr.strip().splitlines()[-1]
    assert "a sweep cannot use several nodes" in read_failure(tmp_path / "s" / "0")["error"]
    summary = json.loads((tmp_path / "s" / "1" / "summary.json").read_text())
    assert 0 <= summary["test"]["auroc"]["value"] <= 1
    logs = list((tmp_path / "s").rglob("*_log.out"))  # submitit's; joblib's jobs share a terminal
    output = "".join(path.read_text() for path in logs) if launcher == "local" else answer.stdout
    epochs = [line for line in output.splitlines() if "epoch 1/" in line]
    assert [line.partition(": ")[0] for line in epochs] == ["job 1"]
    assert any(line.startswith("job 1: test: ") for line in output.splitlines())
