from pathlib import Path

import pytest
import torch

from pcam import CONF
from pcam.config.sections import TrainerConfig
from pcam.errors import ConfigError
from pcam.models.freezing import FreezePlan
from pcam.training.processes import ProcessGroup, process_group
from pcam.training.trainer import (
    build_trainer,
    choose_augmentation,
    choose_devices,
    choose_precision,
    count_processes,
)
from tests.run import composed

PLAN = FreezePlan(0, False)


def settings(*overrides: str) -> TrainerConfig:
    return composed(*overrides).trainer


def with_devices(config: TrainerConfig, job: int | None = None) -> TrainerConfig:
    return config.model_copy(update={"devices": choose_devices(config, job)})


@pytest.fixture
def four_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.mark.parametrize("choice", sorted(path.stem for path in CONF.glob("trainer/*.yaml")))
def test_each_trainer_of_conf_is_built(choice: str, tmp_path: Path) -> None:
    overrides = ["trainer.accelerator=cpu"] if choice == "gpu" else []
    config = with_devices(settings(f"trainer={choice}", *overrides), job=0)
    group = process_group(config, count_processes(config))
    trainer = build_trainer(config, tmp_path, group, [], PLAN)
    assert trainer.max_epochs == config.max_epochs


@pytest.mark.usefixtures("four_gpus")
def test_a_single_run_takes_all_gpus_and_a_sweep_s_job_one() -> None:
    config = settings()
    assert choose_devices(config) == 4
    assert [choose_devices(config, job) for job in range(6)] == [[0], [1], [2], [3], [0], [1]]
    assert choose_devices(settings("trainer.devices=2"), job=1) == 2
    assert count_processes(with_devices(config)) == 4
    assert choose_precision(config) == "bf16-mixed"


@pytest.mark.usefixtures("four_gpus")
def test_more_gpus_than_the_machine_has_are_refused() -> None:
    with pytest.raises(ConfigError, match="trainer.devices=5: this machine has 4 GPUs"):
        count_processes(settings("trainer.devices=5"))


@pytest.mark.usefixtures("no_gpu")
def test_without_a_gpu_a_run_takes_one_process_in_full_precision() -> None:
    assert choose_devices(settings()) == 1
    assert choose_precision(settings()) == "32-true"
    with pytest.raises(ConfigError, match="trainer.accelerator=gpu: this machine has no GPU"):
        count_processes(settings("trainer=gpu"))


def test_a_setting_that_lightning_refuses_is_one_line(tmp_path: Path) -> None:
    config = settings("trainer=cpu").model_copy(update={"precision": "nonsense"})
    with pytest.raises(ConfigError, match="trainer: .*nonsense") as caught:
        build_trainer(config, tmp_path, ProcessGroup(1, 1, 0, "", 0), [], PLAN)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "gpu", "batched"),
    [
        (["aug=paper"], True, True),
        (["aug=paper"], False, False),
        (["aug=keras"], True, False),
        (["aug=paper", "aug.batched=false"], True, False),
        (["aug=paper", "aug.batched=true"], False, True),
        (["aug=paper", "trainer=cpu"], True, False),
    ],
)
def test_auto_augments_whole_batches_on_a_gpu(
    overrides: list[str], gpu: bool, batched: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    config = composed(*overrides)
    assert choose_augmentation(config.aug, config.trainer).batched is batched
