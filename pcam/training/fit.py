"""One training, from a plain config into a run folder, in one process or several."""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from lightning import Trainer, seed_everything

from pcam.attribution.callback import attribution_callbacks
from pcam.config.tables import check
from pcam.data.base import describe_source
from pcam.data.datamodule import PatchDataModule
from pcam.data.loading import describe_splits
from pcam.errors import ConfigError, RunError, describe_error, format_override
from pcam.models.classifier import PatchClassifier
from pcam.models.weights import WeightsOrigin, load_initial_weights
from pcam.runs.files import read_metrics, write_file, write_json
from pcam.runs.folder import Config, best_checkpoint, last_checkpoint, network_label, write_config
from pcam.runs.predictions import write_predictions, write_splits
from pcam.runs.provenance import code_commit, library_versions
from pcam.stats.formatting import format_facts, format_metrics, format_parameters, format_warning
from pcam.stats.intervals import METHOD, RESAMPLES, bootstrap_metrics, unit
from pcam.training.callbacks import MedianRule, build_callbacks
from pcam.training.loggers import finish_loggers, log_results, start_loggers
from pcam.training.plots import curves
from pcam.training.processes import STOPPED, ProcessGroup, launch_processes, process_group
from pcam.training.trainer import build_trainer, devices, processes, silence_lightning


def train(config: Config, folder: Path, resume: bool, job: int | None = None) -> dict[str, Any]:
    """Train, test and leave a run folder.

    Args:
        config: plain values and names, as config.yaml holds them.
        folder: the run's.
        resume: go on from the folder's last checkpoint.
        job: its number in a sweep, whose jobs take one device each where the config leaves it open.

    Returns:
        What summary.json holds; nothing where another node writes it.
    """
    config = {
        **config,
        "trainer": {**config["trainer"], "devices": devices(config["trainer"], job)},
    }
    group = process_group(config["trainer"], processes(config["trainer"]))
    if group.size == 1:
        return fit(config, folder, resume, group)
    launch_processes(group, fit, config, folder, resume, group)
    if group.node:
        return {}
    summary: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return summary


def fit(config: Config, folder: Path, resume: bool, group: ProcessGroup) -> dict[str, Any]:
    """Be one process of a training; rank 0 writes."""
    silence_lightning()
    settings, seed = config["trainer"], config["seed"]
    check(seed, int, "seed")
    if not 0 <= seed < 2**32:
        raise ConfigError(f"seed={seed} is not in [0, 2^32)")
    seed_everything(seed, verbose=False)
    data = PatchDataModule(config["data"], config["splits"], config["crop"], config["aug"], seed)
    model = classifier(config)
    network = config["model"]
    if resume:
        began = _began(folder, settings["max_epochs"])
    else:
        began = load_initial_weights(
            model.network.backbone,
            network["name"],
            network["kwargs"],
            network["weights"],
            model.network.input_size,
        )
    model.began = asdict(began)
    # maps first: after them a moving average takes its weights back
    callbacks = [*attribution_callbacks(config, folder), *build_callbacks(settings, folder)]
    trainer = build_trainer(settings, folder, group, callbacks, model.plan)
    if trainer.is_global_zero:
        if data.opened.how != "official":
            write_splits(folder, data.sources)
        print(format_facts(facts(config, folder, data, model, trainer, resume)), flush=True)
        if network["weights"] == "auto" and began.origin == "random":
            print(
                format_warning(f"RANDOM WEIGHTS (model.weights=auto): {began.detail}"),
                file=sys.stderr,
                flush=True,
            )
    checkpoint = last_checkpoint(folder) if resume else None
    if resume and trainer.is_global_zero:
        write_config(folder, config)
    dashboards, status = start_loggers(config, folder) if trainer.is_global_zero else [], 1
    trainer.loggers = dashboards
    try:
        trainer.fit(model, data, ckpt_path=checkpoint, weights_only=True)
        summary = conclude(config, folder, data, model, settings, group, trainer)
        status = 0
    except SystemExit:  # Lightning's answer to ctrl-C, with a status of 1
        if trainer.is_global_zero and last_checkpoint(folder).is_file():
            print(
                f"\nstopped; go on with: python -m pcam.train {format_override('resume', folder)}",
                file=sys.stderr,
            )
        raise SystemExit(STOPPED) from None
    finally:
        finish_loggers(dashboards, status)
    return summary


def classifier(config: Config) -> PatchClassifier:
    """Build the untrained classifier that a config describes."""
    network = {
        key: value for key, value in config["model"].items() if key not in ("weights", "at_scale")
    }
    network["interpolation"] = config["crop"]["interpolation"]
    parts = {key: config[key] for key in ("loss", "optimizer", "scheduler", "finetune", "seed")}
    return PatchClassifier(network=network, epochs=config["trainer"]["max_epochs"], **parts)


