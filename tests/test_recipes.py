"""The recipes for patches of one's own: any network, any weights, any data."""

from pathlib import Path

import pytest

from pcam import CONF
from pcam.models.input_size import choose_input_size
from tests.conftest import SMALL, TINY, Terminal
from tests.marks import slow_but
from tests.run import composed, train

OWN = ("quick", "best")
MODELS = sorted(path.stem for path in (CONF / "model").glob("*.yaml"))
FINETUNES = sorted(path.stem for path in (CONF / "finetune").glob("*.yaml"))
KEPT = ("crop", "loss", "optimizer", "scheduler", "finetune", "splits", "seed", "scale")


@pytest.mark.parametrize("model", slow_but({"resnet50", "googlenet", "uni"}, MODELS))
@pytest.mark.parametrize("recipe", OWN)
def test_a_recipe_takes_any_network_as_it_is(recipe: str, model: str) -> None:
    plain = composed(f"model={model}")
    config = composed(f"recipe={recipe}", f"model={model}")
    open_keys = {"input_size"}
    assert config.model.model_dump(exclude=open_keys) == plain.model.model_dump(exclude=open_keys)
    for section in KEPT:
        assert getattr(config, section) == getattr(plain, section), section


@pytest.mark.parametrize("finetune", FINETUNES)
@pytest.mark.parametrize("recipe", OWN)
def test_a_recipe_goes_with_each_way_to_fine_tune(recipe: str, finetune: str) -> None:
    assert composed(f"recipe={recipe}", f"finetune={finetune}").finetune.name == finetune


@pytest.mark.parametrize("recipe", OWN)
def test_the_command_line_overrides_a_recipe(recipe: str) -> None:
    words = ["aug=none", "trainer.max_epochs=2", "trainer.tta=none", "data.limit=7"]
    config = composed(*words, f"recipe={recipe}", "model.input_size=64")
    assert (config.aug.name, config.trainer.max_epochs, config.trainer.tta) == ("none", 2, "none")
    assert (config.data.limit, config.model.input_size) == (7, 64)


@pytest.mark.parametrize("recipe", OWN)
def test_a_smoke_test_of_a_recipe_takes_no_longer_than_of_another(recipe: str) -> None:
    config = composed(f"recipe={recipe}", "scale=smoke", "model=timm")
    assert (config.data.limit, config.data.patches_per_epoch) == (64, "auto")
    assert config.trainer.max_epochs == 2


def test_best_trains_longer_on_all_patches_at_the_size_for_the_weights() -> None:
    config, plain = composed("recipe=best", "model=timm"), composed("model=timm")
    assert config.trainer.max_epochs > plain.trainer.max_epochs
    assert config.data == plain.data
    assert choose_input_size(config.model, pretrained=True, side=96) == 192
    assert choose_input_size(config.model, pretrained=False, side=96) == 96


@pytest.mark.parametrize(("model", "size"), [("test_resnet", 96), ("test_vit", 160)])
def test_quick_enlarges_no_patch_and_keeps_the_size_of_a_vision_transformer(
    model: str, size: int
) -> None:
    config = composed("recipe=quick", "model=timm", f"model.name={model}")
    for pretrained in (True, False):
        assert choose_input_size(config.model, pretrained, side=96) == size


def test_the_defaults_are_good_without_a_recipe() -> None:
    config = composed("data=folder", "data.root=/data", "model=timm", "model.name=mobilenetv2_100")
    assert config.aug.name == "dihedral_color"
    assert (config.finetune.name, config.finetune.batchnorm) == ("full", "auto")
    assert config.model.input_size == "auto"


@pytest.mark.slow
def test_quick_gives_few_patches_as_many_steps_as_many(tmp_path: Path) -> None:
    words = [
        *TINY[:3],
        *SMALL,
        "aug=none",
        "data.train=32",
        "data.batch_size=500",
        "trainer.max_epochs=1",
    ]
    summary = train(tmp_path, "recipe=quick", *words)
    assert summary["input_size"] == 96
    last = (tmp_path / "metrics.csv").read_text().splitlines()[-1]
    assert last.startswith("0,10,")  # epoch and step: ten batches of 500


@pytest.mark.slow
def test_best_reports_symmetries_beside_the_plain_figure(tmp_path: Path) -> None:
    summary = train(tmp_path, "recipe=best", *TINY, *SMALL, "trainer.max_epochs=1")
    averaged = summary["tta"]
    assert (averaged["symmetries"], averaged["split"]) == ("d4", "test")
    assert set(averaged["metrics"]["auroc"]) == set(summary["test"]["auroc"])


def test_help_lists_the_recipes(terminal: Terminal) -> None:
    shown = terminal("train", "--help").out
    (line,) = [line for line in shown.splitlines() if line.startswith("recipe: ")]
    assert set(OWN) < set(line.removeprefix("recipe: ").split(", "))
    assert "recipe=quick" in shown
