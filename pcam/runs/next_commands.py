"""The commands that are offered after a training."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pcam.errors import format_override
from pcam.runs.files import read_json
from pcam.runs.overrides import override_key

if TYPE_CHECKING:
    from pcam.config.schema import TrainConfig

# Words that the next commands leave out: they set the augmentation, the seed, or where to run.
REPLACED_KEYS = ("seed", "resume", "trainer.num_nodes")
QUICK = "recipe=quick"


def next_commands(folder: Path, config: TrainConfig, overrides: Sequence[str] | None) -> list[str]:
    """Return commands to try after a training.

    Args:
        folder: the run's.
        config: the run's.
        overrides: the command line that started it; None if it is not known.
    """
    words = [format_override("resume", folder)]
    if config.plugins:
        words.append(format_override("plugins", config.plugins))
    words.append(f"trainer.max_epochs={2 * config.trainer.max_epochs}")
    commands = [f"python -m pcam.train {' '.join(words)}   # train longer"]
    if overrides is not None and QUICK in overrides:
        commands.append(_best_command(overrides))
    if overrides is not None:
        square = _trains_on_squares(folder, config)
        commands.append(_sweep_command(config, overrides, square))
    return commands


def _best_command(overrides: Sequence[str]) -> str:
    """Return the command that trains as a quick one did, by the recipe for good figures."""
    kept = [word for word in overrides if word != QUICK and override_key(word) != "resume"]
    words = [*map(shlex.quote, kept), "recipe=best"]
    return f"python -m pcam.train {' '.join(words)}   # good figures, of all patches"


def _trains_on_squares(folder: Path, config: TrainConfig) -> bool:
    """Return whether the network is trained on square patches, as far as the summary says."""
    if config.crop.train in ("center", "random"):
        return True
    summary = read_json(folder / "summary.json") or {}
    return len(set(summary.get("patch_size", ()))) <= 1


def _sweep_command(config: TrainConfig, overrides: Sequence[str], square: bool) -> str:
    """Return the command that compares augmentations, or seeds.

    Args:
        config: the run's.
        overrides: the command line that started it. If it sets strengths of the augmentation,
            seeds are compared.
        square: whether patches are square; if not, there is no augmentation to compare with none.
    """
    kept = [word for word in overrides if override_key(word) not in REPLACED_KEYS]
    own_strengths = any(override_key(word).startswith("aug.") for word in kept)
    none_to_compare = config.aug.name == "none" and not square
    none_to_compare |= config.features.use  # features are of one augmentation
    if own_strengths or none_to_compare:
        varied, purpose = ["seed=0,1,2"], "repeat with three seeds"
    else:
        kept = [word for word in kept if override_key(word) != "aug"]
        other = "dihedral" if config.aug.name == "none" else "none"
        varied = [f"aug={config.aug.name},{other}", "seed=0,1,2"]
        purpose = "compare augmentations over three seeds"
    words = [*map(shlex.quote, kept), *varied]
    return f"python -m pcam.train -m {' '.join(words)}   # {purpose}"
