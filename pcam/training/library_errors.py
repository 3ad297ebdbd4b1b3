"""Failures that only torch or Lightning can find, as expected failures."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException

from pcam.errors import ConfigError, describe_error

NO_MEMORY = "can't allocate memory"  # torch's allocator on a CPU
SINGLE_VALUE = "Expected more than 1 value per channel when training"  # torch's BatchNorm


@contextmanager
def library_errors_reported() -> Iterator[None]:
    """Report what a training cannot be done with.

    Raises:
        ConfigError: a batch too small for BatchNorm, no memory left, or a setting of the trainer.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise ConfigError(
            "the GPU has no memory left: lower data.batch_size, and raise "
            "trainer.accumulate_grad_batches as much to keep the size of a step"
        ) from error
    except MemoryError as error:
        raise ConfigError(_describe_memory(error)) from error
    except RuntimeError as error:
        if NO_MEMORY not in str(error):
            raise
        raise ConfigError(_describe_memory(error)) from error
    except MisconfigurationException as error:
        raise ConfigError(f"trainer: {describe_error(error)}") from error
    except ValueError as error:
        if SINGLE_VALUE not in str(error):
            raise
        raise ConfigError(
            "BatchNorm needs more than one value per channel, and a batch has one patch: set "
            "data.batch_size to at least 2 (and data.limit), or model.head.batch_norm=false, or "
            "finetune.batchnorm=kept"
        ) from error


def _describe_memory(error: Exception) -> str:
    sizes = "data.batch_size, model.input_size, model.head.hidden or the number of patches"
    return f"this machine has not enough memory ({describe_error(error)}); lower {sizes}"
