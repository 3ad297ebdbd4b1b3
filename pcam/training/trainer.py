"""Lightning's Trainer, as the config's ``trainer`` describes it."""

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from lightning import Callback, Trainer
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.io.checkpoint_io import CheckpointIO
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import ModelCheckpoint, ProgressBar
from lightning.pytorch.strategies import DDPStrategy, Strategy

from pcam.config.checks import batched_augmentations
from pcam.config.sections import AugConfig, TrainerConfig
from pcam.errors import ConfigError
from pcam.models.freezing import FreezePlan
from pcam.training.checkpoint_file import CheckpointFile
from pcam.training.processes import ProcessGroup

Devices = int | str | list[int]

# What Lightning and its libraries say about themselves.
IGNORED_WARNINGS = (
    ".*does not have many workers.*",
    ".*tensorboardX.*",
    ".*sync_dist=True.*",
    ".*exists and is not empty.*",
    ".*number of training batches.*",
    ".*LeafSpec.*",
    ".*lr_scheduler.step.*",
    ".*your dataloader is not resumable.*",
    ".*functional.all_gather is deprecated.*",
)


def choose_devices(settings: TrainerConfig, job: int | None = None) -> Devices:
    """Return the devices of a training: those of the config, or all if it says auto.

    Args:
        settings: the config's ``trainer``.
        job: its number in a sweep, whose jobs take one device each, GPUs in turn.

    Returns:
        Devices as Lightning takes them: a number, or a list of GPUs.
    """
    if settings.devices != "auto":
        return settings.devices
    gpus = torch.cuda.device_count()
    if settings.accelerator == "cpu" or gpus == 0:
        return 1
    if job is None:
        return gpus
    return [job % gpus]


def count_processes(settings: TrainerConfig) -> int:
    """Return how many processes a training takes on this machine: one per device.

    Args:
        settings: the config's ``trainer``, with devices that ``choose_devices`` returned.

    Raises:
        ConfigError: the machine does not have these devices.
    """
    devices, accelerator = settings.devices, settings.accelerator
    gpus = torch.cuda.device_count()
    has_gpu = gpus > 0 or torch.backends.mps.is_available()
    if accelerator in ("gpu", "cuda") and not has_gpu:
        raise ConfigError(
            f"trainer.accelerator={accelerator}: this machine has no GPU; "
            "use trainer=cpu or trainer=auto"
        )
    count = len(devices) if isinstance(devices, list) else int(devices)
    available = gpus if gpus and accelerator != "cpu" else count
    if count > available:
        raise ConfigError(f"trainer.devices={devices}: this machine has {gpus} GPUs")
    return count


def uses_cuda(settings: TrainerConfig) -> bool:
    """Return whether a training runs on CUDA's GPUs.

    Args:
        settings: the config's ``trainer``.
    """
    return settings.accelerator not in ("cpu", "mps") and torch.cuda.is_available()


def choose_augmentation(aug: AugConfig, settings: TrainerConfig) -> AugConfig:
    """Return an augmentation whose ``batched`` is decided: auto is true on a GPU, where possible.

    Args:
        aug: the config's.
        settings: the config's ``trainer``.
    """
    if aug.batched != "auto":
        return aug
    batched = uses_cuda(settings) and aug.name in batched_augmentations()
    return aug.model_copy(update={"batched": batched})


def choose_precision(settings: TrainerConfig) -> str:
    """Return Lightning's name of a precision; auto is mixed on a GPU and full on a CPU.

    Args:
        settings: the config's ``trainer``.
    """
    if settings.precision != "auto":
        return settings.precision
    if not uses_cuda(settings):
        return "32-true"
    if torch.cuda.is_bf16_supported():
        return "bf16-mixed"
    return "16-mixed"


def build_trainer(
    settings: TrainerConfig,
    folder: Path,
    group: ProcessGroup,
    callbacks: Sequence[Callback],
    plan: FreezePlan,
    checkpoint_io: CheckpointIO | None = None,
) -> Trainer:
    """Return Lightning's Trainer.

    Args:
        settings: the config's ``trainer``, with devices that ``choose_devices`` returned.
        folder: the run's.
        group: the processes that train together.
        callbacks: of the training.
        plan: which epochs train the backbone.
        checkpoint_io: how checkpoints are written; None for ``CheckpointFile``.

    Raises:
        ConfigError: Lightning does not take the settings.
    """
    # Deterministic operations would also fill all memory that they are given, which only serves to
    # find faulty operations and is a further pass over each tensor.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    try:
        trainer = Trainer(
            accelerator=settings.accelerator,
            devices=settings.devices,
            num_nodes=settings.num_nodes,
            precision=choose_precision(settings),  # type: ignore[arg-type]
            max_epochs=settings.max_epochs,
            limit_train_batches=settings.limit_train_batches,
            accumulate_grad_batches=settings.accumulate_grad_batches,
            gradient_clip_val=settings.gradient_clip_val,
            deterministic=settings.deterministic,
            strategy=_strategy(group, plan),
            # A scheduler's environment must not be taken for processes that it started
            plugins=[LightningEnvironment(), checkpoint_io or CheckpointFile()],
            callbacks=list(callbacks),
            logger=False,
            default_root_dir=folder,
            enable_progress_bar=_has(callbacks, ProgressBar),
            enable_checkpointing=_has(callbacks, ModelCheckpoint),
            enable_model_summary=False,
            use_distributed_sampler=False,  # each patch is scored exactly once (PatchOrder)
            num_sanity_val_steps=0,
        )
    except (ValueError, TypeError, MisconfigurationException) as error:
        raise ConfigError(f"trainer: {' '.join(str(error).split())}") from error
    # Signals are handled by StopRequest; Lightning's own handler would wait for other processes
    connector = trainer._signal_connector
    connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
    return trainer


def _strategy(group: ProcessGroup, plan: FreezePlan) -> Strategy | str:
    """Return how several processes train together.

    Args:
        group: the processes.
        plan: which epochs train the backbone; frozen parameters have no gradients to wait for.
    """
    if group.size == 1:
        return "auto"
    return DDPStrategy(find_unused_parameters=plan.ever_frozen)


def _has(callbacks: Sequence[Callback], kind: type[Callback]) -> bool:
    return any(isinstance(callback, kind) for callback in callbacks)


def silence_lightning() -> None:
    """Leave out what Lightning says about itself.

    Its messages are shown from warnings on, without ``IGNORED_WARNINGS``.
    """
    for name in ("lightning.pytorch", "lightning.fabric", "timm"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in IGNORED_WARNINGS:
        warnings.filterwarnings("ignore", message)
