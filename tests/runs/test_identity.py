from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from pcam import CONF
from pcam.config.base import Section
from pcam.config.registry import (
    Registry,
    augmentations,
    loggers,
    losses,
    optimizers,
    schedulers,
    sources,
)
from pcam.config.sections import (
    AttributionConfig,
    CropConfig,
    LoggerConfig,
    ModelConfig,
    TrainerConfig,
)
from pcam.runs.files import write_file
from pcam.runs.identity import (
    CHANGEABLE,
    KEYS,
    SEEDS,
    KeyClass,
    Relation,
    flatten_config,
    identity_key,
    identity_table,
    key_class,
    listed_key,
    relate_runs,
    run_identity,
    without_seeds,
)
from tests.run import composed, summary_with
from tests.runs.pairs import COMMON, PAIRS


def keys_of_conf() -> dict[str, str]:
    """Return each key of train.yaml and of every choice of every group, with a file that has it."""
    keys = {key: "train.yaml" for key in flatten_config(composed())}
    for path in sorted(CONF.glob("*/*.yaml")):
        if path.parent.name in ("faithfulness", "detail"):  # of pcam.attribute and pcam.bias
            continue
        values = yaml.safe_load(path.read_text()) or {}
        sections = ("defaults", "hydra")
        values = {key: value for key, value in values.items() if key not in sections}
        if "@package _global_" not in path.read_text():
            values = {path.parent.name: values}
        keys |= {key: f"{path.parent.name}/{path.name}" for key in flatten_config(values)}
    return keys


def test_every_key_of_every_choice_is_in_a_class() -> None:
    unlisted = {key: file for key, file in keys_of_conf().items() if listed_key(key) is None}
    assert not unlisted, f"list these keys in pcam/runs/identity.py: {unlisted}"
    assert listed_key("optimizer.rl") is None


def keys_of_model(model: type[Section], prefix: str) -> Iterator[str]:
    """Yield the dotted keys of a section's class, nested sections included."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from keys_of_model(field.annotation, f"{prefix}.{name}")
        else:
            yield f"{prefix}.{name}"


@pytest.mark.parametrize(
    "registry", [sources, augmentations, losses, optimizers, schedulers, loggers]
)
def test_every_key_of_a_registered_choice_is_in_a_class(registry: Registry) -> None:
    section = registry.key.partition(".")[0]
    for name in registry.names():
        config = registry.get(name).config
        for key in keys_of_model(config, section) if config else ():
            assert listed_key(key) is not None, f"list {key} in pcam/runs/identity.py"


def test_every_key_of_the_schema_is_in_a_class() -> None:
    for section in (ModelConfig, TrainerConfig, CropConfig, AttributionConfig, LoggerConfig):
        name = section.__name__.removesuffix("Config").lower()
        for key in keys_of_model(section, name):
            assert listed_key(key) is not None, f"list {key} in pcam/runs/identity.py"


def test_the_table_shows_every_key_once() -> None:
    table = dict(identity_table())
    assert set(table) == set(KEYS)
    assert table["seed"] == "result, may differ between repeats"
    assert table["trainer.max_epochs"] == "result, may change on resume"
    assert table["data.root"] == "execution"
    assert table["attribution.every"] == "observer"
    assert all(KEYS[key] is KeyClass.RESULT for key in SEEDS | CHANGEABLE)


def test_the_documentation_has_the_table() -> None:
    text = (Path(__file__).parents[2] / "docs" / "sweeps.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert [f"| `{key}` | {label} |" for key, label in identity_table()] == [
        row for row in rows if row.count("|") == 3
    ]


def test_keys_of_plug_ins_decide_the_figures_unless_they_observe() -> None:
    assert key_class("aug.elastic") is KeyClass.RESULT
    assert key_class("callbacks.mixup.alpha") is KeyClass.RESULT
    assert key_class("model.kwargs.pad_type") is KeyClass.RESULT
    assert key_class("logger.mlflow_uri") is KeyClass.OBSERVER
    assert key_class("logger") is KeyClass.OBSERVER
    assert key_class("callbacks.attribution.every") is KeyClass.OBSERVER
    assert key_class("loggers") is KeyClass.RESULT
    assert key_class("model.at_scale.full") is KeyClass.EXECUTION


@pytest.mark.parametrize(("word", "relation"), PAIRS.items())
def test_pairs_of_runs_that_differ_in_one_key(
    word: str, relation: Relation, tmp_path: Path
) -> None:
    first, second = composed(*COMMON), composed(*COMMON, word)
    for summary in (None, summary_with(0.9, 0.9)):
        identities = [run_identity(config, summary, tmp_path) for config in (first, second)]
        if word.startswith("trainer.precision") and summary:
            identities[1]["trainer.precision"] = "bf16-mixed"
        assert relate_runs(*identities) is relation
        keys = [identity_key(without_seeds(identity)) for identity in identities]
        assert (keys[0] == keys[1]) == (relation is not Relation.DIFFERENT)


def test_data_of_a_split_drawn_by_the_seed_is_identified_by_its_folder(tmp_path: Path) -> None:
    write_file(tmp_path / "splits.csv", "id,split\n")
    here, other_seed, elsewhere = (
        run_identity(composed("data=kaggle", *words), summary_with(0.9), tmp_path)
        for words in (["data.root=/a"], ["data.root=/a", "seed=1"], ["data.root=/b"])
    )
    assert relate_runs(here, other_seed) is Relation.REPEATS
    assert relate_runs(here, elsewhere) is Relation.DIFFERENT


@pytest.mark.parametrize(
    "facts",
    [
        {"weights": {"origin": "imagenet"}},
        {"weights": {"origin": "a.pth", "detail": "sha256 0123"}},
        {"processes": 2},
        {"precision": "bf16-mixed"},
        {"splits": {"how": "slide"}},
        {"data": {"valid": {"patches": 2, "positive": 1, "sha256": "1" * 64}}},
    ],
)
def test_facts_that_a_config_leaves_open_make_runs_different(
    facts: dict[str, object], tmp_path: Path
) -> None:
    summaries = (summary_with(0.9), summary_with(0.9, **facts))
    first, second = (run_identity(composed(), summary, tmp_path) for summary in summaries)
    assert relate_runs(first, second) is Relation.DIFFERENT


def test_values_that_auto_resolves_to_are_what_counts(tmp_path: Path) -> None:
    summary = summary_with(0.9)
    first, second = (
        run_identity(composed(*words), summary, tmp_path)
        for words in ([], ["trainer.precision=32-true", "model.weights=none"])
    )
    assert relate_runs(first, second) is Relation.SAME
