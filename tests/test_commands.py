"""Every command, as a person types it."""

import csv
import json
import resource
import shutil
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from pcam.runs.files import read_metrics
from tests.conftest import SMALL, TINY, Terminal, command, write_kaggle
from tests.forked import forked
from tests.run import run_command
from tests.spoiled import KAGGLE_FAULTS, PCAM_FAULTS, spoil_kaggle, spoil_pcam

QUICK = [*TINY, *SMALL, "trainer.max_epochs=1", "trainer.accelerator=cpu"]
HEAVY = {
    *("torch", "torchvision", "timm", "lightning", "torchmetrics"),
    *("albumentations", "captum", "wandb"),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Train once with the command; return the run folder and what was printed."""
    folder = tmp_path_factory.mktemp("trained")
    printed = StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed):
        run_command(patch, folder, "train", *QUICK, "hydra.run.dir=run")
    return folder / "run", printed.getvalue()


@pytest.fixture
def run(trained: tuple[Path, str]) -> Path:
    return trained[0]


@pytest.fixture
def copied(run: Path, tmp_path: Path) -> Path:
    """Return a copy of the run, to be changed."""
    return shutil.copytree(run, tmp_path / "run")


# Before any work ----------------------------------------------------------------------------------


def imported_modules(stderr: str) -> set[str]:
    """Return the top-level modules of Python's report on import times."""
    lines = [line for line in stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


@pytest.mark.parametrize("words", [["--help"], ["--cfg", "job"]])
def test_trap_help_and_config_import_nothing_heavy(words: list[str], tmp_path: Path) -> None:
    answer = command("pcam.train", *words, cwd=tmp_path, PYTHONPROFILEIMPORTTIME="1")
    assert answer.returncode == 0, answer.stderr
    assert "max_epochs: 5" in answer.stdout
    imported = imported_modules(answer.stderr)
    assert "hydra" in imported
    assert not imported & {*HEAVY, "pydantic"}
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("word", "suggestion"),
    [
        ("trainer.max_epoch=3", "trainer.max_epochs"),
        ("model=resnet5", "resnet50"),
        ("modle=vgg16", "model"),
    ],
)
def test_trap_a_misspelt_key_imports_nothing_heavy(
    word: str, suggestion: str, tmp_path: Path
) -> None:
    answer = command("pcam.train", word, cwd=tmp_path, PYTHONPROFILEIMPORTTIME="1")
    assert answer.returncode == 2
    lines = answer.stderr.splitlines()
    (line,) = [line for line in lines if not line.startswith("import time:")]
    assert line.startswith("error: ")
    assert f"did you mean {suggestion}" in line
    imported = imported_modules(answer.stderr)
    assert "hydra" in imported
    assert not imported & HEAVY
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("words", [["--help"], ["--cfg", "job"], ["trainer.max_epoch=3"]])
def test_trap_what_needs_no_torch_answers_at_once(words: list[str], tmp_path: Path) -> None:
    def quickest(*words: str) -> float:
        """Return the least processor time of three, as machines are noisy."""
        times = []
        for _ in range(3):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([sys.executable, *words], capture_output=True, cwd=tmp_path)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            user = after.ru_utime - before.ru_utime
            times.append(user + after.ru_stime - before.ru_stime)
        return min(times)

    hydra = quickest("-c", "import hydra")
    assert quickest("-m", "pcam.train", *words) < 8 * hydra  # torch takes nine times as long


def test_importing_a_command_imports_nothing_heavy() -> None:
    heavy = (*HEAVY, "numpy", "pydantic")
    code = f"import sys, pcam.train, pcam.prepare; print(*[m for m in {heavy} if m in sys.modules])"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == ""


# Faulty command lines -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "faults"),
    [
        ("trainer.max_epochs=0", ["trainer.max_epochs=0 must be at least 1"]),
        ("trainer.max_epochs=abc", ["trainer.max_epochs=abc must be an integer"]),
        ("trainer.accumulate_grad_batches=0", ["trainer.accumulate_grad_batches=0 must be"]),
        ("trainer.limit_train_batches=0", ["trainer.limit_train_batches=0 must be"]),
        ("trainer.gradient_clip_val=-1", ["trainer.gradient_clip_val=-1 must be greater than 0"]),
        ("trainer.deterministic=maybe", ["trainer.deterministic=maybe must be"]),
        ("trainer.early_stopping=0", ["trainer.early_stopping=0 must be at least 1"]),
        ("trainer.ema=x", ["trainer.ema=x must be a number"]),
        ("seed=-1", ["seed=-1 must be at least 0"]),
        ("seed=1.5", ["seed=1.5 must be an integer"]),
        ("optimizer.lr=abc", ["optimizer.lr=abc must be a number"]),
        ("loss.label_smoothing=abc", ["loss.label_smoothing=abc must be a number"]),
        ("scheduler.warmup=abc", ["scheduler.warmup=abc must be a number"]),
        ("model.head.dropout=abc", ["model.head.dropout=abc must be a number"]),
        ("model.head.hidden=-3", ["model.head.hidden=-3 must be at least 1"]),
        ("model.input_size=abc", ["model.input_size=abc must be an integer"]),
        ("data.limit=abc", ["data.limit=abc must be an integer"]),
        ("data.limit=0", ["data.limit=0 must be at least 1"]),
        ("data.batch_size=0", ["data.batch_size=0 must be at least 1"]),
        ("data.root=x", ["unknown key data.root"]),
        ("splits=file", ["missing key splits.file"]),
        ("splits=random splits.share=2", ["splits.share=2 must be less than 1"]),
        ("+trainer.nonsense=1", ["unknown key trainer.nonsense"]),
        ("finetune=frozen_then_unfrozen finetune.unfreeze_epoch=9", ["finetune.unfreeze_epoch=9"]),
        ("trainer.prune.jobs=0", ["trainer.prune.jobs=0 must be at least 1"]),
        ("model.head.hiden=3", ["unknown key model.head.hiden; did you mean model.head.hidden"]),
        ("trainer.max_epochs=3 trainer.prune.after=2", ["trainer.prune.after=2 needs a sweep"]),
        ("crop=center crop.size=200", ["crop.size=200 must be at most 96"]),
        (
            "crop=center crop.size=200 optimizer.lr=-1 trainer.max_epochs=0 +nonsense=1 "
            "optimzer.lr=3",
            [
                "unknown key nonsense",
                "unknown key optimzer.lr; did you mean optimizer.lr",
                "optimizer.lr=-1 must be at least 0",
                "trainer.max_epochs=0 must be at least 1",
                "crop.size=200 must be at most 96",
            ],
        ),
        ("splits=file seed=-1 sed=3", ["missing key splits.file", "seed=-1", "unknown key sed"]),
        ("resume=nowhere", ["nowhere is not a run folder"]),
        ("hydra.run.dir=/proc/none", ["cannot create output directory /proc/none"]),
        ("experiment=table2", ["this is a sweep over recipe="]),
        ("optimizer.lr=[1", ["no viable alternative at input"]),
        ("hydra/launcher=foo", ["hydra/launcher=foo is not available"]),
        ("trainer.num_nodes=2", ["trainer.num_nodes=2: all nodes write into one folder"]),
        ("resume=auto aug=nonee", ["aug=nonee is not available; did you mean none?"]),
    ],
)
def test_all_faults_of_a_command_line_are_reported(
    words: str, faults: list[str], terminal: Terminal, tmp_path: Path
) -> None:
    found = terminal("train", *TINY, *words.split()).faults
    assert len(found) == len(faults), found
    for fault in faults:
        assert any(fault in line for line in found), found
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "words", "faults"),
    [
        ("evaluate", "split=tset seed=x", ["missing key run", "did you mean test?", "seed=x must"]),
        ("evaluate", "run=nowhere", ["nowhere is not a run folder"]),
        ("predict", "run=nowhere", ["nowhere is not a run folder"]),
        ("attribute", "run=nowhere", ["nowhere is not a run folder"]),
        ("bias", "run=nowhere", ["nowhere is not a run folder"]),
        ("bias", "", ["give either run=FOLDER or runs=[FOLDER, GLOB, ...], not both"]),
        ("compare", "runs=a resamples=3", ["resamples=3 must be at least 100"]),
        ("compare", "runs=a model=vgg16", ["unknown key model"]),
        ("slide", "run=nowhere slide=a.svs", ["nowhere is not a run folder"]),
        ("slide", "mpp=x tta=d3", ["missing key run", "missing key slide", "mpp=x", "tta=d3"]),
        ("export", "run=nowhere", ["nowhere is not a run folder"]),
        ("ensemble", "runs=a rule=vote", ["rule=vote must be one of"]),
        ("report", "runs=nowhere", ["no file or folder matches nowhere"]),
        ("prepare", "audit=maybe", ["audit=maybe must be true or false"]),
        ("prepare", "address=foo", ["address=foo must start with http:// or https://"]),
        ("predict", "run=nowhere submit=labels", ["submit=labels must be one of"]),
    ],
)
def test_each_command_reports_its_faults(
    name: str, words: str, faults: list[str], terminal: Terminal, tmp_path: Path
) -> None:
    found = terminal(name, *words.split()).faults
    assert len(found) == len(faults), found
    for fault in faults:
        assert any(fault in line for line in found), found
    assert not list(tmp_path.iterdir())


