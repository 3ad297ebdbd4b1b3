"""What TensorBoard gets: read back from its events."""

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.conftest import SMALL, TINY
from tests.run import train


@pytest.mark.slow
def test_tensorboard_gets_metrics_figures_and_a_curve(tmp_path: Path) -> None:
    words = [*TINY, *SMALL, "trainer.max_epochs=1", "logger=tensorboard"]
    summary = train(tmp_path, *words, curves=True)
    sizes = {"images": 0, "tensors": 0}
    events = EventAccumulator(str(tmp_path / "tensorboard"), size_guidance=sizes)
    events.Reload()
    tags = events.Tags()
    assert {"curves", "evaluation"} <= set(tags["images"])
    assert "test" in tags["tensors"]  # its precision-recall curve
    value = events.Scalars("test/auroc")[-1].value
    assert value == pytest.approx(summary["test"]["auroc"]["value"], abs=1e-6)
