import shlex

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from pcam.errors import describe_error, format_override, suggest


@pytest.mark.parametrize(
    ("value", "typed"),
    [
        ("runs/a-1", "resume=runs/a-1"),
        ("runs/x y=z", "'resume=\"runs/x y=z\"'"),
        ('a\'s "b"', '\'resume="a\'"\'"\'s \\"b\\""\''),
    ],
)
def test_a_printed_command_can_be_typed(value: str, typed: str) -> None:
    assert format_override("resume", value) == typed
    assert OverridesParser.create().parse_override(shlex.split(typed)[0]).value() == value


def test_a_list_of_values_can_be_typed() -> None:
    typed = format_override("runs", ["a", "b c"])
    assert OverridesParser.create().parse_override(shlex.split(typed)[0]).value() == ["a", "b c"]


def test_a_reason_names_the_kind_of_error_if_its_text_is_one_word() -> None:
    assert describe_error(KeyError(1785425525)) == "KeyError: 1785425525"
    assert describe_error(KeyError("a b")) == "'a b'"
    assert describe_error(RuntimeError()) == "RuntimeError"
    assert describe_error(OSError("the disk is full\nof it")) == "the disk is full"
    assert len(describe_error(OSError("a " * 100))) == 120


def test_similar_names_are_suggested_else_all() -> None:
    assert suggest("resnt50", ["resnet50", "vgg16"]) == "; did you mean resnet50?"
    assert suggest("x", ["resnet50", "vgg16"]) == "; available: resnet50, vgg16"
    assert suggest("x", [f"name{i}" for i in range(21)]) == ""
    assert suggest("x", []) == ""