def test_full_errors_show_the_traceback(tmp_path: Path) -> None:
    answer = command("pcam.compare", "runs=a", "seed=-1", cwd=tmp_path, HYDRA_FULL_ERROR="1")
    assert answer.returncode == 1
    assert "Traceback" in answer.stderr
    assert "ConfigError: seed=-1" in answer.stderr


def test_a_reader_may_close_the_output(tmp_path: Path) -> None:
    line = f"{sys.executable} -m pcam.train --cfg job | head -n 1"
    answer = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line], capture_output=True, text=True, cwd=tmp_path
    )
    assert (answer.returncode, answer.stderr) == (0, "")


@pytest.mark.parametrize("fault", [*PCAM_FAULTS, *KAGGLE_FAULTS])
def test_damaged_data_is_one_line(fault: str, tmp_path: Path, terminal: Terminal) -> None:
    name = "kaggle" if fault in KAGGLE_FAULTS else "pcam"
    spoil = spoil_kaggle if name == "kaggle" else spoil_pcam
    message = spoil(tmp_path / "data", fault)
    words = [f"data={name}", f"data.root={tmp_path / 'data'}", "hydra.run.dir=run"]
    (found,) = terminal("train", *TINY, *words).faults
    assert message in found
    # The corrected command can use the same folder.
    assert not (tmp_path / "run").exists()


