"""Registries: what can be chosen by name, built in or added by a user.

A config, a run folder and a checkpoint hold plain names ("pcam", "cosine"). Only these registries
say what a name runs, so a file that somebody sends chooses among what is registered and nothing
else: no dotted path is ever followed.

Adding an entry::

    @register_loss("focal", config=FocalConfig)
    def focal(logit, label, config): ...
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from pcam.config.base import Section
from pcam.errors import ConfigError, suggest

Target = TypeVar("Target")


@dataclass(frozen=True)
class Entry:
    """Something that can be chosen by name.

    Attributes:
        name: what a config calls it.
        target: the registered function or class.
        config: the pydantic class of its section; None if it has no settings.
        details: what else was given when it was registered.
    """

    name: str
    target: Any
    config: type[Section] | None
    details: Mapping[str, Any] = field(default_factory=dict)


class Registry:
    """The entries of one kind.

    Args:
        kind: what the entries are, for messages ("loss").
        key: the config's key that names an entry ("loss.name").
        modules: pcam's modules that register entries; imported when the registry is first read.
    """

    def __init__(self, kind: str, key: str, modules: Sequence[str]) -> None:
        self.kind = kind
        self.key = key
        self._modules = tuple(modules)
        self._entries: dict[str, Entry] = {}
        self._fallback: Entry | None = None
        self._check_fallback: Callable[[str], None] | None = None
        self._loaded = False

    def register(
        self, name: str, *, config: type[Section] | None = None, **details: Any
    ) -> Callable[[Target], Target]:
        """Return a decorator that registers a function or class.

        Args:
            name: what a config calls it.
            config: the class of its section; None if it has no settings.
            **details: anything else that the kind's documentation asks for.

        Raises:
            ConfigError: the name belongs to another entry.
        """

        def decorate(target: Target) -> Target:
            self._add(Entry(name, target, config, details))
            return target

        return decorate

    def _add(self, entry: Entry) -> None:
        built_in = getattr(entry.target, "__module__", "").startswith("pcam.")
        if not built_in:
            self._load()  # so that a name that is taken is found
        known = self._entries.get(entry.name)
        if known is not None and not same_definition(known.target, entry.target):
            raise ConfigError(f"the {self.kind} {entry.name} is registered already")
        self._entries[entry.name] = entry

    def register_fallback(
        self,
        *,
        check: Callable[[str], None],
        config: type[Section] | None = None,
        **details: Any,
    ) -> Callable[[Target], Target]:
        """Return a decorator that registers what handles every name that no entry has.

        Args:
            check: raises ConfigError, with similar names, if it cannot handle a name.
            config: the class of its section.
            **details: as in ``register``.
        """

        def decorate(target: Target) -> Target:
            self._fallback = Entry("", target, config, details)
            self._check_fallback = check
            return target

        return decorate

    def get(self, name: object) -> Entry:
        """Return the entry of a name.

        Raises:
            ConfigError: no entry has this name.
        """
        self._load()
        if isinstance(name, str) and name in self._entries:
            return self._entries[name]
        if self._fallback is not None and isinstance(name, str):
            return replace(self._fallback, name=name)
        raise ConfigError(f"{self.key}={name} is not available{suggest(str(name), self._entries)}")

    def check_name(self, name: str) -> None:
        """Make sure that a name can be used; of a fallback's names this may import a large library.

        Raises:
            ConfigError: it cannot.
        """
        self.get(name)
        if name not in self._entries and self._check_fallback is not None:
            self._check_fallback(name)

    def names(self) -> list[str]:
        """Return the names of all entries."""
        self._load()
        return list(self._entries)

    def __contains__(self, name: object) -> bool:
        self._load()
        return name in self._entries

    def _load(self) -> None:
        """Import the modules whose entries are built in."""
        if self._loaded:
            return
        self._loaded = True
        for module in self._modules:
            importlib.import_module(module)


def same_definition(one: object, other: object) -> bool:
    """Return whether two functions or classes are one definition, perhaps imported twice."""
    names = ("__module__", "__qualname__")
    return all(getattr(one, name, None) == getattr(other, name, None) for name in names)


sources = Registry(
    "source",
    "data.name",
    (
        "pcam.data.sources.pcam",
        "pcam.data.sources.kaggle",
        "pcam.data.sources.folder",
        "pcam.data.sources.synthetic.registration",
    ),
)
backbones = Registry("backbone", "model.name", ("pcam.models.backbones",))
augmentations = Registry("augmentation", "aug.name", ("pcam.data.augment.recipes",))
losses = Registry("loss", "loss.name", ("pcam.models.losses",))
optimizers = Registry("optimizer", "optimizer.name", ("pcam.models.optimizers",))
schedulers = Registry("scheduler", "scheduler.name", ("pcam.models.schedules",))
methods = Registry(
    "attribution method", "methods", ("pcam.attribution.methods", "pcam.attribution.layer_methods")
)
callbacks = Registry("callback", "callbacks", ("pcam.attribution.callback",))
loggers = Registry("logger", "logger.names", ("pcam.training.loggers",))
metrics = Registry("metric", "metrics", ("pcam.models.metrics",))

register_source = sources.register
register_backbone = backbones.register
register_augmentation = augmentations.register
register_loss = losses.register
register_optimizer = optimizers.register
register_scheduler = schedulers.register
register_method = methods.register
register_callback = callbacks.register
register_logger = loggers.register
register_metric = metrics.register
