from pathlib import Path

import pytest

from pcam.data.datamodule import PatchDataModule
from pcam.training.description import describe_device, facts
from pcam.training.preparation import build_classifier
from tests.run import composed
from tests.training.runs import STUDY


def describe(*overrides: str) -> dict[str, str]:
    config = composed(*STUDY, *overrides)
    data = PatchDataModule(config.data, config.splits, config.crop, config.aug, config.seed)
    return dict(facts(config, Path("run"), data, build_classifier(config), resume=False))


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ([], "all layers; "),
        (["finetune=frozen"], "head only; "),
        (
            ["finetune=frozen_then_unfrozen", "trainer.max_epochs=4"],
            "head only up to epoch 2, all layers from epoch 3; ",
        ),
    ],
)
def test_which_layers_are_trained(overrides: list[str], expected: str) -> None:
    text = describe(*overrides)["trained"]
    assert text.startswith(expected)
    assert ("frozen" in text) == (overrides == ["finetune=frozen"])


def test_the_lines_before_a_training() -> None:
    lines = describe("crop=center32", "loss=bce", "optimizer=sgd")
    assert lines["pcam"] == "training into run"
    assert lines["train"].startswith("synthetic: 96 patches")
    assert lines["crop"] == "32 px: train center, valid center, test center"
    assert lines["loss"] == "bce label_smoothing=0"
    assert lines["optimizer"].startswith("sgd lr=0.01 head_lr=0.1 weight_decay=0.0001")
    assert "input 32 px (nearest)" in lines["network"]
    assert lines["weights"] == "unknown"
    assert describe_device("cpu", 1, "32-true") == ("device", "cpu, 1 process, precision 32-true")
