"""The study's experiments: each composes at every scale, runs, and says at which scale it did."""

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir

from pcam import CONF
from pcam.runs.folder import network_label, read_config
from tests.run import composed, run_command, train

EXPERIMENTS = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))
RECIPES = sorted(path.stem for path in (CONF / "recipe").glob("*.yaml"))
CUT = [
    "data.train=48",
    "data.valid=32",
    "data.test=32",
    "data.limit=32",
    "trainer.progress=false",
    "trainer.accelerator=cpu",
]
KEPT = (
    "aug",
    "crop",
    "loss",
    "finetune",
    "optimizer",
    "scheduler",
)  # what a scale leaves as the experiment has it


def swept(experiment: str) -> dict[str, list[str]]:
    """Return what an experiment sweeps over."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        hydra = compose("train", [f"experiment={experiment}"], return_hydra_config=True).hydra
    if "sampler" in hydra.sweeper:  # a search proposes as it goes
        return {}
    return {key: choices.split(",") for key, choices in (hydra.sweeper.params or {}).items()}


def at_scales(*words: str) -> dict[str, dict[str, Any]]:
    return {scale: composed(*words, f"scale={scale}") for scale in ("smoke", "sample", "full")}


@pytest.mark.parametrize(
    "words", [f"experiment={name}" for name in EXPERIMENTS] + [f"recipe={name}" for name in RECIPES]
)
def test_a_scale_shrinks_what_is_trained_and_not_what_it_means(words: str) -> None:
    found = at_scales(words)
    for scale, config in found.items():
        assert config["scale"] == scale
        assert config["model"]["name"] == config["model"]["at_scale"][scale]
        assert {key: config[key] for key in KEPT} == {key: found["full"][key] for key in KEPT}
        assert config["model"]["head"] == found["full"]["model"]["head"]
    assert found["smoke"]["model"]["name"].startswith("test_")
    if words not in (
        "experiment=table2",
        "experiment=table3",
    ):  # these choose their recipes as they sweep
        assert [found[scale]["model"]["weights"] for scale in found] == ["none", "auto", "imagenet"]
        assert found["smoke"]["trainer"]["max_epochs"] < found["sample"]["trainer"]["max_epochs"]
        assert found["sample"]["trainer"]["max_epochs"] <= found["full"]["trainer"]["max_epochs"]


def test_the_command_line_wins_over_the_scale_and_the_scale_over_the_recipe() -> None:
    config = composed(
        "experiment=googlenet",
        "scale=smoke",
        "trainer.max_epochs=6",
        "model.name=test_vit",
        "aug=none",
    )
    assert (config["trainer"]["max_epochs"], config["model"]["name"], config["aug"]["name"]) == (
        6,
        "test_vit",
        "none",
    )
    assert config["finetune"]["name"] == "frozen_then_unfrozen"
    assert composed("recipe=googlenet")["trainer"]["max_epochs"] == 20
    assert (
        composed("recipe=googlenet", "scale=smoke")["trainer"]["max_epochs"] == 2
    )  # 10 + 10 become 1 + 1


def test_table_1_is_what_the_study_says() -> None:
    config = composed("experiment=table1")
    assert (config["trainer"]["max_epochs"], config["data"]["batch_size"]) == (25, 64)
    assert (config["optimizer"]["lr"], config["optimizer"]["head_lr"]) == (1e-4, 1e-4)
    assert config["model"]["head"] == {
        "pool": "flatten",
        "hidden": 512,
        "dropout": 0.3,
        "batch_norm": False,
    }
    assert config["aug"]["name"] == "keras"
    assert (
        composed("experiment=table1", "optimizer.lr=3e-3")["optimizer"]["head_lr"] == 3e-3
    )  # a search moves both


def test_a_search_is_pruned_at_every_scale() -> None:
    for config in at_scales("experiment=vgg16_search", "hydra/sweeper=basic").values():
        assert 0 < config["trainer"]["prune"]["after"] < config["trainer"]["max_epochs"]


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_s_loss_is_plain(recipe: str) -> None:
    assert composed(f"recipe={recipe}")["loss"]["label_smoothing"] == 0
    assert composed(f"recipe={recipe}", "loss=bce")["loss"] == {"name": "bce", "label_smoothing": 0}


def test_table_2_has_six_jobs_that_differ() -> None:
    over = swept("table2")
    jobs = [
        composed(f"recipe={recipe}", f"aug={aug}", "scale=smoke")
        for recipe, aug in product(over["recipe"], over["aug"])
    ]
    assert (
        len({(config["model"]["name"], config["aug"]["name"]) for config in jobs}) == len(jobs) == 6
    )


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_runs(experiment: str, tmp_path: Path) -> None:
    first = [f"{key}={choices[0]}" for key, choices in swept(experiment).items()]
    words = [
        f"experiment={experiment}",
        "scale=smoke",
        *first,
        "trainer.limit_train_batches=1",
        "trainer.prune.after=null",
    ]
    summary = train(tmp_path, *words, *CUT)
    assert summary["scale"] == "smoke"
    config = read_config(tmp_path)
    stands_for = config["model"]["at_scale"]["full"]
    assert network_label(config) == f"{stands_for} (smoke: {config['model']['name']})"


def test_a_name_says_its_scale() -> None:
    assert network_label(composed("model=resnet50")) == "resnet50"
    assert (
        network_label(composed("model=resnet50", "scale=sample")) == "resnet50 (sample: resnet26)"
    )
    assert network_label(composed("model=xception", "scale=sample")) == "legacy_xception (sample)"
    assert (
        network_label(composed("model=timm", "model.name=test_vit", "scale=smoke"))
        == "test_vit (smoke)"
    )
    assert (
        network_label({"model": {"name": "resnet50"}}) == "resnet50"
    )  # of a run before there were scales


def test_every_later_door_carries_the_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    titles = []
    monkeypatch.setattr(
        "pcam.training.fit.curves", lambda rows, title, released: titles.append(title) or b""
    )
    for recipe in ("resnet50", "vgg16"):
        train(tmp_path / recipe, f"recipe={recipe}", "scale=smoke", *CUT)
    assert titles == [
        "resnet50 (smoke: test_resnet) on synthetic",
        "vgg16 (smoke: test_convnext) on synthetic",
    ]
    told = capsys.readouterr().out
    assert "resnet50 (smoke: test_resnet), input 32 px" in told
    assert "32 patches, " in told
    assert ", scale=smoke\n" in told

    def drawn(title: str, *_: object) -> bytes:
        titles.append(title)
        return b""

    monkeypatch.setattr("pcam.evaluation.plots.overview", drawn)
    doors = {
        "evaluate": ["run=resnet50", "resamples=100", "hydra.run.dir=e"],
        "compare": ["runs=[resnet50,vgg16]", "resamples=100", "hydra.run.dir=c"],
        "ensemble": ["runs=[resnet50,vgg16]", "resamples=100", "hydra.run.dir=v"],
        "bias": ["run=resnet50", "resamples=100", "patches=16", "map.patches=0", "hydra.run.dir=b"],
        "attribute": [
            "run=resnet50",
            "methods=[saliency]",
            "patches.n=1",
            "faithfulness.patches=0",
            "hydra.run.dir=a",
        ],
    }
    for name, words in doors.items():
        run_command(monkeypatch, tmp_path, name, *words)
        assert "resnet50 (smoke: test_resnet)" in capsys.readouterr().out, name
    assert titles[2].startswith("resnet50 (smoke: test_resnet) on synthetic, test")
    for folder in "eba":
        assert json.loads((tmp_path / folder / "summary.json").read_text())["scale"] == "smoke"
    for folder in "cv":
        assert "resnet50 (smoke: test_resnet)" in (tmp_path / folder / "summary.json").read_text()
