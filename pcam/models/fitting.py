"""Which of a file's tensors are a backbone's, and whether they fit."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor, nn

from pcam.errors import WeightsError
from pcam.models.dinov2_tensors import NAMES, with_timm_names
from pcam.models.namings import Naming, other_namings, own_naming
from pcam.models.pooling import PooledBackbone
from pcam.models.position_embeddings import resample_position_embeddings

State = dict[str, Tensor]
Tables = Mapping[str, State]  # by the keys that lead to them; "" for the file's own

# What libraries call classifiers; a backbone may have a layer of the same name, which is kept.
CLASSIFIERS = (
    *("fc.", "classifier.", "head.", "heads.", "head_dist.", "last_linear.", "pre_logits."),
    *("aux1.", "aux2.", "AuxLogits."),
)
# DenseNet's keys before torchvision 0.2: denselayer1.norm.1.weight is norm1.weight today.
EARLIER_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)")
MOST_PREFIXES = 3  # that are tried per table
DEEPEST = 3  # levels of tables in a file
SHOWN_KEYS = 8


@dataclass(frozen=True)
class Reading:
    """A backbone's weights, read from a table of a file under one prefix.

    Attributes:
        table: where the table is in the file: state_dict, or model.state_dict.
        prefix: of the keys in the table: backbone.
        state: the weights by the network's own names.
        left_out: keys of the table that are not the backbone's.
        faults: what is missing, unexpected or of another shape.
        matches: how many of the backbone's keys are there.
        changes: how names or values differ from the file's, for a person.
        others: what else of the file fits, and is not read.
    """

    table: str
    prefix: str
    state: State
    left_out: tuple[str, ...]
    faults: tuple[str, ...]
    matches: int
    changes: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The table and the prefix, as a person looks them up in the file."""
        return f"{self.table}[{self.prefix}…]" if self.prefix else self.table or "the file's keys"

    @property
    def is_plain(self) -> bool:
        """Whether the file holds the network's own names and values, and nothing else that fits."""
        return self.table in ("", "state_dict") and not (self.prefix or self.changes or self.others)

    def describe(self) -> str:
        """Return which keys are read, and which are left out."""
        text = ", ".join([self.name, *self.changes])
        if self.left_out:
            text += f"; left out: {shorten(self.left_out)}"
        if self.others:
            text += f"; not read, though it fits: {shorten(self.others)}"
        return text


def find_tables(content: object, name: str = "", depth: int = 0) -> dict[str, State]:
    """Return the tables of tensors in a file's content, by the keys that lead to them."""
    if not isinstance(content, Mapping) or not content:
        return {}
    if all(isinstance(value, Tensor) for value in content.values()):
        return {name: {str(key): value for key, value in content.items()}}
    if depth == DEEPEST:
        return {}
    tables: dict[str, State] = {}
    for key, value in content.items():
        tables |= find_tables(value, f"{name}.{key}" if name else str(key), depth + 1)
    return tables


def fit_reading(
    backbone: nn.Module, tables: Tables, classifier_prefixes: Sequence[str], what: str
) -> Reading:
    """Return the one way to read a backbone's weights from a file.

    Args:
        backbone: without its classifier.
        tables: of the file.
        classifier_prefixes: keys of the network's that begin so belong to its classifier.
        what: the file is, for messages.

    Raises:
        WeightsError: nothing fits, or more than one reading does.
    """
    network = _unpooled(backbone)
    readings = _readings(network, own_naming(network), tables, classifier_prefixes)
    fitting = [reading for reading in readings if not reading.faults]
    for naming in other_namings(network):
        if not fitting:
            renamed = _readings(network, naming, tables, classifier_prefixes)
            fitting = [reading for reading in renamed if not reading.faults]
    if not fitting:
        converted = _converted_readings(network, tables, classifier_prefixes)
        fitting = [reading for reading in converted if not reading.faults]
        readings += converted
    by_convention = [reading for reading in fitting if reading.table == "state_dict"]
    chosen = by_convention if len(by_convention) == 1 else fitting
    if len(chosen) == 1:
        others = tuple(reading.name for reading in fitting if reading is not chosen[0])
        return replace(chosen[0], others=others)
    if chosen:
        names = " and ".join(reading.name for reading in chosen)
        raise WeightsError(
            f"{what}: {names} fit the network; save the one to use in a file of its own"
        )
    nearest = max(readings, key=lambda reading: reading.matches)
    where = f" (read as {nearest.name})" if nearest.table or nearest.prefix else ""
    raise WeightsError(
        f"{what} do not fit the network (model.name, model.kwargs){where}: "
        f"{'; '.join(nearest.faults)}"
    )