# Training -----------------------------------------------------------------------------------------


def test_train_shows_what_it_does_and_leaves_a_run_folder(trained: tuple[Path, str]) -> None:
    folder, out = trained
    for part in (
        *(
            "96 patches, ",
            " positive (tumour), ",
            "16 slides",
            "test_resnet",
            "372,882 parameters trained",
        ),
        *("random (", "cpu", "32-true", "seed  0", "epoch 1/1", "AUROC  ", "average precision"),
        *("sensitivity", "bootstrap over slides", "checkpoint of epoch 1\n"),
        *("next:", f"resume={folder}"),
    ):
        assert part in out, part
    assert "++" not in out
    assert (folder / "summary.json").is_file()
    assert (folder / "predictions" / "test.csv").is_file()


def test_a_run_is_not_overwritten(copied: Path, terminal: Terminal) -> None:
    (fault,) = terminal("train", *QUICK, "hydra.run.dir=run").faults
    assert "holds a run already" in fault
    (fault,) = terminal("evaluate", "run=run", "hydra.run.dir=run").faults
    assert "run" in fault
    assert "another hydra.run.dir" in fault
    assert (copied / "summary.json").is_file()


def test_a_run_is_resumed_for_more_epochs(copied: Path, terminal: Terminal, tmp_path: Path) -> None:
    answer = terminal("train", "resume=run", "trainer.max_epochs=2")
    assert answer.status == 0, answer.err
    assert json.loads((copied / "summary.json").read_text())["epochs"] == 2
    assert "trainer.max_epochs=4" in answer.out
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_resumed_run_keeps_its_settings(copied: Path, terminal: Terminal) -> None:
    (fault,) = terminal("train", "resume=run", "optimizer.lr=3").faults
    assert "was started with optimizer.lr=0.0005, not 3" in fault


