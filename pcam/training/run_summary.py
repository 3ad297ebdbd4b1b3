"""What summary.json says about a training beside its metrics."""

from lightning import Trainer

from pcam.training.epochs import MedianRule
from pcam.training.preparation import Training, device_name
from pcam.training.results import (
    SplitResult,
    Summary,
    describe_data,
    describe_intervals,
    environment,
)
from pcam.training.step_network import describe_step


def summarise(training: Training, results: dict[str, SplitResult], best_epoch: int) -> Summary:
    """Return what summary.json holds beside the metrics."""
    config, data, model, trainer = (
        training.config,
        training.data,
        training.model,
        training.trainer,
    )
    assert model.weights_origin is not None
    versions, commit = environment()
    return Summary(
        intervals=describe_intervals(results[data.final_split].unit),
        epochs=trainer.current_epoch,
        max_epochs=config.trainer.max_epochs,
        best_epoch=best_epoch,
        pruned=_verdict(trainer),
        seed=config.seed,
        scale=config.scale,
        weights=model.weights_origin,
        parameters=model.network.count_parameters(),
        splits={"how": data.opened.how, "left_out": data.opened.left_out},
        classes=list(data.classes),
        patch_size=list(data.opened.size or ()),
        data=describe_data(data.sources, data.fingerprint()),
        device=device_name(trainer),
        processes=training.group.size,
        precision=str(trainer.precision),
        batchnorm="kept" if model.plan.keep_statistics else "moving",
        input_size=model.network.input_size,
        batched=data.batched is not None,
        batch=describe_batch(training),
        find_lr=describe_found_rates(training),
        step=describe_step(trainer),
        versions=versions,
        commit=commit,
    )


def describe_found_rates(training: Training) -> dict[str, float] | None:
    """Return the learning rates of a search for summary.json; None if there was none."""
    if not training.config.trainer.find_lr:
        return None
    settings = training.model.optimizer_config
    return {"lr": settings.lr, "head_lr": settings.head_lr}


def describe_batch(training: Training) -> dict[str, int | list[dict[str, int]]]:
    """Return the batches of each process for summary.json, as asked and as used."""
    split, config = training.split, training.config
    asked = config.trainer.accumulate_grad_batches
    return {
        "size": training.data.batch_size,
        "accumulated": asked * split.parts,
        "asked_size": config.data.batch_size,
        "asked_accumulated": asked,
        "changes": [{"epoch": epoch, "parts": parts} for epoch, parts in split.changes],
    }


def _verdict(trainer: Trainer) -> dict[str, float] | None:
    """Return why the median rule ended the training.

    Args:
        trainer: at the end of the training.

    Returns:
        The verdict; None if the rule did not end it, or is not used.
    """
    callbacks = trainer.callbacks  # type: ignore[attr-defined]
    for callback in callbacks:
        if isinstance(callback, MedianRule):
            return callback.verdict
    return None
