"""What makes two runs the same: one classification of every key of a training's config.

Every key is in one of three classes. RESULT keys decide the figures. EXECUTION keys say where and
how a run was computed. OBSERVER keys say who watched it. Two runs with equal RESULT keys are the
same run, whatever their other keys say. Two runs that only differ in ``SEEDS`` repeat each other.

A config leaves some facts open: which weights ``auto`` found, the precision on this device, the
number of processes, the patches in a folder. Once a run has a summary, ``run_identity`` takes these
facts from it.

Resume, sweeps, compare and report all use this module.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from pcam.config.classes import positive_by_name

if TYPE_CHECKING:
    from pydantic import BaseModel

    Config = BaseModel | Mapping[str, object]


class KeyClass(Enum):
    """What a key of the config decides."""

    RESULT = "result"
    EXECUTION = "execution"
    OBSERVER = "observer"


class Relation(Enum):
    """How two runs relate."""

    SAME = "same"  # nothing that decides the figures differs
    REPEATS = "repeats"  # only seeds differ
    DIFFERENT = "different"


# Each key by its class. Keys of a section are listed below its name.
_CLASSES: dict[KeyClass, dict[str, str]] = {
    KeyClass.RESULT: {
        "": "seed scale",
        "data": "name batch_size sampler patches_per_epoch limit duplicates positive mismatch "
        "train valid test slides stain prevalence place data_seed",
        "splits": "name share seed file folds fold",
        "crop": "size interpolation train valid test",
        "aug": "name batched mixup brightness contrast saturation hue jitter_share "
        "stain_scale stain_shift rotation width_shift height_shift shear zoom horizontal_flip",
        "loss": "name label_smoothing positive_weight gamma",
        "optimizer": "name lr head_lr weight_decay kwargs",
        "scheduler": "name warmup start end factor patience",
        "finetune": "name unfreeze_epoch batchnorm blocks rank alpha layer_decay",
        # Features that are kept round otherwise than those that are computed in each step.
        "features": "use dtype augment",
        "model": "name kwargs weights mean std input_size",
        "model.head": "pool hidden dropout batch_norm",
        "trainer": "max_epochs precision accumulate_grad_batches gradient_clip_val on_nan "
        "early_stopping ema find_lr limit_train_batches",
        "trainer.prune": "after jobs",
    },
    KeyClass.EXECUTION: {
        "": "resume plugins",
        "data": "root converted slide_csv num_workers worker_timeout max_side resident changed",
        "features": "cache",
        # Tables that model.name and trainer.prune.after are chosen from; the choice is a RESULT.
        "model": "at_scale",
        "trainer.prune": "at_scale",
        # deterministic chooses among implementations of one operation, as the accelerator does.
        "trainer": "accelerator devices num_nodes deterministic compile progress "
        "out_of_memory checkpoint_minutes checkpoint_steps",
    },
    KeyClass.OBSERVER: {
        "logger": "names project entity group tags table artifact",
        "attribution": "every patches methods",
        "trainer": "tta",  # further figures, of the same training
    },
}


def _list_keys() -> dict[str, KeyClass]:
    """Return the class of each dotted key."""
    classes: dict[str, KeyClass] = {}
    for key_class, sections in _CLASSES.items():
        for section, names in sections.items():
            prefix = f"{section}." if section else ""
            keys = [prefix + name for name in names.split()]
            classes.update(dict.fromkeys(keys, key_class))
    return classes


KEYS = _list_keys()

# RESULT keys that repeats of one run may differ in.
SEEDS = frozenset({"seed", "splits.seed"})

# A resumed run keeps the rates that its start has found, or that were set.
_DECIDED_AT_THE_START = frozenset({"trainer.find_lr"})

# RESULT keys that a resumed run may change nevertheless: how long it trains, and its trainer.
CHANGEABLE = frozenset(
    key
    for key, of in KEYS.items()
    if of is KeyClass.RESULT and key.startswith("trainer.") and key not in _DECIDED_AT_THE_START
)

# Keys whose values are tables with names of a user's own.
_TABLES = ("model.kwargs", "model.at_scale", "optimizer.kwargs", "trainer.prune.at_scale")

_OBSERVER_SECTIONS = ("logger", "attribution", "callbacks.attribution")


def listed_key(key: str) -> str | None:
    """Return the entry of ``KEYS`` that a dotted key belongs to, or None.

    A key of an open table belongs to its table: ``model.kwargs.pad_type`` to ``model.kwargs``.
    """
    if key in KEYS:
        return key
    for table in _TABLES:
        if key.startswith(f"{table}."):
            return table
    return None


def key_class(key: str) -> KeyClass:
    """Return the class of a key or of a group.

    A key that is not listed is a plug-in's. It observes in the sections of loggers and attribution,
    and decides the figures elsewhere.
    """
    listed = listed_key(key)
    if listed is not None:
        return KEYS[listed]
    observes = any(f"{key}.".startswith(f"{section}.") for section in _OBSERVER_SECTIONS)
    return KeyClass.OBSERVER if observes else KeyClass.RESULT


def identity_table() -> list[tuple[str, str]]:
    """Return each key of a training's config with its class, in words, for the documentation."""
    rows = []
    for key in sorted(KEYS):
        label = KEYS[key].value
        if key in SEEDS:
            label += ", may differ between repeats"
        if key in CHANGEABLE:
            label += ", may change on resume"
        rows.append((key, label))
    return rows


