"""Every door and every YAML, typed as a person types them."""

import csv
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from pcam import CONF
from pcam.runs.files import read_metrics
from tests.conftest import SMALL, STEM, TINY, command, write_kaggle, write_pcam
from tests.run import run_command

QUICK = [*TINY, *SMALL, "trainer.max_epochs=1"]


def one_line(answer: subprocess.CompletedProcess[str]) -> str:
    """Return the line of an expected failure; there is nothing else, and no traceback."""
    assert answer.returncode == 2, answer.stdout + answer.stderr
    lines = answer.stderr.strip().splitlines()
    assert len(lines) == 1, answer.stderr
    assert lines[0].startswith("error: ")
    return lines[0]


@pytest.mark.parametrize(
    "words",
    [["--help"], ["--cfg", "job"], ["trainer.max_epoch=3"], ["model=resnet5"], ["modle=vgg16"]],
)
def test_trap_what_needs_no_torch_answers_at_once(words: list[str], tmp_path: Path) -> None:
    def least(
        ask: Callable[[], subprocess.CompletedProcess[str]],
    ) -> tuple[float, subprocess.CompletedProcess[str]]:
        """Return the least time of three, as machines are noisy, and the answer."""
        took = []
        for _ in range(3):
            start = time.perf_counter()
            answer = ask()
            took.append(time.perf_counter() - start)
        return min(took), answer

    bare, _ = least(
        lambda: subprocess.run(
            [sys.executable, "-c", "import hydra"], capture_output=True, text=True, check=True
        )
    )
    best, answer = least(lambda: command("pcam.train", *words, cwd=tmp_path))
    assert best < 8 * bare  # of torch, nine times as long to import, nothing was seen
    seen = command("pcam.train", *words, cwd=tmp_path, PYTHONPROFILEIMPORTTIME="1").stderr
    imported = {
        line.rpartition("|")[2].strip().partition(".")[0]
        for line in seen.splitlines()
        if "|" in line
    }
    assert "hydra" in imported
    assert not imported & {
        "torch",
        "torchvision",
        "timm",
        "lightning",
        "torchmetrics",
        "albumentations",
        "captum",
        "wandb",
    }
    if words[0].startswith("--"):
        assert answer.returncode == 0
        assert "max_epochs: 5" in answer.stdout
    else:
        near = {
            "trainer.max_epoch=3": "trainer.max_epochs",
            "model=resnet5": "resnet50",
            "modle=vgg16": "model",
        }
        assert f"did you mean {near[words[0]]}" in one_line(answer)
    assert not list(tmp_path.iterdir())


