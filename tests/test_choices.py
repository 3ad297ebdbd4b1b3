"""Every YAML of conf/ can be chosen, and builds what it names."""

from pathlib import Path

import pytest

from pcam import CONF
from pcam.config.schema import AttributeConfig, BiasConfig, TrainConfig
from pcam.config.validation import validate
from tests.conftest import SMALL
from tests.marks import slow_but
from tests.models.pathology import PUBLISHED
from tests.run import composed, composed_values

ALL = sorted(f"{path.parent.name}={path.stem}" for path in CONF.glob("*/*.yaml"))
OF_ATTRIBUTE = [choice for choice in ALL if choice.startswith("faithfulness=")]
OF_BIAS = [choice for choice in ALL if choice.startswith("detail=")]
CHOICES = [choice for choice in ALL if choice not in (*OF_ATTRIBUTE, *OF_BIAS)]
# Built in tests/models/test_network.py and tests/models/test_pathology.py.
LARGE = ("model=efficientnet_b7", "model=densenet201", "model=conch")
GATED = tuple(f"model={name}" for name in PUBLISHED)  # tests/models/test_pathology.py


def choices_of(*groups: str) -> list[str]:
    return [choice for choice in CHOICES if choice.partition("=")[0] in groups]


def choose(choice: str, folder: Path, roots: dict[str, Path]) -> TrainConfig:
    """Compose a choice with what it needs besides."""
    group, _, name = choice.partition("=")
    extra = []
    if group == "data" and name in roots:
        extra = [f"data.root={roots[name]}"]
    elif group == "splits":
        extra = [*SMALL]  # a split that is drawn looks at every patch
    if choice == "splits=file":
        path = folder / "splits.csv"
        path.write_text("id,split\ntrain-000001,train\ntrain-000002,valid\n")
        extra += [f"splits.file={path}", "data.batch_size=1"]
    return composed(choice, *extra)


def test_every_group_has_choices() -> None:
    expected = {"model=xception", "aug=keras", "trainer=ddp", "finetune=frozen", "data=kaggle"}
    assert expected <= set(CHOICES)


@pytest.mark.parametrize("choice", CHOICES)
def test_every_choice_is_valid(choice: str, tmp_path: Path) -> None:
    assert choose(choice, tmp_path, {}).seed == 0


@pytest.mark.parametrize("choice", OF_ATTRIBUTE)
def test_every_choice_of_attribute_is_valid(choice: str) -> None:
    values = composed_values("run=folder", choice, command="attribute")
    assert validate(AttributeConfig, values).faithfulness.patches > 0


@pytest.mark.parametrize("choice", OF_BIAS)
def test_every_choice_of_bias_is_valid(choice: str) -> None:
    values = composed_values("run=folder", choice, command="bias")
    assert validate(BiasConfig, values).map.patches > 0


@pytest.mark.parametrize("choice", choices_of("data", "splits", "crop", "aug"))
def test_every_choice_of_data_gives_a_batch(
    choice: str, tmp_path: Path, pcam_root: Path, kaggle_root: Path, folder_root: Path
) -> None:
    from pcam.data.datamodule import PatchDataModule

    roots = {"pcam": pcam_root, "kaggle": kaggle_root, "folder": folder_root}
    config = choose(choice, tmp_path, roots)
    data = PatchDataModule(config.data, config.splits, config.crop, config.aug, config.seed)
    batch = next(iter(data.train_dataloader()))
    assert batch["image"].shape[1] == 3


BUILT = [one for one in choices_of("model", "loss", "finetune") if one not in LARGE + GATED]
QUICK = ("model=small", "model=googlenet", *choices_of("loss", "finetune"))


@pytest.mark.parametrize("choice", slow_but(QUICK, BUILT))
def test_every_choice_of_a_network_is_built(choice: str, tmp_path: Path) -> None:
    from pcam.training.preparation import build_classifier

    small = [] if choice.startswith("model=") else ["model=timm", "model.name=test_resnet"]
    model = build_classifier(composed(choice, *small))
    assert sum(parameter.numel() for parameter in model.parameters()) > 0


@pytest.mark.parametrize("choice", choices_of("optimizer", "scheduler"))
def test_every_choice_of_an_optimizer_has_sensible_rates(choice: str) -> None:
    import torch

    from pcam.models.optimizers import backbone_and_head, build_optimizer
    from pcam.models.schedules import build_scheduler

    config = composed(choice)
    backbone, head = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    groups = backbone_and_head(backbone.parameters(), head.parameters(), config.optimizer)
    optimizer = build_optimizer(groups, config.optimizer)
    schedule = build_scheduler(optimizer, config.scheduler, 10)
    rates = []
    for _ in range(10):
        rates.append(optimizer.param_groups[1]["lr"])
        optimizer.step()
        schedule.step()
    assert 0 < max(rates) <= config.optimizer.head_lr
    assert min(rates) >= 0


@pytest.mark.parametrize("choice", [one for one in choices_of("logger") if "wandb" not in one])
def test_every_choice_of_loggers_is_started(choice: str, tmp_path: Path) -> None:
    from pcam.training.loggers import start_loggers

    config = composed(choice)
    assert len(start_loggers(config, tmp_path)) == len(config.logger.names)