def flatten_config(config: Config) -> dict[str, object]:
    """Return a config's values by dotted key, nested tables included."""
    values = config if isinstance(config, Mapping) else config.model_dump(mode="json")
    return dict(_walk(values, ""))


def _walk(values: Mapping[str, object], prefix: str) -> Iterator[tuple[str, object]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _walk(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def identifying_values(config: Config) -> dict[str, object]:
    """Return the values of a config's RESULT keys by dotted key."""
    flat = flatten_config(config)
    return {key: value for key, value in flat.items() if key_class(key) is KeyClass.RESULT}


def without_seeds(identity: Mapping[str, object]) -> dict[str, object]:
    """Return an identity without the keys that repeats may differ in."""
    return {key: value for key, value in identity.items() if key not in SEEDS}


def differing_keys(first: Mapping[str, object], second: Mapping[str, object]) -> list[str]:
    """Return the keys whose values differ between two identities; a missing key counts as None."""
    keys = dict.fromkeys([*first, *second])
    return [key for key in keys if first.get(key) != second.get(key)]


def run_identity(
    config: Config, summary: Mapping[str, object] | None, folder: Path
) -> dict[str, object]:
    """Return what decided a run's figures: its RESULT keys and the facts its config leaves open.

    Args:
        config: the run's.
        summary: its summary.json; None while it has none.
        folder: the run's.

    Returns:
        Values by dotted key. "processes" and "SPLIT patches" are facts without a key of their own.
    """
    identity = identifying_values(config)
    if summary is None:
        return identity
    identity |= _resolved_values(summary)
    identity["processes"] = summary.get("processes")
    if (folder / "splits.csv").is_file() and "splits.seed" in identity:
        # The seed drew this split, so repeats have other patches. Their folder identifies the data.
        identity["data.root"] = flatten_config(config).get("data.root")
    else:
        identity |= _patch_fingerprints(summary)
    return identity


def _resolved_values(summary: Mapping[str, object]) -> dict[str, object]:
    """Return what keys that may be "auto" resolved to."""
    resolved: dict[str, object] = {}
    weights = summary.get("weights")
    if isinstance(weights, Mapping):
        origin, detail = str(weights.get("origin")), str(weights.get("detail", ""))
        resolved["model.weights"] = f"{origin} ({detail})" if "sha256" in detail else origin
    if summary.get("precision") is not None:
        resolved["trainer.precision"] = summary["precision"]
    classes = summary.get("classes")
    if isinstance(classes, list):
        # Typed or not, a class that the names say is positive is the same choice.
        said = positive_by_name(classes) == classes[-1]
        resolved["data.positive"] = None if said else classes[-1]
    if summary.get("batched") is not None:
        resolved["aug.batched"] = summary["batched"]
    splits = summary.get("splits")
    if isinstance(splits, Mapping):
        resolved["splits.name"] = splits.get("how")
    return resolved


def _patch_fingerprints(summary: Mapping[str, object]) -> dict[str, object]:
    """Return the fingerprints of the evaluated patches; train may be limited to a seed's draw."""
    data = summary.get("data")
    if not isinstance(data, Mapping):
        return {}
    fingerprints: dict[str, object] = {}
    for split, facts in data.items():
        if split != "train" and isinstance(facts, Mapping):
            fingerprints[f"{split} patches"] = str(facts.get("sha256"))[:8]
    return fingerprints


def relate_runs(first: Mapping[str, object], second: Mapping[str, object]) -> Relation:
    """Return how two runs relate, by their identities (``run_identity``)."""
    differing = set(differing_keys(first, second))
    if not differing:
        return Relation.SAME
    return Relation.REPEATS if differing <= SEEDS else Relation.DIFFERENT


def identity_key(identity: Mapping[str, object]) -> str:
    """Return a text that is equal for equal identities; a missing key counts as None."""
    present = {key: value for key, value in identity.items() if value is not None}
    return repr(sorted(present.items()))


def repeat_key(config: Config, summary: Mapping[str, object] | None, folder: Path) -> str:
    """Return a text that is equal for runs that repeat each other, and for no others.

    The arguments are those of ``run_identity``.
    """
    return identity_key(without_seeds(run_identity(config, summary, folder)))
