import numpy as np

from pcam.data.audit.run import audit
from tests.data.audit.planted import Patches


def test_another_stain_and_one_class_only_are_reported(clean: dict[str, Patches]) -> None:
    pale = 255 * (clean["test"].pixels / 255) ** 0.45
    clean["test"].pixels = pale.astype(np.uint8)
    clean["test"].labels[:] = 1
    report = audit(clean)
    assert report["stain"].verdict == "warn"
    assert "test" in report["stain"].line
    assert report["classes"].verdict == "fail"
    mean = {split: figures["haematoxylin"]["mean"] for split, figures in report.stain.items()}
    assert mean["test"] < 0.7 * mean["train"]
