"""Which form of the network training steps use; what is built and timed is stood in for."""

import logging
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from pcam.models import folding
from pcam.models.classifier import PatchClassifier
from pcam.training import step_network
from pcam.training.preparation import build_classifier
from pcam.training.step_forms import build_form, restored
from pcam.training.step_network import StepNetworkChoice
from tests.conftest import SMALL, TINY
from tests.run import composed, train
from tests.training.runs import read_state

BATCH = {"image": torch.zeros(2, 3, 32, 32, dtype=torch.uint8)}


def fake_trainer(steps: int = 100, processes: int = 1, accumulated: int = 1) -> Any:
    return SimpleNamespace(
        world_size=processes,
        accumulate_grad_batches=accumulated,
        global_step=0,
        estimated_stepping_batches=steps,
        precision_plugin=SimpleNamespace(forward_context=nullcontext),
    )


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> PatchClassifier:
    """A classifier that says it is on a GPU."""
    classifier = build_classifier(composed(*TINY))
    monkeypatch.setattr(PatchClassifier, "device", torch.device("cuda"))
    return classifier


@pytest.fixture
def milliseconds(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """The time of each form; one without a time cannot be built."""
    times: dict[str, float] = {}

    def build(form: str, network: object, image: object) -> str:
        if form not in times:
            raise RuntimeError(f"no compiler for {form}")
        return form

    def measure(compute: object, image: object) -> float:
        return times[compute] if isinstance(compute, str) else times["off"]

    monkeypatch.setattr(step_network, "build_form", build)
    monkeypatch.setattr(step_network, "time_form", measure)
    return times


@pytest.mark.parametrize(
    ("times", "steps", "chosen"),
    [
        ({"off": 30.0, "graph": 13.0}, 100, "graph"),
        ({"off": 30.0, "graph": 29.9}, 100, "off"),  # no advantage
        ({"off": 30.0}, 100, "off"),  # cannot be built
        ({"off": 30.0, "graph": 13.0, "reduce-overhead": 9.0}, 100, "graph"),  # too short
        ({"off": 30.0, "graph": 13.0, "reduce-overhead": 9.0}, 10**6, "reduce-overhead"),
        ({"off": 30.0, "graph": 13.0, "reduce-overhead": 20.0}, 10**6, "graph"),
    ],
)
def test_auto_takes_the_fastest_form(
    times: dict[str, float],
    steps: int,
    chosen: str,
    model: PatchClassifier,
    milliseconds: dict[str, float],
) -> None:
    milliseconds |= times
    choice = StepNetworkChoice("auto")
    choice.on_train_batch_start(fake_trainer(steps), model, BATCH, 0)
    assert choice.chosen == chosen
    assert model.step_network == (None if chosen == "off" else chosen)


def test_a_form_that_cannot_be_built_is_reported_once(
    model: PatchClassifier, milliseconds: dict[str, float], caplog: pytest.LogCaptureFixture
) -> None:
    choice = StepNetworkChoice("graph")
    with caplog.at_level(logging.WARNING, logger="pcam"):
        for step in range(3):
            choice.on_train_batch_start(fake_trainer(), model, BATCH, step)
    messages = [record.getMessage() for record in caplog.records]
    assert messages == ["trainer.compile=graph cannot be used: no compiler for graph"]
    assert model.step_network is None
    assert choice.chosen == "off"


def test_it_is_chosen_again_when_the_backbone_is_unfrozen(
    model: PatchClassifier, milliseconds: dict[str, float]
) -> None:
    milliseconds |= {"off": 30.0, "graph": 13.0}
    choice = StepNetworkChoice("auto")
    model.network.freeze(True, keep_statistics=False)
    choice.on_train_batch_start(fake_trainer(), model, BATCH, 0)
    milliseconds["graph"] = 40.0
    choice.on_train_batch_start(fake_trainer(), model, BATCH, 1)
    assert choice.chosen == "graph"
    model.network.freeze(False, keep_statistics=False)
    choice.on_train_batch_start(fake_trainer(), model, BATCH, 0)
    assert choice.chosen == "off"
    assert model.step_network is None


@pytest.mark.parametrize("mode", ["off", "auto", "graph", "folded"])
def test_on_a_cpu_a_network_whose_statistics_move_is_computed_as_it_is(
    mode: Any, caplog: pytest.LogCaptureFixture
) -> None:
    classifier = build_classifier(composed(*TINY))
    choice = StepNetworkChoice(mode)
    with caplog.at_level(logging.WARNING, logger="pcam"):
        choice.on_train_batch_start(fake_trainer(), classifier, BATCH, 0)
    assert classifier.step_network is None
    assert choice.chosen == "off"
    asked_for = mode == "folded"
    assert ("none has fixed statistics" in caplog.text) is asked_for


def kept_classifier() -> PatchClassifier:
    """A classifier in train mode whose BatchNorm keeps its statistics."""
    classifier = build_classifier(composed(*TINY, "model.head.dropout=0.5"))
    classifier.network.train()
    classifier.network.freeze(False, keep_statistics=True)
    return classifier


@pytest.mark.parametrize("mode", ["auto", "folded"])
def test_on_a_cpu_batchnorm_that_is_kept_is_folded(mode: Any) -> None:
    classifier = kept_classifier()
    images = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
    choice = StepNetworkChoice(mode)
    torch.manual_seed(3)
    choice.on_train_batch_start(fake_trainer(), classifier, {"image": images}, 0)
    next_draw = torch.rand(1)
    assert choice.chosen == "folded"
    assert "BatchNorm folded into convolutions" in choice.describe()
    scores = []
    for compute in (classifier.network, classifier.step_network):
        assert compute is not None
        torch.manual_seed(0)
        scores.append(compute(images))
    torch.testing.assert_close(*scores)
    torch.manual_seed(3)
    assert torch.equal(next_draw, torch.rand(1))  # choosing takes no draw of the training's


@pytest.mark.parametrize(("mode", "messages"), [("auto", 0), ("folded", 1)])
def test_a_network_that_cannot_be_folded_is_computed_as_it_is(
    mode: Any, messages: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fold(backbone: torch.nn.Module) -> torch.nn.Module:
        return torch.nn.Sequential(backbone, torch.nn.ReLU(), torch.nn.Tanh())  # another function

    monkeypatch.setattr(folding, "fold_batchnorm", fold)
    classifier = kept_classifier()
    choice = StepNetworkChoice(mode)
    images = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
    with caplog.at_level(logging.WARNING, logger="pcam"):
        choice.on_train_batch_start(fake_trainer(), classifier, {"image": images}, 0)
    assert classifier.step_network is None
    assert choice.chosen == "off"
    texts = [record.getMessage() for record in caplog.records]
    assert len(texts) == messages
    assert all("features would be others" in text for text in texts)


def test_a_training_with_folded_batchnorm_is_that_of_the_network(tmp_path: Path) -> None:
    words = [*TINY, *SMALL, "finetune.batchnorm=kept", "trainer.max_epochs=1", "optimizer=sgd"]
    folded = train(tmp_path / "folded", *words)
    plain = train(tmp_path / "plain", *words, "trainer.compile=off")
    assert folded["step"]["compile"] == "folded"
    assert plain["step"]["compile"] == "off"
    states = [read_state(tmp_path / name) for name in ("folded", "plain")]
    for (name, one), (_, other) in zip(*(state.items() for state in states), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5, msg=name)


def test_several_processes_compute_the_network_as_it_is(model: PatchClassifier) -> None:
    choice = StepNetworkChoice("auto")
    choice.on_train_batch_start(fake_trainer(processes=2), model, BATCH, 0)
    assert model.step_network is None


@pytest.mark.parametrize("steps", [100, 10**6])
def test_gradients_of_several_batches_are_not_captured(
    steps: int, model: PatchClassifier, milliseconds: dict[str, float]
) -> None:
    """A graph gives twice the last batch's gradient in place of the sum of two."""
    milliseconds |= {"off": 30.0, "graph": 13.0, "reduce-overhead": 9.0}
    choice = StepNetworkChoice("auto")
    choice.on_train_batch_start(fake_trainer(steps, accumulated=2), model, BATCH, 0)
    assert choice.chosen == "off"
    assert model.step_network is None


@pytest.mark.parametrize("mode", ["graph", "reduce-overhead"])
def test_a_graph_that_is_asked_for_is_refused_if_batches_are_accumulated(
    mode: Any,
    model: PatchClassifier,
    milliseconds: dict[str, float],
    caplog: pytest.LogCaptureFixture,
) -> None:
    milliseconds |= {"off": 30.0, mode: 13.0}
    choice = StepNetworkChoice(mode)
    choice.on_train_batch_start(fake_trainer(accumulated=2), model, BATCH, 0)
    assert model.step_network is None
    assert f"trainer.compile={mode} cannot be used: gradients of several batches" in caplog.text


def test_trying_leaves_statistics_and_gradients_as_they_were() -> None:
    network = build_classifier(composed(*TINY)).network
    before = {name: value.clone() for name, value in network.state_dict().items()}
    places = [buffer.data_ptr() for buffer in network.buffers()]
    with restored(network):
        network(torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)).sum().backward()
        assert any(
            not torch.equal(value, before[name]) for name, value in network.state_dict().items()
        )
    after = network.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert [buffer.data_ptr() for buffer in network.buffers()] == places
    assert all(parameter.grad is None for parameter in network.parameters())


def test_off_is_understood_as_yaml_reads_it() -> None:
    assert composed("trainer.compile=off").trainer.compile == "off"
    assert composed("trainer.compile=false").trainer.compile == "off"
    assert composed().trainer.compile == "auto"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_cuda_graph_has_the_gradients_of_the_network() -> None:
    network = build_classifier(composed(*TINY)).network.cuda().train()
    images = torch.randint(0, 256, (8, 3, 32, 32), dtype=torch.uint8, device="cuda")
    other = torch.randint(0, 256, (8, 3, 32, 32), dtype=torch.uint8, device="cuda")
    with torch.autocast("cuda", torch.bfloat16, cache_enabled=False), restored(network):
        captured = build_form("graph", network, images)
    found = []
    for compute in (captured, network):
        with torch.autocast("cuda", torch.bfloat16, cache_enabled=False), restored(network):
            score = compute(other)
            score.sum().backward()
            gradients = [one.grad.clone() for one in network.parameters()]
        found.append([score.detach().clone(), *gradients])
    assert all(torch.equal(one, same) for one, same in zip(*found, strict=True))
