"""Lightning's Trainer, as the config's ``trainer`` asks for it."""

import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning import Trainer

from pcam.config.tables import build, check
from pcam.errors import ConfigError
from pcam.models.freezing import FreezePlan
from pcam.training.processes import ProcessGroup

# keys of trainer that are not Lightning's, or resolved
OURS = ("precision", "devices", "early_stopping", "ema", "progress", "prune")
# Lightning takes less than these need, and then fails or does nothing: counts from 1, amounts above 0.
POSITIVE: Mapping[str, Any] = {
    "max_epochs": int,
    "num_nodes": int,
    "accumulate_grad_batches": int,
    "gradient_clip_val": float | None,
    "limit_train_batches": float | None,
}


def devices(settings: Mapping[str, Any], job: int | None = None) -> Any:
    """Return which devices a training takes; of a sweep each job one, GPUs in turn, where the config leaves it open."""
    gpus = torch.cuda.device_count()
    if settings["devices"] != "auto":
        return settings["devices"]
    if settings["accelerator"] == "cpu" or gpus == 0:
        return 1
    return gpus if job is None else [job % gpus]


def processes(settings: Mapping[str, Any]) -> int:
    """Return how many processes a training takes on this machine: one per device."""
    devices, accelerator = settings["devices"], settings["accelerator"]
    gpus = torch.cuda.device_count()
    if accelerator in ("gpu", "cuda") and gpus == 0 and not torch.backends.mps.is_available():
        raise ConfigError(
            f"trainer.accelerator={accelerator}: there is no GPU; use trainer=cpu or trainer=auto"
        )
    count = len(devices) if isinstance(devices, list | tuple) else devices
    if not isinstance(count, int) or count < 1:
        raise ConfigError(
            f"trainer.devices={devices}; it is auto, a count from 1, or a list of GPUs"
        )
    if gpus and accelerator != "cpu" and count > gpus:
        raise ConfigError(f"trainer.devices={devices}: there are {gpus} GPUs")
    return count


def precision(setting: str, accelerator: str) -> str:
    """Return Lightning's name of a precision; auto is mixed on a GPU and full on a CPU."""
    if setting != "auto":
        return str(setting)
    if accelerator == "cpu" or not torch.cuda.is_available():
        return "32-true"
    return "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"


def build_trainer(
    settings: Mapping[str, Any],
    folder: Path,
    group: ProcessGroup,
    callbacks: list[Any],
    plan: FreezePlan,
) -> Trainer:
    """Return Lightning's Trainer for the config's ``trainer``."""
    from lightning.fabric.plugins.environments.lightning import LightningEnvironment
    from lightning.pytorch.strategies import DDPStrategy

    for key, kind in POSITIVE.items():
        check(settings[key], kind, f"trainer.{key}")
        if settings[key] is not None and settings[key] <= 0:
            raise ConfigError(
                f"trainer.{key}={settings[key]} is too small; it is {'at least 1' if kind is int else 'more than 0'}"
            )
    if settings["deterministic"] not in (True, False, "warn"):
        raise ConfigError(
            f"trainer.deterministic={settings['deterministic']} is not true, false or warn"
        )
    given = {key: value for key, value in settings.items() if key not in OURS}
    strategy: Any = "auto"
    if group.size > 1:
        strategy = DDPStrategy(find_unused_parameters=plan.ever_frozen)
    try:
        return build(
            Trainer,
            given,
            "trainer",
            devices=settings["devices"],
            precision=precision(settings["precision"], settings["accelerator"]),
            strategy=strategy,
            plugins=[
                LightningEnvironment()
            ],  # a scheduler's is not taken for a start of its own: processes are ours (Group)
            callbacks=callbacks,
            logger=False,
            default_root_dir=folder,
            enable_progress_bar=any("ProgressBar" in type(c).__name__ for c in callbacks),
            enable_checkpointing=any("Checkpoint" in type(c).__name__ for c in callbacks),
            enable_model_summary=False,
            use_distributed_sampler=False,  # each patch is scored exactly once (PatchOrder)
            num_sanity_val_steps=0,
        )
    except (
        ValueError,
        TypeError,
    ) as error:  # Lightning's are MisconfigurationException too, a plain Exception
        raise ConfigError(f"trainer: {' '.join(str(error).split())}") from error


def silence_lightning() -> None:
    """Leave out what Lightning says about itself; what matters stands on the screen."""
    for name in ("lightning.pytorch", "lightning.fabric", "timm"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in (".*does not have many workers.*", ".*tensorboardX.*", ".*sync_dist=True.*", ".*exists and is not empty.*",
                    ".*number of training batches.*", ".*LeafSpec.*", ".*lr_scheduler.step.*"):  # fmt: skip
        warnings.filterwarnings("ignore", message)
