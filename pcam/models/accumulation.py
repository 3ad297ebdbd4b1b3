"""Gradients that are accumulated over several batches."""

from pcam.errors import ConfigError


def accumulated_batches(batch: int, setting: int, batches: int) -> int:
    """Return over how many batches the gradient of a batch's step is accumulated.

    The last step of an epoch has the rest of its batches.

    Args:
        batch: number of the batch in its epoch, from 0.
        setting: ``trainer.accumulate_grad_batches``.
        batches: of an epoch and process.
    """
    first = batch - batch % setting
    return min(setting, batches - first)


def loss_factor(batch: int, setting: int, batches: int) -> float:
    """Return what a batch's loss is multiplied by, so that a step has the mean of its batches.

    Lightning divides each loss by the setting, also where fewer batches are left. The arguments are
    those of ``accumulated_batches``.
    """
    return setting / accumulated_batches(batch, setting, batches)


def ensure_epoch_holds_a_step(setting: int, batches: int) -> None:
    """Make sure that an epoch has as many batches as a step accumulates.

    Raises:
        ConfigError: it has fewer.
    """
    if setting > batches:
        raise ConfigError(
            f"trainer.accumulate_grad_batches={setting} must be at most {batches}, the batches of "
            "an epoch (and process); lower it or data.batch_size"
        )
