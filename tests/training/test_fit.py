"""Training as a whole, in this process, with a tiny network."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from pcam.errors import PcamError, RunError
from pcam.models.classifier import PatchClassifier
from pcam.runs.files import read_metrics
from pcam.runs.folder import last_checkpoint, read_config, start_run
from pcam.runs.resume import find_run_to_resume, resume_config
from tests.conftest import SMALL, TINY
from tests.run import composed, killed_after, train

SCHEDULERS = ("none", "cosine", "onecycle", "plateau")
STUDY = [*TINY, *SMALL, "data.valid=32", "data.test=32"]


def checkpoint(folder: Path, name: str = "last") -> dict[str, Any]:
    return torch.load(
        folder / "checkpoints" / f"{name}.ckpt", map_location="cpu", weights_only=True
    )


def state(folder: Path, part: str = "network.", name: str = "last") -> dict[str, torch.Tensor]:
    return {
        key: value
        for key, value in checkpoint(folder, name)["state_dict"].items()
        if key.startswith(part)
    }


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> list[bool]:
    assert a.keys() == b.keys()
    return [torch.equal(a[key], b[key]) for key in a]


@pytest.fixture(scope="module")
def plain_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("plain")
    return folder, train(folder, *STUDY, "trainer.max_epochs=2", "aug=paper")


def test_a_run_leaves_the_folder_that_the_contract_names(
    plain_run: tuple[Path, dict[str, Any]],
) -> None:
    folder, summary = plain_run
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert there == {
        "config.yaml", "metrics.csv", "summary.json", "checkpoints/best.ckpt", "checkpoints/last.ckpt",
        "predictions/valid.csv", "predictions/test.csv", "figures/curves.png",
    }  # fmt: skip
    assert json.loads((folder / "summary.json").read_text()).keys() == summary.keys()
    auroc = summary["test"]["auroc"]
    assert auroc["low"] <= auroc["value"] <= auroc["high"]
    assert summary["weights"] == {"asked": "none", "origin": "random", "detail": "asked for"}
    assert summary["intervals"]["over"] == "slides"
    assert summary["data"]["train"]["patches"] == 96
    assert {"torch", "timm", "pcam", "python"} <= summary["versions"].keys()
    assert (folder / "figures" / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_the_figures_are_those_of_the_predictions(plain_run: tuple[Path, dict[str, Any]]) -> None:
    import csv

    import numpy as np
    from torchmetrics.functional.classification import binary_auroc

    folder, summary = plain_run
    with (folder / "predictions" / "test.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == [f"test-{i:06d}" for i in range(32)]
    probability, label = (
        np.array([float(row[key]) for row in rows]) for key in ("probability", "label")
    )
    assert float(
        binary_auroc(torch.tensor(probability), torch.tensor(label).long())
    ) == pytest.approx(summary["test"]["auroc"]["value"], abs=1e-6)
    assert ((probability >= 0.5) == label).mean() == pytest.approx(
        summary["test"]["accuracy"]["value"]
    )


def test_the_best_checkpoint_makes_the_same_predictions_again(
    plain_run: tuple[Path, dict[str, Any]],
) -> None:
    import csv

    import numpy as np

    from pcam.data.sources.synthetic.source import SyntheticSource

    folder, _ = plain_run
    model = PatchClassifier.load(folder / "checkpoints" / "best.ckpt")
    patches = torch.from_numpy(SyntheticSource("test", 32).read(np.arange(32))).permute(0, 3, 1, 2)
    with torch.no_grad():
        probability = torch.sigmoid(model(patches)).tolist()
    with (folder / "predictions" / "test.csv").open() as file:
        assert probability == pytest.approx(
            [float(row["probability"]) for row in csv.DictReader(file)], abs=1e-5
        )


def test_trap_checkpoints_hold_nothing_that_could_be_run(
    plain_run: tuple[Path, dict[str, Any]],
) -> None:
    folder, _ = plain_run
    for name in ("best", "last"):
        hparams = checkpoint(folder, name)["hyper_parameters"]  # weights_only=True has read it
        assert "_target_" not in json.dumps(hparams)
    assert "_target_" not in (folder / "config.yaml").read_text()
    hostile = read_config(folder)
    hostile["data"]["name"] = "os.system"
    from pcam.data.datamodule import PatchDataModule

    with pytest.raises(PcamError, match=r"data.name=os.system is not known"):
        PatchDataModule(hostile["data"], hostile["splits"], hostile["crop"], hostile["aug"], 0)
    (folder / "hostile").mkdir()
    (folder / "hostile" / "config.yaml").write_text(
        "a: !!python/object/apply:os.system ['touch /tmp/x']\n"
    )
    with pytest.raises(RunError, match="is broken"):
        read_config(folder / "hostile")


def test_the_table_of_epochs_has_a_row_each(plain_run: tuple[Path, dict[str, Any]]) -> None:
    rows = read_metrics(plain_run[0] / "metrics.csv")
    assert [row["epoch"] for row in rows] == ["0", "1"]
    for key in (
        "train/loss_epoch",
        "train/accuracy",
        "valid/loss",
        "valid/auroc",
        "valid/accuracy",
        "lr/backbone",
        "lr/head",
    ):
        assert all(math.isfinite(float(row[key])) for row in rows), key


def test_the_same_seed_gives_the_same_bits_and_another_does_not(
    plain_run: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    train(tmp_path / "same", *STUDY, "trainer.max_epochs=2", "aug=paper", "data.num_workers=2")
    assert all(equal(state(plain_run[0]), state(tmp_path / "same")))
    train(tmp_path / "other", *STUDY, "trainer.max_epochs=2", "aug=paper", "seed=1")
    assert not all(equal(state(plain_run[0]), state(tmp_path / "other")))


FROZEN = [
    "finetune=frozen_then_unfrozen",
    "finetune.unfreeze_epoch=2",
    "trainer.max_epochs=4",
    "model.head.dropout=0.5",
]


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_trap_frozen_then_unfrozen_also_when_killed_on_either_side(
    scheduler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = [*STUDY, *FROZEN, f"scheduler={scheduler}", "aug=paper", "scheduler.warmup=0.2"]
    if scheduler == "plateau":
        study += ["scheduler.patience=0", "scheduler.factor=0.5"]
    began: dict[str, torch.Tensor] = {}
    conclude = PatchClassifier.on_train_epoch_end
    backbones: list[dict[str, torch.Tensor]] = []

    def watching(self: PatchClassifier) -> None:
        backbones.append({k: v.clone() for k, v in self.network.backbone.state_dict().items()})
        conclude(self)

    def beginning(self: PatchClassifier) -> None:
        began.update({k: v.clone() for k, v in self.network.backbone.state_dict().items()})

    with monkeypatch.context() as patch:
        patch.setattr(PatchClassifier, "on_train_epoch_end", watching)
        patch.setattr(PatchClassifier, "on_fit_start", beginning)
        train(tmp_path / "whole", *study)
    assert all(equal(began, backbones[0]))
    assert all(equal(began, backbones[1]))
    moved = {key: not torch.equal(began[key], backbones[2][key]) for key in began}
    assert all(moved.values()), [key for key, value in moved.items() if not value]
    rows = read_metrics(tmp_path / "whole" / "metrics.csv")
    assert [float(row["lr/backbone"]) == 0 for row in rows] == [True, True, False, False]

    for epochs in (1, 2, 3):  # killed before the unfreeze, in its first epoch, and after it
        folder = tmp_path / f"killed{epochs}"
        killed_after(monkeypatch, epochs, folder, *study)
        train(folder, *study, resume=True)
        assert all(equal(state(folder), state(tmp_path / "whole"))), epochs
        keys = ("epoch", "train/loss_epoch", "valid/auroc", "lr/head", "lr/backbone")
        again = read_metrics(folder / "metrics.csv")
        assert [[row[key] for key in keys] for row in again] == [
            [row[key] for key in keys] for row in rows
        ]


@pytest.mark.parametrize("finetune", ["full", "frozen"])
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "timm"])
def test_every_optimizer_leaves_a_frozen_backbone_alone(
    finetune: str, optimizer: str, tmp_path: Path
) -> None:
    train(tmp_path, *STUDY, f"finetune={finetune}", f"optimizer={optimizer}", "trainer.max_epochs=1", "trainer.ema=0.9",
          "optimizer.lr=1e-2", "scheduler=cosine")  # fmt: skip
    torch.manual_seed(0)
    from pcam.training.fit import classifier, seed_everything

    config = composed(
        *STUDY, f"finetune={finetune}", f"optimizer={optimizer}", "trainer.max_epochs=1"
    )
    seed_everything(0, verbose=False)
    began = {
        f"network.backbone.{k}": v
        for k, v in classifier(config).network.backbone.state_dict().items()
    }
    same = equal(began, state(tmp_path, "network.backbone."))
    assert all(same) if finetune == "frozen" else not any(same)


def test_moving_average_is_what_is_kept_and_tested_and_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = [*STUDY, "trainer.max_epochs=3", "trainer.ema=0.9"]
    summary = train(tmp_path / "ema", *study)
    last = checkpoint(tmp_path / "ema")
    assert not all(equal(last["state_dict"], last["current_model_state"]))
    best = PatchClassifier.load(tmp_path / "ema" / "checkpoints" / "best.ckpt")
    assert all(equal(dict(best.state_dict()), checkpoint(tmp_path / "ema", "best")["state_dict"]))
    rows = read_metrics(tmp_path / "ema" / "metrics.csv")
    assert summary["valid"]["auroc"]["value"] == pytest.approx(
        max(float(row["valid/auroc"]) for row in rows), abs=1e-5
    )
    killed_after(monkeypatch, 2, tmp_path / "killed", *study)
    train(tmp_path / "killed", *study, resume=True)
    assert all(equal(state(tmp_path / "killed"), state(tmp_path / "ema")))


def test_a_resumed_run_may_be_longer_than_planned(tmp_path: Path) -> None:
    train(tmp_path, *STUDY, "trainer.max_epochs=1")
    saved, typed = read_config(tmp_path), composed(*STUDY, "trainer.max_epochs=3")
    config = resume_config(
        saved, typed, ["trainer.max_epochs", *[word.partition("=")[0] for word in STUDY]], tmp_path
    )
    from pcam.training.fit import train as run

    summary = run(config, tmp_path, resume=True)
    assert summary["epochs"] == 3
    assert [row["epoch"] for row in read_metrics(tmp_path / "metrics.csv")] == ["0", "1", "2"]


def test_a_run_that_moved_still_knows_its_best(tmp_path: Path) -> None:
    train(tmp_path / "here", *STUDY, "trainer.max_epochs=2")
    (tmp_path / "here").rename(tmp_path / "there")
    from pcam.training.fit import train as run

    config = read_config(tmp_path / "there")
    config["trainer"]["max_epochs"] = 3
    before = [float(row["valid/auroc"]) for row in read_metrics(tmp_path / "there" / "metrics.csv")]
    summary = run(config, tmp_path / "there", resume=True)
    after = [float(row["valid/auroc"]) for row in read_metrics(tmp_path / "there" / "metrics.csv")]
    assert after[:2] == before
    assert summary["best_epoch"] == after.index(max(after))
    saved = checkpoint(tmp_path / "there")["callbacks"]
    monitored = next(state for state in saved.values() if state.get("monitor") == "valid/auroc")
    assert float(monitored["best_model_score"]) == pytest.approx(max(after), abs=1e-5)
    assert not (tmp_path / "here").exists()
    assert (
        read_config(tmp_path / "there")["trainer"]["max_epochs"] == 3
    )  # so that it can be gone on with as it is


@pytest.mark.parametrize("content", [b"", b"no checkpoint", "cut", "code"])
def test_a_broken_checkpoint_is_one_line(
    content: bytes | str, tmp_path: Path, plain_run: tuple[Path, dict[str, Any]]
) -> None:
    import pickle
    import shutil

    shutil.copytree(plain_run[0], tmp_path / "run")
    last = last_checkpoint(tmp_path / "run")
    if content == "code":
        content = pickle.dumps(Path)
    last.write_bytes(content if isinstance(content, bytes) else last.read_bytes()[:5000])
    with pytest.raises(
        RunError, match=r"last\.ckpt cannot be read safely as a checkpoint"
    ) as caught:
        train(tmp_path / "run", *STUDY, resume=True)
    assert "\n" not in str(caught.value)


def test_trap_the_last_checkpoint_is_of_the_last_epoch_also_when_another_was_best(
    tmp_path: Path,
) -> None:
    still = [
        "optimizer.lr=0",
        "optimizer.head_lr=0",
        "finetune.batchnorm=kept",
    ]  # the first epoch stays the best
    train(tmp_path, *STUDY, *still, "trainer.max_epochs=3")
    assert (checkpoint(tmp_path, "best")["epoch"], checkpoint(tmp_path)["epoch"]) == (0, 2)


def test_what_cannot_change_within_a_run_is_told(plain_run: tuple[Path, dict[str, Any]]) -> None:
    folder, saved = plain_run[0], read_config(plain_run[0])
    with pytest.raises(RunError, match="was begun with optimizer.lr=0.0005, not 0.1"):
        resume_config(saved, composed(*STUDY, "optimizer.lr=0.1"), ["optimizer.lr"], folder)
    with pytest.raises(RunError, match="was begun with scheduler=onecycle, not cosine"):
        resume_config(saved, composed(*STUDY, "scheduler=cosine"), ["scheduler"], folder)
    with pytest.raises(RunError, match="holds a run already"):
        start_run(folder, saved)
    with pytest.raises(RunError, match="holds no run"):
        find_run_to_resume(str(folder / "nowhere"), folder, folder, saved)


def test_early_stopping_ends_a_run_that_learns_nothing(tmp_path: Path) -> None:
    still = ["optimizer.lr=0", "optimizer.head_lr=0", "finetune.batchnorm=kept"]
    summary = train(tmp_path, *STUDY, *still, "trainer.max_epochs=9", "trainer.early_stopping=2")
    assert summary["epochs"] == 3
    assert summary["best_epoch"] == 0


def test_a_loss_that_is_no_number_ends_the_run_with_its_mend(tmp_path: Path) -> None:
    with pytest.raises(PcamError, match=r"training loss is .* in epoch .: lower optimizer.lr"):
        train(
            tmp_path,
            *STUDY,
            "optimizer.lr=1e12",
            "optimizer.head_lr=1e30",
            "scheduler=none",
            "trainer.max_epochs=2",
        )


def test_valid_of_one_class_is_no_crash(tmp_path: Path) -> None:
    from tests.conftest import write_folder

    root = write_folder(tmp_path / "data", splits=("train", "valid"))
    for path in (root / "valid" / "tumour").iterdir():
        path.unlink()
    summary = train(
        tmp_path / "run",
        *TINY,
        "data=folder",
        f"data.root={root}",
        "data.batch_size=4",
        "trainer.max_epochs=2",
    )
    assert math.isnan(summary["valid"]["auroc"]["value"])
    assert (
        json.loads((tmp_path / "run" / "summary.json").read_text())["valid"]["auroc"]["value"]
        is None
    )
    assert summary["valid"]["specificity"]["value"] >= 0


def test_accumulation_and_clipping_have_an_effect(tmp_path: Path) -> None:
    states = []
    for i, extra in enumerate(
        (
            [],
            ["trainer.accumulate_grad_batches=2"],
            ["trainer.gradient_clip_val=1e-3", "optimizer=sgd"],
        )
    ):
        train(tmp_path / str(i), *STUDY, "trainer.max_epochs=1", *extra)
        states.append(checkpoint(tmp_path / str(i)))
    assert (states[0]["global_step"], states[1]["global_step"]) == (6, 3)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_in_mixed_precision(tmp_path: Path) -> None:
    summary = train(tmp_path, *STUDY, "trainer.max_epochs=2", "trainer=gpu", "data.num_workers=2")
    assert summary["precision"] in ("bf16-mixed", "16-mixed")
    assert 0 <= summary["test"]["auroc"]["value"] <= 1