def test_resume_auto_finds_the_unfinished_run(
    copied: Path, terminal: Terminal, tmp_path: Path
) -> None:
    (copied / "summary.json").unlink()
    (tmp_path / "outputs").mkdir()
    copied.rename(tmp_path / "outputs" / "run")
    answer = terminal("train", *QUICK, "resume=auto", "trainer.max_epochs=2")
    assert "resuming outputs/run" in answer.out


def test_resume_auto_starts_a_run_if_there_is_none(terminal: Terminal, tmp_path: Path) -> None:
    answer = terminal("train", *QUICK, "resume=auto", "hydra.run.dir=run")
    assert answer.status == 0, answer.err
    assert (tmp_path / "run" / "summary.json").is_file()


def test_random_weights_by_default_are_announced(tmp_path: Path, terminal: Terminal) -> None:
    answer = terminal("train", *QUICK, "model.weights=auto", "hydra.run.dir=run")
    assert "!! RANDOM WEIGHTS (model.weights=auto)" in answer.err
    weights = json.loads((tmp_path / "run" / "summary.json").read_text())["weights"]
    assert (weights["asked"], weights["origin"]) == ("auto", "random")


def test_requested_weights_that_are_not_available_are_an_error(
    terminal: Terminal, tmp_path: Path
) -> None:
    (fault,) = terminal("train", *QUICK, "model.weights=imagenet", "hydra.run.dir=run").faults
    assert "model.weights=FILE" in fault
    assert not (tmp_path / "run").exists()


