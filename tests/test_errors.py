import random
import shlex
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from pcam.errors import describe_error, format_override, suggest

NASTY = [
    *("a b", "a=b", "a,b", "a'b", 'a"b', "a[1]", "(a)", "{a}", "a: b", "~a", "a#b", "a!", "a;b"),
    *("a|b", "Läufe_日本", "ğ", "$HOME", "${seed}", "\\${seed}", "a\\", "a\\\\", 'a\\"', "a\\\\'b"),
    *("12", "1e5", ".5", "-3", "0x1", "null", "True", "NaN", "inf", "", "?", "???", "*", "%", "@"),
    *("&", "<", " a ", "-a"),
]


def read_back(typed: str) -> object:
    """Return a value as the shell, Hydra and OmegaConf hand it on."""
    (word,) = shlex.split(typed)
    value = OverridesParser.create().parse_override(word).value()
    config = OmegaConf.create({"key": value, "seed": 0})
    return OmegaConf.to_container(config, resolve=True)["key"]


@pytest.mark.parametrize("value", ["runs/a-1", "/tmp/a.b/c+d", "multirun/2026-01-01/10-11-12"])
def test_a_plain_value_is_printed_as_it_is(value: str) -> None:
    assert format_override("resume", value) == f"resume={value}"


@pytest.mark.parametrize("value", NASTY)
def test_a_printed_command_can_be_typed(value: str) -> None:
    for text in (value, f"/tmp/{value}", f"{value}/x", f"x{value}x"):
        typed = format_override("resume", text)
        assert read_back(typed) == text, typed
        assert read_back(format_override("runs", [text, "b c"])) == [text, "b c"]


def test_random_paths_can_be_typed() -> None:
    rng = random.Random(0)
    letters = "ab1 =,'\"[](){}\\$~#!:;|é日.-+/@%?*<>&`^"
    for _ in range(300):
        text = "".join(rng.choices(letters, k=rng.randint(1, 8)))
        assert read_back(format_override("resume", text)) == text
        assert read_back(format_override("runs", [text, Path(text)])) == [text, str(Path(text))]


def test_numbers_stay_numbers() -> None:
    assert format_override("seed", 3) == "seed=3"
    assert read_back(format_override("data.root", "3")) == "3"


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
