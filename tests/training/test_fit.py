"""Training as a whole, in this process, with a tiny network."""

import csv
import json
import logging
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook
from torchmetrics.functional.classification import binary_auroc

from pcam.data.sources.synthetic.source import SyntheticSource
from pcam.errors import PcamError
from pcam.models.classifier import PatchClassifier
from pcam.runs.files import read_metrics
from pcam.training import results
from tests.conftest import SMALL, TINY, write_folder
from tests.run import train
from tests.training.runs import NO_LEARNING, STUDY, equal_tensors, read_checkpoint, read_state

Run = tuple[Path, dict[str, Any]]


class ListHandler(logging.Handler):
    """Keeps messages."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@pytest.fixture(scope="module")
def messages() -> Iterator[list[str]]:
    """What pcam logs during this module's tests."""
    handler, logger = ListHandler(), logging.getLogger("pcam")
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    yield handler.messages
    logger.removeHandler(handler)
    logger.setLevel(level)


@pytest.fixture(scope="module")
def plain_run(tmp_path_factory: pytest.TempPathFactory, messages: list[str]) -> Run:
    folder = tmp_path_factory.mktemp("plain")
    return folder, train(folder, *STUDY, "trainer.max_epochs=2", "aug=paper", curves=True)


def read_predictions(folder: Path) -> list[dict[str, str]]:
    with (folder / "predictions" / "test.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_run_leaves_the_folder_that_the_contract_names(plain_run: Run) -> None:
    folder, summary = plain_run
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files == {
        "config.yaml",
        "metrics.csv",
        "summary.json",
        "checkpoints/best.ckpt",
        "checkpoints/last.ckpt",
        "checkpoints/previous.ckpt",
        "predictions/valid.csv",
        "predictions/test.csv",
        "figures/curves.png",
    }
    assert json.loads((folder / "summary.json").read_text()).keys() == summary.keys()
    assert (folder / "figures" / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_the_summary_says_what_the_figures_depend_on(plain_run: Run) -> None:
    summary = plain_run[1]
    auroc = summary["test"]["auroc"]
    assert auroc["low"] <= auroc["value"] <= auroc["high"]
    assert summary["weights"] == {"asked": "none", "origin": "random", "detail": "as requested"}
    assert summary["intervals"]["over"] == "slides"
    assert summary["data"]["train"]["patches"] == 96
    assert summary["parameters"].keys() == {"backbone", "head"}
    assert {"torch", "timm", "pcam", "python"} <= summary["versions"].keys()


def test_the_metrics_are_those_of_the_predictions(plain_run: Run) -> None:
    folder, summary = plain_run
    rows = read_predictions(folder)
    assert [row["id"] for row in rows] == [f"test-{i:06d}" for i in range(32)]
    probability = np.array([float(row["probability"]) for row in rows])
    label = np.array([int(row["label"]) for row in rows])
    auroc = float(binary_auroc(torch.tensor(probability), torch.tensor(label)))
    assert auroc == pytest.approx(summary["test"]["auroc"]["value"], abs=1e-6)
    accuracy = ((probability >= 0.5) == label).mean()
    assert accuracy == pytest.approx(summary["test"]["accuracy"]["value"])


def test_the_best_checkpoint_makes_the_same_predictions_again(plain_run: Run) -> None:
    folder, _ = plain_run
    model = PatchClassifier.load(folder / "checkpoints" / "best.ckpt")
    patches = torch.from_numpy(SyntheticSource("test", 32).read(np.arange(32)))
    with torch.no_grad():
        probability = torch.sigmoid(model(patches.permute(0, 3, 1, 2))).tolist()
    written = [float(row["probability"]) for row in read_predictions(folder)]
    assert probability == pytest.approx(written, abs=1e-5)


def test_trap_checkpoints_hold_nothing_that_could_be_run(plain_run: Run) -> None:
    folder, _ = plain_run
    for name in ("best", "last"):  # read with weights_only=True
        hparams = read_checkpoint(folder, name)["hyper_parameters"]
        assert "_target_" not in json.dumps(hparams)
    assert "_target_" not in (folder / "config.yaml").read_text()


def test_metrics_csv_has_a_row_per_epoch(plain_run: Run) -> None:
    rows = read_metrics(plain_run[0] / "metrics.csv")
    assert [row["epoch"] for row in rows] == ["0", "1"]
    columns = {"train/loss_epoch", "train/accuracy", "lr/backbone", "lr/head"}
    columns |= {"valid/loss", "valid/auroc", "valid/accuracy", "valid/average_precision"}
    columns |= {"valid/f1", "valid/precision", "valid/sensitivity", "valid/specificity"}
    for row in rows:
        assert all(math.isfinite(float(row[column])) for column in columns)


def test_the_same_seed_gives_the_same_bits_also_with_workers(
    plain_run: Run, tmp_path: Path
) -> None:
    train(tmp_path, *STUDY, "trainer.max_epochs=2", "aug=paper", "data.num_workers=2")
    assert all(equal_tensors(read_state(plain_run[0]), read_state(tmp_path)))


def test_another_seed_gives_other_weights(plain_run: Run, tmp_path: Path) -> None:
    train(tmp_path, *STUDY, "trainer.max_epochs=2", "aug=paper", "seed=1")
    assert not all(equal_tensors(read_state(plain_run[0]), read_state(tmp_path)))


def test_the_start_and_the_end_are_logged(plain_run: Run, messages: list[str]) -> None:
    text = "\n".join(messages)
    assert f"training into {plain_run[0]}" in text
    assert "epoch 1/2  loss" in text
    assert "95 % intervals: bootstrap over slides" in text


def test_the_figure_of_the_curves_names_network_and_scale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    titles: list[str] = []

    def record_title(rows: object, title: str, *_: object) -> bytes:
        titles.append(title)
        return b""

    monkeypatch.setattr(results, "plot_curves", record_title)
    words = ["recipe=resnet50", "scale=smoke", *SMALL, "data.limit=32", "trainer.max_epochs=1"]
    train(tmp_path, *words, "finetune=full", curves=True)
    assert titles == [
        "test_resnet in place of resnet50 (smoke) on synthetic, positive class tumour"
    ]


def test_early_stopping_ends_a_run_that_learns_nothing(tmp_path: Path) -> None:
    summary = train(
        tmp_path, *STUDY, *NO_LEARNING, "trainer.max_epochs=9", "trainer.early_stopping=2"
    )
    assert summary["epochs"] == 3
    assert summary["best_epoch"] == 2  # all epochs are equal: the last of them


@pytest.mark.parametrize("finetune", ["full", "frozen"])
@pytest.mark.parametrize(
    "optimizer",
    [
        "adam",
        pytest.param("adamw", marks=pytest.mark.slow),
        pytest.param("sgd", marks=pytest.mark.slow),
        pytest.param("timm", marks=pytest.mark.slow),
    ],
)
def test_no_optimizer_changes_a_frozen_backbone(
    finetune: str, optimizer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    initial: dict[str, torch.Tensor] = {}

    def copy_weights(self: PatchClassifier) -> None:
        initial.update({key: value.clone() for key, value in self.state_dict().items()})

    monkeypatch.setattr(PatchClassifier, "on_fit_start", copy_weights)
    words = [f"finetune={finetune}", f"optimizer={optimizer}", "optimizer.lr=1e-2"]
    train(tmp_path, *STUDY, *words, "scheduler=cosine", "trainer.max_epochs=1", "trainer.ema=0.9")
    backbone = "network.backbone."
    before = {key: value for key, value in initial.items() if key.startswith(backbone)}
    same = equal_tensors(before, read_state(tmp_path, backbone))
    assert all(same) if finetune == "frozen" else not any(same)


def test_an_infinite_loss_ends_the_run_and_says_what_helps(tmp_path: Path) -> None:
    rates = ["optimizer.lr=1e12", "optimizer.head_lr=1e30", "scheduler=none"]
    with pytest.raises(PcamError, match=r"epoch ., step \d+: the loss is .* lower optimizer.lr"):
        train(tmp_path, *STUDY, *rates, "trainer.max_epochs=2")


def test_a_valid_split_of_one_class(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "data", splits=("train", "valid"))
    for path in (root / "valid" / "tumour").iterdir():
        path.unlink()
    data = ["data=folder", f"data.root={root}", "data.batch_size=4"]
    summary = train(tmp_path / "run", *TINY, *data, "trainer.max_epochs=2")
    assert math.isnan(summary["valid"]["auroc"]["value"])
    written = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert written["valid"]["auroc"]["value"] is None
    assert summary["valid"]["specificity"]["value"] >= 0


def test_accumulation_takes_fewer_steps(tmp_path: Path, plain_run: Run) -> None:
    train(tmp_path, *STUDY, "trainer.max_epochs=2", "trainer.accumulate_grad_batches=2")
    assert read_checkpoint(plain_run[0])["global_step"] == 12
    assert read_checkpoint(tmp_path)["global_step"] == 6


def test_steps_of_the_optimizer_are_fused(plain_run: Run) -> None:
    groups = read_checkpoint(plain_run[0])["optimizer_states"][0]["param_groups"]
    assert [group["fused"] for group in groups] == [True, True]


def test_gradients_are_clipped_by_an_optimizer_that_is_not_fused(tmp_path: Path) -> None:
    norms: list[float] = []

    def record_norm(optimizer: torch.optim.Optimizer, *_: object) -> None:
        assert not optimizer.defaults["fused"]
        grads = [one.grad for group in optimizer.param_groups for one in group["params"]]
        norms.append(
            float(torch.nn.utils.get_total_norm([grad for grad in grads if grad is not None]))
        )

    hook = register_optimizer_step_post_hook(record_norm)
    try:
        words = ["optimizer=sgd", "trainer.max_epochs=1", "trainer.limit_train_batches=3"]
        train(tmp_path, *STUDY, *words, "trainer.gradient_clip_val=1e-3")
    finally:
        hook.remove()
    assert norms == pytest.approx([1e-3] * 3, rel=1e-2)


def test_a_moving_average_is_validated_kept_and_tested(tmp_path: Path) -> None:
    summary = train(tmp_path, *STUDY, "trainer.max_epochs=2", "trainer.ema=0.9")
    last = read_checkpoint(tmp_path)
    assert not all(equal_tensors(last["state_dict"], last["current_model_state"]))
    best = PatchClassifier.load(tmp_path / "checkpoints" / "best.ckpt")
    written = read_checkpoint(tmp_path, "best")["state_dict"]
    assert all(equal_tensors(dict(best.state_dict()), written))
    rows = read_metrics(tmp_path / "metrics.csv")
    highest = max(float(row["valid/auroc"]) for row in rows)
    assert summary["valid"]["auroc"]["value"] == pytest.approx(highest, abs=1e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_in_mixed_precision(tmp_path: Path) -> None:
    summary = train(tmp_path, *STUDY, "trainer.max_epochs=2", "trainer=gpu", "data.num_workers=2")
    assert summary["precision"] in ("bf16-mixed", "16-mixed")
    assert 0 <= summary["test"]["auroc"]["value"] <= 1