def test_an_interrupted_training_says_how_to_resume(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pcam.training.fit.train", interrupted)
    answer = terminal("train", *QUICK, "hydra.run.dir=run")
    assert answer.status == 130
    assert answer.err == "\nInterrupted.\n"


def test_a_training_that_is_interrupted_after_an_epoch_says_how_to_resume(
    copied: Path, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("pcam.models.classifier.PatchClassifier.training_step", interrupted)
        answer = terminal("train", "resume=run", "trainer.max_epochs=2")
    assert answer.status == 130
    assert f"Interrupted. Resume with: python -m pcam.train resume={copied}" in answer.err
    assert "Traceback" not in answer.err
    answer = terminal("train", f"resume={copied}")
    assert answer.status == 0, answer.err
    assert json.loads((copied / "summary.json").read_text())["epochs"] == 2


@pytest.mark.slow
def test_trap_distributed_metrics_are_those_of_one_process(
    tmp_path: Path, terminal: Terminal
) -> None:
    still = ["optimizer.lr=0", "optimizer.head_lr=0", "finetune.batchnorm=kept", "seed=3"]
    sizes = ["data.train=64", "data.valid=251", "data.test=251", "data.batch_size=64"]
    words = [*TINY, *sizes, *still, "trainer.max_epochs=1", "trainer.progress=false"]
    assert terminal("train", *words, "trainer=cpu", "hydra.run.dir=cpu").status == 0
    answer = forked("pcam.train", *words, "trainer=ddp", "hydra.run.dir=ddp", cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.count("test: 251 patches") == 1
    found = {
        name: json.loads((tmp_path / name / "summary.json").read_text()) for name in ("cpu", "ddp")
    }
    assert (found["cpu"]["processes"], found["ddp"]["processes"]) == (1, 2)
    for split in ("valid", "test"):
        for name, metric in found["cpu"][split].items():
            value = found["ddp"][split][name]["value"]
            assert value == pytest.approx(metric["value"], abs=1e-6), name
        rows = (tmp_path / "ddp" / "predictions" / f"{split}.csv").read_text().splitlines()
        assert len(rows) == 252
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cpu", "ddp"]


@pytest.mark.slow
def test_trap_distributed_training_learns_through_the_unfreeze_also_on_two_nodes(
    tmp_path: Path,
) -> None:
    import torch

    maps = ["attribution.every=1", "attribution.patches=2", "attribution.methods=[saliency]"]
    study = [*TINY, *SMALL, "finetune=frozen_then_unfrozen", "trainer.max_epochs=2", *maps]
    study.append("trainer=ddp")
    answer = forked("pcam.train", *study, "hydra.run.dir=one", cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    pictures = list((tmp_path / "one" / "figures" / "attribution").iterdir())
    assert len(pictures) == 3  # before the training and after each epoch
    last = torch.load(tmp_path / "one" / "checkpoints" / "last.ckpt", weights_only=True)
    assert last["epoch"] == 1

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    words = [*study, "trainer.devices=1", "trainer.num_nodes=2", "hydra.run.dir=two"]

    def node(rank: int) -> subprocess.CompletedProcess[str]:
        env = {"NODE_RANK": str(rank), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        return forked("pcam.train", *words, cwd=tmp_path, **env)

    with ThreadPoolExecutor() as both:
        second, first = both.map(node, (1, 0))
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert second.stdout == ""  # the first node writes and prints
    rows = [read_metrics(tmp_path / name / "metrics.csv") for name in ("one", "two")]
    for row, other in zip(*rows, strict=True):
        for key in row.keys() - {"seconds"}:
            assert float(row[key]) == pytest.approx(float(other[key]), abs=1e-4, nan_ok=True), key
    found = [json.loads((tmp_path / name / "summary.json").read_text()) for name in ("one", "two")]
    assert [(summary["processes"], summary["epochs"]) for summary in found] == [(2, 2), (2, 2)]
    aurocs = [summary["test"]["auroc"]["value"] for summary in found]
    assert aurocs[0] == pytest.approx(aurocs[1], abs=1e-4)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]


@pytest.mark.slow
def test_faulty_data_of_several_processes_is_one_line(tmp_path: Path) -> None:
    words = [*TINY, "data=pcam", "data.root=nowhere", "trainer=ddp"]
    answer = forked("pcam.train", *words, cwd=tmp_path)
    assert answer.returncode == 2
    (line,) = answer.stderr.strip().splitlines()
    assert line.startswith("error: ")


# Commands on a run --------------------------------------------------------------------------------


def test_evaluate(run: Path, terminal: Terminal, tmp_path: Path) -> None:
    answer = terminal("evaluate", f"run={run}", "resamples=100", "hydra.run.dir=out")
    assert answer.status == 0, answer.err
    assert "test: 40 patches" in answer.out
    assert answer.out.endswith(f"\n{tmp_path / 'out'}\n")
    assert (tmp_path / "out" / "summary.json").is_file()


def test_predict(run: Path, terminal: Terminal, tmp_path: Path) -> None:
    answer = terminal("predict", f"run={run}", "split=valid", "hydra.run.dir=out")
    assert answer.status == 0, answer.err
    file = tmp_path / "out" / "predictions" / "valid.csv"
    assert answer.out.endswith(f"\n{file}\n")
    assert file.is_file()


def test_compare_and_ensemble(run: Path, copied: Path, terminal: Terminal, tmp_path: Path) -> None:
    runs = f"runs=[{run},{copied}]"
    answer = terminal("compare", runs, "resamples=100", "hydra.run.dir=out")
    assert answer.status == 0, answer.err
    assert "p (Holm)" in answer.out
    assert (tmp_path / "out" / "summary.json").is_file()
    answer = terminal("ensemble", runs, "resamples=100", "hydra.run.dir=both")
    assert answer.status == 0, answer.err
    assert str(tmp_path / "both" / "predictions" / "test.csv") in answer.out


def test_attribute(run: Path, terminal: Terminal, tmp_path: Path) -> None:
    words = ["methods=[saliency]", "patches.n=1", "faithfulness.patches=0", "hydra.run.dir=out"]
    answer = terminal("attribute", f"run={run}", *words)
    assert answer.status == 0, answer.err
    assert answer.out.endswith(f"\n{tmp_path / 'out'}\n")
    assert list((tmp_path / "out" / "figures").iterdir())


@pytest.mark.parametrize("several", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_bias(several: bool, run: Path, terminal: Terminal, tmp_path: Path) -> None:
    chosen = f"runs=[{run}]" if several else f"run={run}"
    words = ["resamples=100", "patches=16", "map.patches=0", "hydra.run.dir=out"]
    answer = terminal("bias", chosen, *words)
    assert answer.status == 0, answer.err
    assert answer.out.endswith(f"\n{tmp_path / 'out'}\n")
    assert (tmp_path / "out" / "summary.json").is_file()
    assert (tmp_path / "out" / "bias.md").is_file() == several


def test_report(run: Path, terminal: Terminal, tmp_path: Path) -> None:
    answer = terminal("report", f"runs={run}", "resamples=100", "hydra.run.dir=out")
    assert answer.status == 0, answer.err
    assert answer.out.endswith(f"{tmp_path / 'out' / 'report.html'}\n")
    assert (tmp_path / "out" / "report.md").is_file()


# Preparing data -----------------------------------------------------------------------------------

PREPARED = ["data=synthetic", "data.train=60", "data.valid=30", "data.test=20", "data.slides=5"]


def test_prepare_describes_the_data(terminal: Terminal, tmp_path: Path) -> None:
    answer = terminal("prepare", *PREPARED, "hydra.run.dir=out")
    assert "train  synthetic: 60 patches" in answer.out
    assert "python -m pcam.train data=synthetic data.train=60" in answer.out
    assert list(tmp_path.iterdir()) == []  # nothing is written, so no folder is left


def test_prepare_writes_splits_and_an_audit(terminal: Terminal, tmp_path: Path) -> None:
    answer = terminal("prepare", *PREPARED, "splits=slide", "audit=true", "hydra.run.dir=out")
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert files == {"audit.html", "audit.json", "splits.csv"}
    assert "pass  Equal patches across splits" in answer.out
    audit = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert sum(split["patches"] for split in audit["splits"].values()) == 110
    with (tmp_path / "out" / "splits.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 110
    tested = {row["id"].partition("-")[0] for row in rows if row["split"] == "test"}
    assert tested == {"test"}
    answer = terminal("prepare", *PREPARED, "splits=file", "splits.file=out/splits.csv")
    assert "splits  file; " in answer.out


def test_prepare_converts_kaggles_files(terminal: Terminal, tmp_path: Path) -> None:
    write_kaggle(tmp_path / "kaggle", 20, 4)
    answer = terminal("prepare", "data=kaggle", f"data.root={tmp_path / 'kaggle'}")
    assert (tmp_path / "kaggle" / "train.h5").is_file()
    assert "train  kaggle: 16 patches" in answer.out
    assert "predict  kaggle: 4 patches, slides unknown" in answer.out


def test_prepare_says_how_to_get_kaggles_files(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    (fault,) = terminal("prepare", "data=kaggle", "data.root=nowhere").faults
    assert "train_labels.csv" in fault
    assert "Kaggle" in fault
