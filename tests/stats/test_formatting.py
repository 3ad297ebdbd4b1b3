import math

import pytest

from pcam.stats.formatting import (
    format_difference,
    format_facts,
    format_interval,
    format_metrics,
    format_number,
    format_p_value,
    format_parameters,
    format_table,
    format_warning,
    pluralize,
)

NAN = math.nan
UNDEFINED = {"value": NAN, "low": NAN, "high": NAN}


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ((1, "patch"), "1 patch"),
        ((0, "patch"), "0 patches"),
        ((2500, "patch"), "2,500 patches"),
        ((3, "copy", "copies"), "3 copies"),
        ((2, "slide"), "2 slides"),
        ((1, "copy", "copies"), "1 copy"),
    ],
)
def test_pluralize(words: tuple[int, str], text: str) -> None:
    assert pluralize(*words) == text


def test_numbers_and_intervals() -> None:
    metric = {"value": 0.92514, "low": 0.91, "high": 0.94}
    assert format_number(0.92514) == "0.9251"
    assert format_number(NAN) == "not defined"
    assert format_interval(metric) == "0.9251 [0.9100, 0.9400]"
    assert format_interval({**metric, "low": NAN}) == "0.9251 [not known]"
    assert format_interval(UNDEFINED) == "not defined"
    difference = {"value": 0.0112, "low": -0.0031, "high": 0.0255}
    assert format_difference(difference) == "+0.0112 [-0.0031, +0.0255]"


def test_p_values() -> None:
    assert [format_p_value(p) for p in (0.0312, 0.0004, NAN)] == ["0.031", "< 0.001", ""]


def test_metrics_of_a_split() -> None:
    metrics = {"auroc": {"value": 0.9, "low": 0.8, "high": 0.95}, "precision": UNDEFINED}
    assert format_metrics("valid", "12 patches", metrics, "slides").splitlines() == [
        "valid: 12 patches",
        "  AUROC              0.9000   [0.8000, 0.9500]",
        "  precision          not defined (one class only, or no patch predicted positive)",
        "  95 % intervals: bootstrap over slides; threshold 0.5",
    ]


def test_facts_are_aligned() -> None:
    assert format_facts([("data", "pcam"), ("network", "small")]) == (
        "   data  pcam\nnetwork  small"
    )


def test_a_warning_is_a_box() -> None:
    lines = format_warning("word " * 40).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[0] == lines[-1] == "!" * 98
    assert lines[1].startswith("!! word")


def test_a_table_is_markdown() -> None:
    assert format_table(["a", "bbb"], [["1", "22"], ["333", ""]]).splitlines() == [
        "| a   | bbb |",
        "|-----|-----|",
        "| 1   | 22  |",
        "| 333 |     |",
    ]


def test_parameters() -> None:
    assert format_parameters({"backbone": 4_900_000, "head": 1026}) == (
        "4.9 M (backbone 4.9 M, head 1,026)"
    )
