import pytest
import torch

from pcam.config.sections import SchedulerConfig
from pcam.models.schedules import (
    OneCycleConfig,
    PlateauConfig,
    build_plateau_watcher,
    build_scheduler,
    constant,
    cosine,
    onecycle,
    reduce_on_plateau,
)
from tests.run import composed

STEPS = 10


def build(section: SchedulerConfig) -> tuple[torch.optim.Optimizer, object]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    return optimizer, build_scheduler(optimizer, section, STEPS)


def rates(section: SchedulerConfig, steps: int = STEPS) -> list[float]:
    optimizer, scheduler = build(section)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


@pytest.mark.parametrize("choice", ["none", "cosine", "onecycle", "plateau"])
def test_each_scheduler_of_conf_stays_below_the_highest_rate(choice: str) -> None:
    found = rates(composed(f"scheduler={choice}").scheduler)
    assert 0 < max(found) <= 2.0
    assert min(found) > 0


def test_the_shapes_start_and_end_where_they_should() -> None:
    section = SchedulerConfig(name="constant", warmup=0.5)
    assert (constant(0.25, section), constant(0.75, section)) == (0.5, 1.0)
    section = SchedulerConfig(name="cosine", warmup=0.5)
    assert cosine(0.25, section) == 0.5
    assert cosine(0.5, section) == 1.0
    assert cosine(1.0, section) == pytest.approx(0.0)
    section = OneCycleConfig(name="onecycle", warmup=0.3, start=0.04, end=0.01)
    assert onecycle(0.0, section) == pytest.approx(0.04)
    assert onecycle(0.3, section) == pytest.approx(1.0)
    assert onecycle(1.0, section) == pytest.approx(0.01)


def test_one_cycle_has_the_rates_of_torch_s() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 2.0, total_steps=1000, cycle_momentum=False
    )
    expected = []
    for _ in range(1000):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step()
    section = composed("scheduler=onecycle").scheduler
    found = [2.0 * onecycle(step / 999, section) for step in range(1000)]
    assert found == pytest.approx(expected, abs=0.01)


def test_a_run_that_goes_on_longer_than_planned_keeps_its_last_rate() -> None:
    found = rates(composed("scheduler=cosine").scheduler, steps=STEPS + 5)
    assert found[STEPS:] == pytest.approx([0.0] * 5, abs=1e-9)


def test_a_plateau_reduces_the_highest_rates() -> None:
    section = PlateauConfig(name="plateau", warmup=0.0, factor=0.5, patience=1)
    optimizer, scheduler = build(section)
    watcher = build_plateau_watcher(optimizer, section)
    assert watcher is not None
    for value in (0.7, 0.6, 0.6):
        reduce_on_plateau(scheduler, watcher, value)
    assert scheduler.base_lrs == [1.0]
    optimizer.step()
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] == 1.0


def test_other_schedules_reduce_nothing_on_a_plateau() -> None:
    optimizer, _ = build(composed("scheduler=cosine").scheduler)
    assert build_plateau_watcher(optimizer, composed("scheduler=cosine").scheduler) is None
