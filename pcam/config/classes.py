"""The two classes of the patches: their names, and which of them is positive (label 1)."""

from collections.abc import Sequence
from typing import TypeAlias

from pcam.errors import ConfigError, format_override

Classes: TypeAlias = tuple[str, str]  # the names of the labels 0 and 1
ClassName: TypeAlias = str | int | float | bool  # as data.positive is typed: Hydra reads 1 as int

UNNAMED: Classes = ("negative", "positive")
TUMOUR: Classes = ("normal", "tumour")

# Names that say by themselves that a class is the positive one, in any case.
POSITIVE_NAMES = frozenset(
    (
        *("tumour", "tumor", "tumours", "tumors", "tumoral", "tumorous", "cancer", "cancerous"),
        *("carcinoma", "metastasis", "metastases", "metastatic", "malignant", "malignancy"),
        *("positive", "positives", "pos", "true", "yes"),
    )
)
COUNTED = frozenset(("0", "1"))  # "1" says so only beside "0": classes may be grades 1 and 2


def positive_by_name(names: Sequence[str]) -> str | None:
    """Return the one of two class names that says that it is the positive class.

    Args:
        names: of the two classes.

    Returns:
        The name; None if none or both say so.
    """
    if set(names) == COUNTED:
        return "1"
    positive = [name for name in names if name.strip().casefold() in POSITIVE_NAMES]
    return positive[0] if len(positive) == 1 else None


def find_class(typed: ClassName, names: Sequence[str]) -> str | None:
    """Return the class name that ``data.positive`` means; None if there is none, or several.

    Hydra reads ``01`` as the number 1 and ``True`` as true, so a name that reads as the same value
    is meant too, unless another has exactly these letters.
    """
    if str(typed) in names:
        return str(typed)
    if isinstance(typed, str):
        return None
    same = [name for name in names if _reads_as(name, typed)]
    return same[0] if len(same) == 1 else None


def _reads_as(name: str, typed: ClassName) -> bool:
    if isinstance(typed, bool):
        return name.casefold() == str(typed).casefold()
    try:
        return float(name) == typed
    except ValueError:
        return False


def order_classes(names: Sequence[str], typed: ClassName | None, where: str) -> Classes:
    """Return the names of the labels 0 and 1.

    Args:
        names: of the two classes.
        typed: the config's ``data.positive``.
        where: the classes are, for messages.

    Raises:
        ConfigError: ``data.positive`` is not one of them, or is not given and neither name says
            that it is the positive class.
    """
    positive = positive_by_name(names) if typed is None else find_class(typed, names)
    if positive is None:
        raise ConfigError(f"{_describe_fault(names, typed, where)}; set {positive_keys(names)}")
    negative = next(name for name in names if name != positive)
    return negative, positive


def _describe_fault(names: Sequence[str], typed: ClassName | None, where: str) -> str:
    listed = " and ".join(names)
    if typed is None:
        return f"{where} has the classes {listed}: their names do not say which is positive"
    return f"data.positive={typed} is not a class of {where}, which has {listed}"


def positive_keys(names: Sequence[str]) -> str:
    """Return the overrides that name either class: "data.positive=a or data.positive=b"."""
    return " or ".join(format_override("data.positive", name) for name in names)


def match_classes(
    names: Sequence[str], typed: ClassName | None, trained: Classes, where: str
) -> str:
    """Return which of a data set's classes is the one that a network calls positive.

    Args:
        names: of the two classes of the data.
        typed: ``data.positive`` as the command gives it; None if it does not.
        trained: the classes that the network was trained on.
        where: the data are, for messages.

    Raises:
        ConfigError: the data has other classes than the network was trained on and the command
            does not say which is positive; or it says what the network contradicts.
    """
    if typed is None:
        if set(names) == set(trained):
            return trained[1]
        raise ConfigError(
            f"{where} has the classes {' and '.join(names)}; the run was trained on {trained[0]}"
            f" and {trained[1]} (positive); say which is positive: {positive_keys(names)}"
        )
    negative, positive = order_classes(names, typed, where)
    if positive == trained[0] or negative == trained[1]:
        raise ConfigError(
            f"{format_override('data.positive', positive)}: the run was trained on {trained[0]}"
            f" and {trained[1]} (positive), and its probabilities are of {trained[1]}; leave the"
            " key out, or name the other class"
        )
    return positive


def describe_slip(classes: Classes, trained: Classes) -> str | None:
    """Return a warning if classes look as if they were taken the wrong way round.

    Args:
        classes: the names of the labels 0 and 1 of the data, as ``data.positive`` orders them.
        trained: those that the network was trained on.

    Returns:
        A sentence if the names of both say which is positive, and contradict; else None.
    """
    if positive_by_name(classes) != classes[0] or positive_by_name(trained) != trained[1]:
        return None
    return (
        f"data.positive={classes[1]}: the run's positive class is {trained[1]}, which looks like"
        f" {classes[0]}; if that is so, every figure is flipped: set data.positive={classes[0]}"
    )


def describe_positive(classes: Classes) -> str:
    """Return "positive (tumour)", or "positive" where the class has no other name."""
    return "positive" if classes[1] == UNNAMED[1] else f"positive ({classes[1]})"


def title_suffix(classes: Classes) -> str:
    """Return ", positive class tumour" to end a title with; "" for a class without a name."""
    return "" if classes[1] == UNNAMED[1] else f", positive class {classes[1]}"


def describe_class(classes: Classes, label: int) -> str:
    """Return the name of a label's class, for figures: "normal", "tumour (positive)"."""
    name = classes[label]
    return name if label == 0 or name == UNNAMED[1] else f"{name} (positive)"
