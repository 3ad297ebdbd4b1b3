"""Trainings of a part of the backbone: what is frozen stays equal to the bit, also on resuming."""

import re
from pathlib import Path

import pytest
import torch

from pcam.evaluation.saved_run import open_run
from pcam.training.preparation import build_classifier
from tests.conftest import SMALL
from tests.marks import slow_but
from tests.run import composed, killed_after, train
from tests.training.runs import equal_tensors, read_state

VIT = [
    *("model=timm", "model.name=test_vit", "model.weights=none", "model.input_size=32"),
    "data.patches_per_epoch=null",
    *(*SMALL, "data.train=48", "data.valid=16", "data.test=16", "aug=none", "trainer.max_epochs=2"),
]
CHOICES = {
    "last_blocks": (["finetune=last_blocks", "finetune.blocks=1"], r"blocks\.5\.|\.norm\."),
    "lora": (["finetune=lora", "finetune.rank=2", "model.head.pool=cls_avg"], r"\.(up|down)$"),
    "batchnorm": (
        ["model.name=test_resnet", "finetune=last_blocks", "finetune.blocks=1"],
        r"layer4\.",
    ),
}


def initial(*words: str) -> dict[str, torch.Tensor]:
    """Return the weights of a training before its first step."""
    from lightning import seed_everything

    from pcam.training.preparation import build_classifier

    config = composed(*words)
    seed_everything(config.seed, verbose=False)
    model = build_classifier(config)
    model.adapt()
    return {key: value for key, value in model.state_dict().items() if "backbone" in key}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["model.name=test_vit"], {"qkv", "proj"}),
        (
            ["model.name=eva02_tiny_patch14_224", "++model.kwargs.qkv_fused=false"],
            {"q_proj", "k_proj", "v_proj", "proj"},
        ),
    ],
)
def test_query_key_and_value_get_adapters_whatever_their_names(
    words: list[str], expected: set[str]
) -> None:
    classifier = build_classifier(
        composed("model=timm", "model.weights=none", *words, "finetune=lora")
    )
    classifier.adapt()
    names = [name for name, _ in classifier.network.backbone.named_parameters()]
    adapted = [name.partition(".parametrizations.")[0] for name in names if name.endswith(".down")]
    assert {name.rpartition(".")[2] for name in adapted} == expected


@pytest.mark.parametrize("choice", slow_but({"lora"}, CHOICES))
def test_the_rest_stays_equal_to_the_bit(choice: str, tmp_path: Path) -> None:
    words, trained = CHOICES[choice]
    words = [*VIT, *words]
    train(tmp_path / "run", *words)
    before, after = initial(*words), read_state(tmp_path / "run", "network.backbone.")
    assert before.keys() == after.keys()
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert changed
    assert all(re.search(trained, key) for key in changed)
    model = open_run(tmp_path / "run").model
    images = torch.zeros(2, 3, 96, 96, dtype=torch.uint8)
    assert model(images).isfinite().all()


@pytest.mark.parametrize("choice", ["last_blocks", pytest.param("lora", marks=pytest.mark.slow)])
def test_a_resumed_run_equals_an_uninterrupted_one(
    choice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [*VIT, *CHOICES[choice][0]]
    train(tmp_path / "whole", *words)
    killed_after(monkeypatch, 1, tmp_path / "killed", *words)
    train(tmp_path / "killed", *words, resume=True)
    assert all(equal_tensors(read_state(tmp_path / "killed"), read_state(tmp_path / "whole")))


def test_the_screen_says_what_is_trained(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "pcam")
    train(tmp_path / "run", *VIT, *CHOICES["lora"][0], "trainer.max_epochs=1")
    assert re.search(
        r"trained +adapters of rank 2 and head; [\d,]+ parameters trained", caplog.text
    )