def test_the_main_job_s_whole_path_and_its_screens(tmp_path: Path) -> None:
    answer = command("pcam.train", *QUICK, "hydra.run.dir=run", cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    for told in (
        "96 patches, ", " positive, ", "16 slides", "test_resnet", "372,882 parameters trained", "random (asked for)", "cpu",
        "32-true", "seed  0", "epoch 1/1", "AUROC  ", "average precision", "sensitivity", "bootstrap over slides", "next:",
        f"resume={tmp_path / 'run'}",
    ):  # fmt: skip
        assert told in answer.stdout, told
    assert (tmp_path / "run" / "summary.json").is_file()
    again = command("pcam.train", *QUICK, "hydra.run.dir=run", cwd=tmp_path)
    assert "holds a run already" in one_line(again)
    longer = command("pcam.train", "resume=run", "trainer.max_epochs=2", cwd=tmp_path)
    assert longer.returncode == 0, longer.stderr
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["epochs"] == 2
    assert "was begun with optimizer.lr" in one_line(
        command("pcam.train", "resume=run", "optimizer.lr=3", cwd=tmp_path)
    )
    assert [path.name for path in tmp_path.iterdir()] == ["run"] or not list(
        (tmp_path / "outputs").rglob("*.*")
    )


def test_random_weights_by_default_cannot_be_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    run_command(monkeypatch, tmp_path, "train", *QUICK, "model.weights=auto", "hydra.run.dir=run")
    assert "!! RANDOM WEIGHTS (model.weights=auto)" in capfd.readouterr().err
    weights = json.loads((tmp_path / "run" / "summary.json").read_text())["weights"]
    assert (weights["asked"], weights["origin"]) == ("auto", "random")
    with pytest.raises(SystemExit) as strict:
        run_command(
            monkeypatch, tmp_path, "train", *QUICK, "model.weights=imagenet", "hydra.run.dir=other"
        )
    assert strict.value.code == 2
    (line,) = capfd.readouterr().err.strip().splitlines()
    assert line.startswith("error: ")
    assert "model.weights=FILE" in line


def test_trap_distributed_metrics_are_those_of_one_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    still = [
        "optimizer.lr=0",
        "optimizer.head_lr=0",
        "finetune.batchnorm=kept",
        "seed=3",
        "trainer.max_epochs=1",
    ]
    sizes = [
        "data.train=64",
        "data.valid=1001",
        "data.test=1001",
        "data.batch_size=64",
        "trainer.progress=false",
    ]
    words = [*TINY, *sizes, *still]
    run_command(monkeypatch, tmp_path, "train", *words, "trainer=cpu", "hydra.run.dir=cpu")
    answer = command("pcam.train", *words, "trainer=ddp", "hydra.run.dir=ddp", cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.count("test: 1,001 patches") == 1
    found = {
        name: json.loads((tmp_path / name / "summary.json").read_text()) for name in ("cpu", "ddp")
    }
    assert (found["cpu"]["processes"], found["ddp"]["processes"]) == (1, 2)
    for split in ("valid", "test"):
        for name, figure in found["cpu"][split].items():
            assert found["ddp"][split][name]["value"] == pytest.approx(figure["value"], abs=1e-6), (
                name
            )
        assert (
            len((tmp_path / "ddp" / "predictions" / f"{split}.csv").read_text().splitlines())
            == 1002
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cpu", "ddp"]


def test_trap_distributed_training_learns_through_the_unfreeze_also_on_two_nodes(
    tmp_path: Path,
) -> None:
    import torch

    maps = ["attribution.every=1", "attribution.patches=2", "attribution.methods=[saliency]"]
    study = [
        *TINY,
        *SMALL,
        "finetune=frozen_then_unfrozen",
        "trainer.max_epochs=2",
        "trainer=ddp",
        *maps,
    ]
    answer = command("pcam.train", *study, "hydra.run.dir=one", cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert (
        len(list((tmp_path / "one" / "figures" / "attribution").iterdir())) == 3
    )  # before and after each epoch
    last = torch.load(tmp_path / "one" / "checkpoints" / "last.ckpt", weights_only=True)
    assert last["epoch"] == 1
    bad = command("pcam.train", *study, "hydra.run.dir=bad", "data.limit=0", cwd=tmp_path)
    assert "data.limit=0" in one_line(bad)

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    words = [*study, "trainer.devices=1", "trainer.num_nodes=2", "hydra.run.dir=two"]

    def node(rank: int) -> subprocess.CompletedProcess[str]:
        env = {"NODE_RANK": str(rank), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        return command("pcam.train", *words, cwd=tmp_path, **env)

    with ThreadPoolExecutor() as both:
        answers = list(both.map(node, (1, 0)))
    assert [answer.returncode for answer in answers] == [0, 0], (
        answers[0].stderr + answers[1].stderr
    )
    assert answers[0].stdout == ""  # the first node writes and tells
    rows = [read_metrics(tmp_path / name / "metrics.csv") for name in ("one", "two")]
    for row, other in zip(*rows, strict=True):
        for key in row.keys() - {"seconds"}:
            assert float(row[key]) == pytest.approx(float(other[key]), abs=1e-4, nan_ok=True), key
    found = [json.loads((tmp_path / name / "summary.json").read_text()) for name in ("one", "two")]
    assert [(summary["processes"], summary["epochs"]) for summary in found] == [(2, 2), (2, 2)]
    assert found[0]["test"]["auroc"]["value"] == pytest.approx(
        found[1]["test"]["auroc"]["value"], abs=1e-4
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]


def test_resume_auto_goes_on_or_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        run_command(monkeypatch, tmp_path, "train", *QUICK, "resume=auto", "hydra.run.dir=run")
    (tmp_path / "run" / "summary.json").unlink()
    (tmp_path / "outputs").mkdir()
    (tmp_path / "run").rename(tmp_path / "outputs" / "run")
    run_command(monkeypatch, tmp_path, "train", *QUICK, "resume=auto", "trainer.max_epochs=2")
    assert "resuming outputs/run" in capsys.readouterr().out


def choices() -> list[str]:
    return sorted(f"{path.parent.name}={path.stem}" for path in CONF.glob("*/*.yaml"))


@pytest.mark.parametrize("choice", choices())
def test_every_choice_composes_and_builds(
    choice: str, tmp_path: Path, pcam_root: Path, kaggle_root: Path, folder_root: Path
) -> None:
    from pcam.models.schedules import build_optimizer, build_scheduler
    from pcam.training import loggers
    from pcam.training.callbacks import build_callbacks
    from pcam.training.fit import classifier
    from pcam.training.processes import process_group
    from pcam.training.trainer import build_trainer, devices, processes
    from tests.run import composed

    roots = {"data=pcam": pcam_root, "data=kaggle": kaggle_root, "data=folder": folder_root}
    extra = [f"data.root={roots[choice]}"] if choice in roots else []
    if choice.startswith("splits="):
        extra = [*SMALL]  # a split that is made here looks at every patch
    if choice == "splits=file":
        (tmp_path / "splits.csv").write_text("id,split\ntrain-000001,train\ntrain-000002,valid\n")
        extra += [f"splits.file={tmp_path / 'splits.csv'}", "data.batch_size=1"]
    if choice == "trainer=gpu":
        extra = ["trainer.accelerator=cpu"]
    config = composed(choice, *extra)
    group = choice.partition("=")[0]
    if group in ("data", "splits", "crop", "aug"):
        from pcam.data.datamodule import PatchDataModule

        data = PatchDataModule(config["data"], config["splits"], config["crop"], config["aug"], 0)
        batch = next(iter(data.train_dataloader()))
        assert batch["image"].shape[1] == 3
        return
    if group != "model":
        config["model"] |= {"name": "test_resnet", "input_size": 32}
    elif choice in ("model=efficientnet_b7", "model=densenet201"):
        return  # tests/models/test_network.py builds the study's networks
    model = classifier(config)
    if group in ("optimizer", "scheduler"):
        optimizer = build_optimizer(
            model.network.backbone.parameters(),
            model.network.head.parameters(),
            **config["optimizer"],
        )
        schedule, _ = build_scheduler(optimizer, config["scheduler"], 10)
        rates = []
        for _ in range(10):
            rates.append(optimizer.param_groups[1]["lr"])
            optimizer.step()
            schedule.step()
        assert 0 < max(rates) <= config["optimizer"]["head_lr"]
        assert min(rates) >= 0
    if group == "trainer":
        settings = {**config["trainer"], "devices": devices(config["trainer"], job=0)}
        group = process_group(settings, processes(settings))
        assert build_trainer(
            settings, tmp_path, group, build_callbacks(settings, tmp_path), model.plan
        )
    if group == "logger" and choice != "logger=wandb":
        assert len(loggers.start_loggers(config, tmp_path)) == len(config["logger"]["names"])


def test_every_choice_is_tried() -> None:
    assert {"model=xception", "aug=keras", "trainer=ddp", "finetune=frozen", "data=kaggle"} <= set(
        choices()
    )
    with initialize_config_dir(str(CONF), version_base="1.3"):
        assert compose("train").seed == 0


# Bad data, each its line ---------------------------------------------------------------------------------------------


def change(path: Path, key: str, values: np.ndarray) -> None:
    path.unlink()
    with h5py.File(path, "w") as file:
        file[key] = values


def spoil_pcam(root: Path, fault: str) -> str:
    """Plant a fault in the official layout; return what its line must say."""
    write_pcam(root, {"train": 20, "valid": 8, "test": 8})
    x, y = root / f"{STEM}train_x.h5", root / f"{STEM}train_y.h5"
    (root / f"{STEM}train_meta.csv").unlink()
    labels = np.zeros((20, 1, 1, 1), np.uint8)
    if fault == "missing file":
        x.unlink()
        return "train_x.h5 is missing; get it: curl"
    if fault == "truncated HDF5":
        x.write_bytes(x.read_bytes()[:-100_000])
        return "is cut off"
    if fault == "no HDF5":
        x.write_text("<html>quota</html>")
        return "is not an HDF5 file"
    if fault == "wrong key":
        change(x, "patches", np.zeros((20, 96, 96, 3), np.uint8))
        return "has no array 'x', only patches"
    if fault == "wrong shape":
        change(x, "x", np.zeros((20, 3, 96, 96), np.uint8))
        return "patches are (N, height, width, 3)"
    if fault == "wrong dtype":
        change(x, "x", np.zeros((20, 96, 96, 3), np.float32))
        return "is float32; patches are uint8"
    if fault == "other length":
        change(y, "y", labels[:19])
        return "has 20 patches, camelyonpatch_level_2_split_train_y.h5 has 19 labels"
    labels[7] = 2
    change(y, "y", labels)
    return "row 7 has label 2"


PCAM_FAULTS = (
    "missing file",
    "truncated HDF5",
    "no HDF5",
    "wrong key",
    "wrong shape",
    "wrong dtype",
    "other length",
    "label 2",
)


def spoil_kaggle(root: Path, fault: str) -> str:
    """Plant a fault in Kaggle's layout; return what its line must say."""
    write_kaggle(root)
    file = sorted((root / "train").glob("*.tif"))[5]
    if fault == "csv id without file":
        file.unlink()
        return (
            f"1 ids of {root / 'train_labels.csv'} are not in {root / 'train'}, first {file.stem}"
        )
    if fault == "file without id":
        rows = (root / "train_labels.csv").read_text().splitlines()
        (root / "train_labels.csv").write_text(
            "\n".join(row for row in rows if not row.startswith(file.stem)) + "\n"
        )
        return (
            f"1 ids of {root / 'train'} are not in {root / 'train_labels.csv'}, first {file.stem}"
        )
    file.write_bytes(file.read_bytes()[:200])
    return f"{file} cannot be read as an image"


KAGGLE_FAULTS = ("csv id without file", "file without id", "unreadable tif")


@pytest.fixture
def typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[object, str]]:
    """Type a command at the door in this process: without a new process's twenty seconds of imports."""

    def type_(*words: str) -> tuple[object, str]:
        with pytest.raises(SystemExit) as left:
            run_command(monkeypatch, tmp_path, "train", *TINY, *words)
        return left.value.code, capfd.readouterr().err.strip()

    return type_


def assert_one_line(answer: tuple[object, str], said: str) -> None:
    code, told = answer
    assert code == 2
    assert told.startswith("error: ")
    assert said in told
    assert "\n" not in told


@pytest.mark.parametrize("fault", [*PCAM_FAULTS, *KAGGLE_FAULTS])
def test_bad_data_is_one_line(
    fault: str, tmp_path: Path, typed: Callable[..., tuple[object, str]]
) -> None:
    kind = "kaggle" if fault in KAGGLE_FAULTS else "pcam"
    said = (spoil_kaggle if kind == "kaggle" else spoil_pcam)(tmp_path / "data", fault)
    assert_one_line(
        typed(f"data={kind}", f"data.root={tmp_path / 'data'}", "hydra.run.dir=run"), said
    )
    assert not (tmp_path / "run").exists()  # the command, mended, can be typed again as it was


def test_a_wrong_command_is_one_line_for_the_shell_too(tmp_path: Path) -> None:
    assert "data.limit=0: at least 1" in one_line(
        command("pcam.train", *TINY, "data.limit=0", cwd=tmp_path)
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("trainer.max_epochs=0", "trainer.max_epochs=0 is too small; it is at least 1"),
        ("trainer.max_epochs=abc", "trainer.max_epochs=abc is not a whole number"),
        ("trainer.accumulate_grad_batches=0", "trainer.accumulate_grad_batches=0 is too small"),
        ("trainer.limit_train_batches=0", "trainer.limit_train_batches=0 is too small"),
        ("trainer.gradient_clip_val=-1", "trainer.gradient_clip_val=-1 is too small"),
        ("trainer.deterministic=maybe", "trainer.deterministic=maybe is not true, false or warn"),
        ("trainer.early_stopping=0", "trainer.early_stopping=0 is a count of epochs"),
        ("trainer.ema=x", "trainer.ema=x is not a number or null"),
        ("seed=-1", "seed=-1 is not in [0, 2^32)"),
        ("seed=1.5", "seed=1.5 is not a whole number"),
        ("optimizer.lr=abc", "optimizer.lr=abc is not a number"),
        ("loss.label_smoothing=abc", "loss.label_smoothing=abc is not a number"),
        ("scheduler.warmup=abc", "scheduler.warmup=abc is not a number"),
        ("model.head.dropout=abc", "model.head.dropout=abc is not a number"),
        ("model.head.hidden=-3", "model.head.hidden=-3; it is null or a count from 1"),
        ("model.input_size=abc", "model.input_size=abc is not a whole number"),
        ("data.limit=abc", "data.limit=abc is not a whole number or null"),
        ("data.batch_size=0", "data.batch_size=0; it is a count from 1"),
        ("data.root=x", "unknown key data.root"),
        ("splits=file", "splits.file must be given"),
        (
            "splits=random splits.share=2 data.train=40 data.test=40",
            "splits.share=2 is not between 0 and 1",
        ),
        ("+trainer.nonsense=1", "unknown key trainer.nonsense"),
        ("optimizer.name=adan3", "optimizer.name=adan3 is not known; did you mean"),
        ("finetune=frozen_then_unfrozen finetune.unfreeze_epoch=9", "the epochs are 0 to"),
        ("crop=center crop.size=200", "crop.size=200 is larger than the patches"),
        ("resume=nowhere", "nowhere holds no run"),
        ("hydra.run.dir=/proc/none", "the folder cannot be made"),
    ],
)
def test_bad_settings_are_one_line(
    words: str, said: str, typed: Callable[..., tuple[object, str]]
) -> None:
    assert_one_line(typed(*words.split()), said)


def test_prepare_tells_what_is_there_and_writes_split_and_audit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["data=synthetic", "data.train=60", "data.valid=30", "data.test=20", "data.slides=5"]
    run_command(monkeypatch, tmp_path, "prepare", *words, "hydra.run.dir=out")
    told = capsys.readouterr().out
    assert "train  synthetic: 60 patches" in told
    assert "python -m pcam.train data=synthetic data.train=60" in told
    assert list(tmp_path.iterdir()) == []  # nothing to keep, no folder left
    run_command(
        monkeypatch, tmp_path, "prepare", *words, "splits=slide", "audit=true", "hydra.run.dir=out"
    )
    told = capsys.readouterr().out
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "audit.html",
        "audit.json",
        "splits.csv",
    }
    assert "pass  Equal patches across splits" in told
    audit = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert sum(split["patches"] for split in audit["splits"].values()) == 110
    with (tmp_path / "out" / "splits.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 110
    assert {row["id"].partition("-")[0] for row in rows if row["split"] == "test"} == {"test"}
    run_command(
        monkeypatch, tmp_path, "prepare", *words, "splits=file", "splits.file=out/splits.csv"
    )
    assert "splits  file; equal patches stay as they are" in capsys.readouterr().out


def test_prepare_converts_kaggle_and_says_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_kaggle(tmp_path / "kaggle", 20, 4)
    run_command(monkeypatch, tmp_path, "prepare", "data=kaggle", f"data.root={tmp_path / 'kaggle'}")
    assert (tmp_path / "kaggle" / "train.h5").is_file()
    told = capsys.readouterr().out
    assert "train  kaggle: 16 patches" in told
    assert "predict  kaggle: 4 patches, slides unknown" in told
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SystemExit) as left:
        run_command(monkeypatch, tmp_path, "prepare", "data=kaggle", "data.root=nowhere")
    assert left.value.code == 2
    assert (
        "nowhere lacks train_labels.csv and train/. Kaggle wants an account"
        in capsys.readouterr().err
    )


def test_importing_a_door_imports_nothing_heavy() -> None:
    heavy = ("torch", "timm", "lightning", "albumentations", "numpy")
    code = f"import sys, pcam.train, pcam.prepare; print(*[m for m in {heavy} if m in sys.modules])"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        == ""
    )
