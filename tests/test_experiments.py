"""The study's experiments: each composes at every scale, runs, and names its scale."""

import json
from itertools import product
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from pcam import CONF
from pcam.config.schema import TrainConfig
from pcam.runs.folder import network_label, read_config
from tests.conftest import Terminal
from tests.marks import slow_but
from tests.run import composed, train

EXPERIMENTS = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))
OWN = {"quick", "best"}  # of one's own patches, with any network: tests/test_recipes.py
RECIPES = sorted({path.stem for path in (CONF / "recipe").glob("*.yaml")} - OWN)
CUT = [
    "data.train=48",
    "data.valid=32",
    "data.test=32",
    "data.limit=32",
    "trainer.progress=false",
    "trainer.accelerator=cpu",
]
# Sections that a scale leaves as the experiment has them.
KEPT = ("aug", "crop", "loss", "finetune", "optimizer", "scheduler")
QUICKEST = "googlenet"  # a centre crop, frozen and then unfrozen


def swept(experiment: str) -> dict[str, list[str]]:
    """Return the values of each key that an experiment varies."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        hydra = compose("train", [f"experiment={experiment}"], return_hydra_config=True).hydra
    if "sampler" in hydra.sweeper:  # a search proposes as it goes
        return {}
    return {key: choices.split(",") for key, choices in (hydra.sweeper.params or {}).items()}


def at_scales(*words: str) -> dict[str, TrainConfig]:
    return {scale: composed(*words, f"scale={scale}") for scale in ("smoke", "sample", "full")}


STUDIES = [f"experiment={name}" for name in EXPERIMENTS] + [f"recipe={name}" for name in RECIPES]


@pytest.mark.parametrize(
    "words", slow_but({"experiment=googlenet", "experiment=table2", "recipe=vgg16"}, STUDIES)
)
def test_a_scale_shrinks_a_study_and_keeps_its_method(words: str) -> None:
    found = at_scales(words)
    full = found["full"]
    for scale, config in found.items():
        assert config.scale == scale
        assert config.model.name == config.model.at_scale[scale]
        for section in KEPT:
            assert getattr(config, section) == getattr(full, section)
        assert config.model.head == full.model.head
    assert found["smoke"].model.name.startswith("test_")
    if words in ("experiment=table2", "experiment=table3"):
        return  # these vary their recipes
    assert [found[scale].model.weights for scale in found] == ["none", "auto", "imagenet"]
    epochs = [found[scale].trainer.max_epochs for scale in ("smoke", "sample", "full")]
    assert epochs[0] < epochs[1] <= epochs[2]


def test_the_command_line_overrides_the_scale_and_the_scale_the_recipe() -> None:
    words = ["scale=smoke", "trainer.max_epochs=6", "model.name=test_vit", "aug=none"]
    config = composed("experiment=googlenet", *words)
    assert config.trainer.max_epochs == 6
    assert config.model.name == "test_vit"
    assert config.aug.name == "none"
    assert config.finetune.name == "frozen_then_unfrozen"
    assert composed("recipe=googlenet").trainer.max_epochs == 20
    # 10 + 10 become 1 + 1
    assert composed("recipe=googlenet", "scale=smoke").trainer.max_epochs == 2


def test_table_1_is_what_the_study_says() -> None:
    config = composed("experiment=table1")
    assert (config.trainer.max_epochs, config.data.batch_size) == (25, 64)
    assert (config.optimizer.lr, config.optimizer.head_lr) == (1e-4, 1e-4)
    head = {"pool": "flatten", "hidden": 512, "dropout": 0.3, "batch_norm": False}
    assert config.model.head.model_dump() == head
    assert config.aug.name == "keras"
    # A search moves both rates.
    assert composed("experiment=table1", "optimizer.lr=3e-3").optimizer.head_lr == 3e-3


def test_a_search_is_pruned_at_every_scale() -> None:
    for config in at_scales("experiment=vgg16_search", "hydra/sweeper=basic").values():
        assert config.trainer.prune.after is not None
        assert 0 < config.trainer.prune.after < config.trainer.max_epochs


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_has_no_label_smoothing(recipe: str) -> None:
    assert composed(f"recipe={recipe}").loss.label_smoothing == 0
    loss = composed(f"recipe={recipe}", "loss=bce").loss
    assert loss.model_dump() == {"name": "bce", "label_smoothing": 0, "positive_weight": None}


def test_table_2_has_six_jobs_that_differ() -> None:
    varied = swept("table2")
    jobs = [
        composed(f"recipe={recipe}", f"aug={aug}", "scale=smoke")
        for recipe, aug in product(varied["recipe"], varied["aug"])
    ]
    different = {(config.model.name, config.aug.name) for config in jobs}
    assert len(different) == len(jobs) == 6


@pytest.mark.parametrize(
    "experiment",
    slow_but({QUICKEST}, EXPERIMENTS),
)
def test_every_experiment_runs(experiment: str, tmp_path: Path) -> None:
    first = [f"{key}={choices[0]}" for key, choices in swept(experiment).items()]
    words = [f"experiment={experiment}", "scale=smoke", *first, "trainer.prune.after=null"]
    summary = train(tmp_path, *words, "trainer.limit_train_batches=1", *CUT)
    assert summary["scale"] == "smoke"
    config = read_config(tmp_path)
    network = config.model.at_scale["full"]
    assert network_label(config) == f"{config.model.name} in place of {network} (smoke)"


@pytest.mark.parametrize(
    ("words", "label"),
    [
        ("model=resnet50", "resnet50"),
        ("model=resnet50 scale=sample", "resnet26 in place of resnet50 (sample)"),
        ("model=xception scale=sample", "legacy_xception (sample)"),
        ("model=timm model.name=test_vit scale=smoke", "test_vit (smoke)"),
    ],
)
def test_a_networks_label_names_its_scale(words: str, label: str) -> None:
    assert network_label(composed(*words.split())) == label


@pytest.mark.slow
def test_every_later_command_names_the_scale(tmp_path: Path, terminal: Terminal) -> None:
    for recipe in ("resnet50", "vgg16"):
        words = [f"recipe={recipe}", "scale=smoke", f"hydra.run.dir={recipe}"]
        answer = terminal("train", *words, *CUT)
        assert f" in place of {recipe} (smoke)" in answer.out
        assert ", scale=smoke\n" in answer.out
    commands = {
        "evaluate": ["run=resnet50", "resamples=100"],
        "compare": ["runs=[resnet50,vgg16]", "resamples=100"],
        "ensemble": ["runs=[resnet50,vgg16]", "resamples=100"],
        "bias": ["run=resnet50", "resamples=100", "patches=16", "map.patches=0"],
        "attribute": [
            *("run=resnet50", "methods=[saliency]", "patches.n=1", "faithfulness.patches=0")
        ],
    }
    for name, words in commands.items():
        answer = terminal(name, *words, f"hydra.run.dir={name}")
        assert "test_resnet in place of resnet50 (smoke)" in answer.out, name
        summary = (tmp_path / name / "summary.json").read_text()
        if name in ("compare", "ensemble"):
            assert "test_resnet in place of resnet50 (smoke)" in summary
        else:
            assert json.loads(summary)["scale"] == "smoke"
