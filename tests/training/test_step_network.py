"""Which form of the network training steps use; what is built and timed is stood in for."""

import logging
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from pcam.models.classifier import PatchClassifier
from pcam.training import step_network
from pcam.training.preparation import build_classifier
from pcam.training.step_forms import build_form, restored
from pcam.training.step_network import StepNetworkChoice
from tests.conftest import TINY
from tests.run import composed

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


@pytest.mark.parametrize("mode", ["off", "auto", "graph"])
def test_on_a_cpu_and_with_off_the_network_is_computed_as_it_is(mode: Any) -> None:
    classifier = build_classifier(composed(*TINY))
    choice = StepNetworkChoice(mode)
    choice.on_train_batch_start(fake_trainer(), classifier, BATCH, 0)
    assert classifier.step_network is None
    assert choice.chosen == "off"


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