def conclude(
    config: Config, folder: Path, data: PatchDataModule, model: PatchClassifier, settings: Mapping[str, Any], group: ProcessGroup,
    trained: Trainer,
) -> dict[str, Any]:  # fmt: skip
    """Score valid and the final split with the best checkpoint; write and print what a run ends with."""
    state = torch.load(best_checkpoint(folder), map_location="cpu", weights_only=True)
    model.load_state_dict(state["state_dict"])
    # A trainer of its own: the weights to score are the checkpoint's, whatever a moving average still holds.
    trainer = build_trainer({**settings, "progress": False}, folder, group, [], model.plan)
    final = data.final_split
    trainer.validate(model, datamodule=data, verbose=False)
    if final == "test":
        trainer.test(model, datamodule=data, verbose=False)
    summary: dict[str, Any] = {}
    if not trainer.is_global_zero:
        return summary
    for split in dict.fromkeys(("valid", final)):
        scores, source = model.scores[split], data.sources[split]
        write_predictions(
            folder, split, source.ids, scores.label, scores.probability, source.groups
        )
        figures = bootstrap_metrics(
            scores.probability, scores.label, source.groups, means={"loss": scores.loss}
        )
        summary[split] = figures
    over = unit(data.sources[final].groups)
    summary |= {
        "intervals": {"level": 0.95, "over": over, "method": METHOD, "resamples": RESAMPLES},
        "epochs": trained.current_epoch,
        "best_epoch": int(state["epoch"]),
        "pruned": next(
            (one.verdict for one in trained.callbacks if isinstance(one, MedianRule)),  # type: ignore[attr-defined]
            None,
        ),
        "seed": config["seed"],
        "scale": config["scale"],
        "weights": model.began,
        "parameters": counted(model),
        "splits": {"how": data.opened.how, "left_out": data.opened.left_out},
        "data": {
            split: {"patches": len(source), "positive": int(source.labels.sum()), "sha256": digest}  # type: ignore[union-attr]
            for (split, source), digest in zip(
                data.sources.items(), data.fingerprint().values(), strict=True
            )
        },
        "device": _device(trained),
        "processes": group.size,
        "precision": str(trained.precision),
        "versions": library_versions(),
        "commit": code_commit(),
    }
    epochs = read_metrics(folder / "metrics.csv")
    released = model.plan.unfreeze_epoch
    write_file(
        folder / "figures" / "curves.png",
        curves(epochs, f"{network_label(config)} on {config['data']['name']}", released),
    )
    write_json(folder / "summary.json", summary)
    log_results(
        trained.loggers, config, folder, summary, final, data.sources[final], model.scores[final]
    )
    print(
        "\n"
        + format_metrics(
            final, describe_source(data.sources[final], config["scale"]), summary[final], over
        )
    )
    if final == "valid":
        print(
            f"  {config['data']['name']} has no labelled test split: this table is of valid, which chose the checkpoint"
        )
    print(f"\n{folder}", flush=True)
    return summary


def facts(
    config: Config,
    folder: Path,
    data: PatchDataModule,
    model: PatchClassifier,
    trainer: Trainer,
    resume: bool,
) -> list[tuple[str, str]]:
    """Return what is trained, on what, and how, for the screen before it."""
    crop = config["crop"]
    plan, counts = model.plan, counted(model)
    size = model.network.input_size
    trained = "all layers" if not plan.ever_frozen else "the head alone"
    if plan.unfreeze_epoch:
        trained += (
            f" to epoch {plan.unfreeze_epoch}, all layers from epoch {plan.unfreeze_epoch + 1}"
        )
    if plan.ever_frozen and plan.unfreeze_epoch is None:
        frozen = f"{counts['head']:,} parameters trained, {counts['backbone']:,} frozen"
    else:
        frozen = f"{sum(counts.values()):,} parameters trained"
    statistics = (
        ""
        if plan.unfreeze_epoch is None
        else f"; BatchNorm's statistics {config['finetune']['batchnorm']}"
    )
    crops = ", ".join(f"{split} {crop[split]}" for split in data.sources)
    crop_told = (
        "whole patch"
        if set(crop[split] for split in data.sources) == {"none"}
        else f"{crop['size']} px: {crops}"
    )
    shown = f"{size} px ({crop['interpolation']})" if size else "as it comes"
    rates = " ".join(
        f"{key}={config['optimizer'][key]:g}" for key in ("lr", "head_lr", "weight_decay")
    )
    return [
        ("pcam", f"resuming {folder}" if resume else f"training into {folder}"),
        *(
            (split, f"{config['data']['name']}: {describe_source(source)}")
            for split, source in data.sources.items()
        ),
        ("splits", describe_splits(data.opened)),
        ("crop", crop_told),
        ("augmentation", config["aug"]["name"]),
        ("network", f"{network_label(config)}, input {shown}, {format_parameters(counts)}"),
        ("weights", model.began_as()),
        ("trained", f"{trained}; {frozen}{statistics}"),
        (
            "loss",
            f"{config['loss']['name']}, label smoothing {config['loss']['label_smoothing']:g}",
        ),
        (
            "optimizer",
            f"{config['optimizer']['name']} {rates}, scheduler {config['scheduler']['name']}",
        ),
        ("epochs", f"{config['trainer']['max_epochs']}, batches of {data.batch_size}"),
        (
            "device",
            f"{_device(trainer)}, {trainer.world_size} process(es), precision {trainer.precision}",
        ),
        ("seed", str(config["seed"])),
    ]


def counted(model: PatchClassifier) -> dict[str, int]:
    """Return the parameters of backbone and head."""
    return {
        part: sum(p.numel() for p in getattr(model.network, part).parameters())
        for part in ("backbone", "head")
    }


def _began(folder: Path, epochs: int) -> WeightsOrigin:
    """Return what a run's weights began as; make sure that its last checkpoint can be gone on from."""
    path = last_checkpoint(folder)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        done, began = int(state["epoch"]) + 1, WeightsOrigin(**state["began"])
    except Exception as error:  # torch.load has its own family of errors for each way in which a file can be broken
        raise RunError(
            f"{path} cannot be read safely as a checkpoint ({describe_error(error)}); begin the run anew"
        ) from error
    if done > epochs:
        raise RunError(
            f"{folder} has been trained for {done} epochs already; trainer.max_epochs={epochs} must not be less"
        )
    return began


def _device(trainer: Trainer) -> str:
    device = trainer.strategy.root_device
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