def load_reading(backbone: nn.Module, reading: Reading) -> None:
    """Load weights that fit into a backbone."""
    pooled = "0." if isinstance(backbone, PooledBackbone) else ""
    state = {f"{pooled}{key}": value for key, value in reading.state.items()}
    backbone.load_state_dict(state, strict=False)  # BatchNorm's counters may be missing


def _unpooled(backbone: nn.Module) -> nn.Module:
    """Return a backbone's network, without a pooling that was added to it."""
    return backbone[0] if isinstance(backbone, PooledBackbone) else backbone


def _readings(
    network: nn.Module, naming: Naming, tables: Tables, classifier_prefixes: Sequence[str]
) -> list[Reading]:
    """Return what the tables of a file hold, under the likely prefixes."""
    return [
        _read(network, naming, state, classifier_prefixes, table, prefix)
        for table, state in tables.items()
        for prefix in _prefixes(naming, state)
    ]


def _converted_readings(
    network: nn.Module, tables: Tables, classifier_prefixes: Sequence[str]
) -> list[Reading]:
    """Return what the tables of a file hold in the form of transformers."""
    converted = {}
    for table, state in tables.items():
        renamed = with_timm_names(state)
        if renamed is not None:
            converted[table] = renamed
    naming = Naming(NAMES, own_naming(network).own)
    return _readings(network, naming, converted, classifier_prefixes)


def _prefixes(naming: Naming, state: State) -> list[str]:
    """Return the prefixes under which most of a network's keys are found; "" always."""
    counts: Counter[str] = Counter()
    for key in map(_current_name, state):
        for position in _name_starts(key):
            if key[position:] in naming.own:
                counts[key[:position]] += 1
    likely = [prefix for prefix, _ in counts.most_common(MOST_PREFIXES)]
    return likely if "" in likely else ["", *likely]


def _name_starts(key: str) -> Iterator[int]:
    """Yield where a key's parts begin: 0, and after each dot."""
    yield 0
    for match in re.finditer(r"\.", key):
        yield match.end()


def _current_name(key: str) -> str:
    return EARLIER_DENSENET.sub(r"\1\2", key)


def _read(
    network: nn.Module,
    naming: Naming,
    state: State,
    classifier_prefixes: Sequence[str],
    table: str,
    prefix: str,
) -> Reading:
    """Return what a table holds under a prefix."""
    own: State = network.state_dict()
    unknown = tuple(name for name in CLASSIFIERS if not any(key.startswith(name) for key in own))
    classifiers = (*classifier_prefixes, *unknown)
    found: State = {}
    left_out = []
    for key, value in state.items():
        name = _current_name(key.removeprefix(prefix))
        name = naming.own.get(name, name)
        if key.startswith(prefix) and not name.startswith(classifiers):
            found[name] = value
        else:
            left_out.append(key)
    found, resampled = resample_position_embeddings(network, found)
    changes = tuple(text for text in (naming.description, resampled) if text)
    matches = len(own.keys() & found.keys())
    return Reading(table, prefix, found, tuple(left_out), _misfits(own, found), matches, changes)


def _misfits(own: State, given: State) -> tuple[str, ...]:
    # BatchNorm's counters are no weights; not every format has them
    required = {key for key in own if not key.endswith("num_batches_tracked")}
    reshaped = [key for key in own.keys() & given.keys() if own[key].shape != given[key].shape]
    faults = (
        ("missing", required - given.keys()),
        ("unexpected", given.keys() - own.keys()),
        ("of another shape", reshaped),
    )
    return tuple(f"{len(keys)} {kind}: {shorten(sorted(keys))}" for kind, keys in faults if keys)


def shorten(keys: Sequence[str]) -> str:
    """Return some keys and how many more there are."""
    shown = ", ".join(keys[:SHOWN_KEYS])
    if len(keys) > SHOWN_KEYS:
        return f"{shown}, … (+{len(keys) - SHOWN_KEYS})"
    return shown
