"""Every key of every command, with each odd value, at the level of the schema."""

import copy
import random
from collections.abc import Iterator
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import yaml

from tests.mutations.cases import Content, Mutation
from tests.mutations.texts import ODD, Keys, value_at

# The choices of each group that have keys of their own, per command.
TRAININGS = (
    (),
    ("data=pcam", "data.root=/data", "aug=paper", "optimizer=sgd", "scheduler=cosine"),
    ("data=kaggle", "data.root=/data", "aug=keras", "scheduler=plateau", "loss=bce"),
    ("finetune=last_blocks",),
    ("finetune=lora",),
    ("data=folder", "data.root=/data", "aug=stain", "optimizer=adamw", "splits=random"),
    ("splits=folds", "finetune=frozen_then_unfrozen", "crop=center32", "scheduler=none"),
    ("splits=slide", "finetune=frozen", "logger=wandb", "model=timm"),
    ("splits=file", "splits.file=/data/splits.csv", "logger=tensorboard", "aug=none"),
    ("splits=official", "model=googlenet", "loss=focal"),
)
OTHER = ("data=pcam", "data.root=/data")
COMMANDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "train": TRAININGS,
    "evaluate": (("run=/run",), ("run=/run", *OTHER)),
    "predict": (("run=/run",), ("run=/run", *OTHER)),
    "slide": (("run=/run", "slide=/slide.svs"),),
    "export": (("run=/run",),),
    "ensemble": (("runs=[/run]",),),
    "compare": (("runs=[/run]",),),
    "attribute": (("run=/run",), ("run=/run", *OTHER)),
    "bias": (("run=/run",), ("run=/run", *OTHER)),
    "probe": (("model=timm", *OTHER),),
    "prepare": ((), OTHER, ("data=kaggle", "data.root=/data", "splits=slide")),
    "report": (("runs=[/run]",),),
}
REVIEWED = Path(__file__).with_name("accepted.yaml")


@cache
def _reviewed() -> dict[str, dict[str, frozenset[str]]]:
    """Return which odd values each key may have, by command; ``accepted.yaml`` explains it."""
    table: dict[str, dict[str, frozenset[str]]] = {}
    content = yaml.safe_load(REVIEWED.read_text())
    for entry in content:
        labels = frozenset(map(str, entry["values"]))
        for command, keys in entry["keys"].items():
            table.setdefault(command, {}).update(dict.fromkeys(keys, labels))
    return table


def accepted(command: str, key: str, label: str) -> bool:
    """Return whether a key may have an odd value."""
    return label in _reviewed().get(command, {}).get(key, frozenset())


@cache
def composed(command: str) -> list[dict[str, Any]]:
    """Return a command's configs, which together have all of its keys."""
    from tests.run import composed_values

    return [composed_values(*words, command=command) for words in COMMANDS[command]]


def all_keys() -> Iterator[tuple[str, int, Keys]]:
    """Yield each key of each command once, with the number of a config that has it."""
    for command in COMMANDS:
        seen: set[tuple[Keys, str]] = set()
        for number, values in enumerate(composed(command)):
            for keys in _keys_of(values, ()):
                of_choice = (keys, _choice(values, keys))
                if of_choice not in seen:
                    seen.add(of_choice)
                    yield command, number, keys


def _keys_of(values: dict[str, Any], prefix: Keys) -> Iterator[Keys]:
    for key, value in values.items():
        yield (*prefix, key)
        if isinstance(value, dict):
            yield from _keys_of(value, (*prefix, key))


def _choice(values: dict[str, Any], keys: Keys) -> str:
    """Return the choice that a key belongs to: the same key of another is another."""
    section = values.get(str(keys[0]))
    return str(section.get("name", "")) if isinstance(section, dict) else ""


class AllKeys:
    """The configs of all commands."""

    name = "keys"

    def __init__(self) -> None:
        self._config: tuple[str, dict[str, Any]] = ("compare", {})

    def build(self, folder: Path) -> None:
        """Choose any config: each case has its own."""
        self._config = ("compare", composed("compare")[0])

    def read(self, folder: Path) -> Content:
        """Validate the config of the case."""
        from pcam.config import schema
        from pcam.config.validation import validate

        command, values = self._config
        model = getattr(schema, f"{command.capitalize()}Config")
        return validate(model, values).model_dump()

    @cached_property
    def mutations(self) -> list[Mutation]:
        """Each key of each command with each odd value."""
        found = []
        for command, number, keys in all_keys():
            for label in ODD:
                found.append(self._mutation(command, number, keys, label))
        return found

    def _mutation(self, command: str, number: int, keys: Keys, label: str) -> Mutation:
        dotted = ".".join(map(str, keys))

        def apply(folder: Path, draw: random.Random) -> None:
            values = copy.deepcopy(composed(command)[number])
            value_at(values, keys[:-1])[keys[-1]] = copy.deepcopy(ODD[label])
            self._config = (command, values)

        right = accepted(command, dotted, label)
        # compared with another command's config: what counts is whether it is accepted at all
        return Mutation(f"{command}: {dotted}={label}", apply, lambda *_: right)


def print_accepted() -> None:
    """Print accepted.yaml anew, from what the schema accepts now, to be reviewed."""
    from pcam.errors import PcamError

    subject = AllKeys()
    table: dict[tuple[str, ...], dict[str, dict[str, None]]] = {}
    found: dict[tuple[str, str], list[str]] = {}
    for command, number, keys in all_keys():
        for label in ODD:
            subject._mutation(command, number, keys, label).apply(Path(), random.Random(0))
            try:
                subject.read(Path())
            except PcamError:
                continue
            labels = found.setdefault((command, ".".join(map(str, keys))), [])
            if label not in labels:
                labels.append(label)
    for (command, key), labels in found.items():
        table.setdefault(tuple(labels), {}).setdefault(command, {})[key] = None
    entries = [
        {"values": list(labels), "keys": {command: list(keys) for command, keys in of.items()}}
        for labels, of in table.items()
    ]
    print(yaml.safe_dump(entries, sort_keys=False, default_flow_style=None, width=100))


if __name__ == "__main__":
    print_accepted()
