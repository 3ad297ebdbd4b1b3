"""The names of the two classes, and which is positive."""

import pytest

from pcam.config.classes import (
    ClassName,
    describe_class,
    describe_positive,
    find_class,
    match_classes,
    order_classes,
    positive_by_name,
)
from pcam.errors import ConfigError

TRAINED = ("normal", "tumour")


@pytest.mark.parametrize(
    ("names", "positive"),
    [
        (("normal", "tumour"), "tumour"),
        (("Tumor", "normal"), "Tumor"),
        (("CANCER", "healthy"), "CANCER"),
        (("Metastasis", "zzz"), "Metastasis"),
        (("benign", "malignant"), "malignant"),
        (("positive", "negative"), "positive"),
        (("0", "1"), "1"),
        (("True", "False"), "True"),
        (("a", "b"), None),
        (("1", "2"), None),  # grades
        (("tumour", "metastasis"), None),  # both say so
        (("tumour_free", "tumour-rich"), None),
        (("non_tumour", "tumour"), "tumour"),
        (("Läsion", "gesund"), None),
    ],
)
def test_a_class_is_positive_if_its_name_says_so(names: tuple[str, str], positive: str) -> None:
    assert positive_by_name(names) == positive
    assert positive_by_name(names[::-1]) == positive


@pytest.mark.parametrize(
    ("typed", "names", "found"),
    [
        ("b", ("a", "b"), "b"),
        ("B", ("a", "b"), None),
        (1, ("0", "1"), "1"),
        (1, ("00", "01"), "01"),
        (1, ("1", "01"), "1"),
        (True, ("False", "True"), "True"),
        (1.5, ("1.50", "x"), "1.50"),
    ],
)
def test_hydra_s_numbers_and_truth_values_name_classes(
    typed: ClassName, names: tuple[str, str], found: str | None
) -> None:
    assert find_class(typed, names) == found


def test_classes_are_ordered_by_their_label() -> None:
    assert order_classes(("Tumor", "normal"), None, "F") == ("normal", "Tumor")
    assert order_classes(("a", "b"), "a", "F") == ("b", "a")
    with pytest.raises(ConfigError, match="F has the classes a and b: their names do not say"):
        order_classes(("a", "b"), None, "F")
    with pytest.raises(ConfigError, match="set data.positive=a or data.positive=b"):
        order_classes(("a", "b"), "c", "F")


def test_a_run_s_positive_class_is_kept() -> None:
    assert match_classes(("normal", "tumour"), None, TRAINED, "F") == "tumour"
    assert match_classes(("normal", "tumour"), "tumour", TRAINED, "F") == "tumour"
    assert match_classes(("cancer", "healthy"), "cancer", TRAINED, "F") == "cancer"
    # the run calls a class positive whose name does not say so
    assert match_classes(("normal", "tumour"), None, ("tumour", "normal"), "F") == "normal"


@pytest.mark.parametrize("names", [("healthy", "cancer"), ("Tumour", "normal"), ("1", "0")])
def test_other_names_are_refused(names: tuple[str, str]) -> None:
    message = r"the run was trained on normal and tumour \(positive\); say which is positive"
    with pytest.raises(ConfigError, match=message):
        match_classes(names, None, TRAINED, "F")


@pytest.mark.parametrize(
    ("names", "given"),
    [
        (("normal", "tumour"), "normal"),
        (("Tumour", "normal"), "normal"),  # the run's negative class
        (("tumour", "other"), "other"),  # the run's positive class would be negative
    ],
)
def test_what_the_run_contradicts_is_refused(names: tuple[str, str], given: str) -> None:
    with pytest.raises(ConfigError, match="its probabilities are of tumour"):
        match_classes(names, given, TRAINED, "F")


def test_the_positive_class_is_named() -> None:
    assert describe_positive(TRAINED) == "positive (tumour)"
    assert describe_positive(("negative", "positive")) == "positive"
    assert [describe_class(TRAINED, label) for label in (0, 1)] == ["normal", "tumour (positive)"]
