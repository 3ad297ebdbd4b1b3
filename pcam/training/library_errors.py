"""Failures that only torch or Lightning can find, as expected failures."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException

from pcam.config.sections import DataConfig
from pcam.errors import ConfigError, describe_error

NO_MEMORY = "can't allocate memory"  # torch's allocator on a CPU
NO_DEVICE_MEMORY = (
    *("CUDA out of memory", "CUDA error: out of memory", "MPS backend out of memory"),
    *("CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED"),
)
SINGLE_VALUE = "Expected more than 1 value per channel when training"  # torch's BatchNorm


class DeviceMemoryError(ConfigError):
    """The memory of a device is full.

    Args:
        *faults: as of every ``PcamError``; none for the usual line.
        parts: into how many parts a batch has to be split to go on; None if it cannot be.
    """

    def __init__(self, *faults: str, parts: int | None = None) -> None:
        usual = (
            "the GPU has no memory left: lower data.batch_size, and raise "
            "trainer.accumulate_grad_batches as much to keep the size of a step"
        )
        super().__init__(*(faults or (usual,)))
        self.parts = parts


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error of torch's says that the memory of a device is full."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and any(part in text for part in NO_DEVICE_MEMORY)


@contextmanager
def memory_errors_reported() -> Iterator[None]:
    """Report that no memory is left, for work whose advice is the caller's.

    Raises:
        ConfigError: in place of torch's or Python's error; it names the machine or its GPU.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        on_gpu = is_out_of_memory(error)
        if not (on_gpu or isinstance(error, MemoryError) or NO_MEMORY in str(error)):
            raise
        place = "the GPU" if on_gpu else "this machine"
        raise ConfigError(f"{place} has not enough memory ({describe_error(error)})") from error


@contextmanager
def library_errors_reported(data: DataConfig | None = None, processes: int = 1) -> Iterator[None]:
    """Report what a training cannot be done with.

    Args:
        data: the config's ``data``, for the advice.
        processes: that train together.

    Raises:
        ConfigError: a batch too small for BatchNorm, no memory left, or a setting of the trainer.
    """
    try:
        yield
    except MemoryError as error:
        raise ConfigError(_describe_memory(error)) from error
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise DeviceMemoryError from error
        if NO_MEMORY not in str(error):
            raise
        raise ConfigError(_describe_memory(error)) from error
    except MisconfigurationException as error:
        raise ConfigError(f"trainer: {describe_error(error)}") from error
    except ValueError as error:
        if SINGLE_VALUE not in str(error):
            raise
        raise ConfigError(_describe_single_patch(data, processes)) from error


def _describe_single_patch(data: DataConfig | None, processes: int) -> str:
    """Return why BatchNorm has no statistics, and the key that decides the size of the batch."""
    cause = "data.batch_size to at least 2 (and data.limit)"
    per_epoch = None if data is None else data.patches_per_epoch
    if isinstance(per_epoch, int) and per_epoch < 2 * processes:
        cause = f"data.patches_per_epoch to at least {2 * processes}, not {per_epoch}"
    return (
        f"BatchNorm needs more than one value per channel, and a batch has one patch: set {cause}, "
        "or model.head.batch_norm=false, or finetune.batchnorm=kept"
    )


def _describe_memory(error: Exception) -> str:
    sizes = "data.batch_size, model.input_size, model.head.hidden or the number of patches"
    return f"this machine has not enough memory ({describe_error(error)}); lower {sizes}"
