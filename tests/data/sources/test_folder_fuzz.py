"""Random folders of pictures are read right, or refused in one line that names the picture."""

import logging
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from pcam.data.sources.folder import FolderSource
from pcam.errors import PcamError
from tests.data.sources.mixtures import FAULTS, Mixture, write_mixture


def check_mixture(mixture: Mixture, caplog: pytest.LogCaptureFixture) -> str:
    """Open a folder and read it; return "read right" or the fault that was refused."""
    caplog.clear()
    with warnings.catch_warnings(), caplog.at_level(logging.INFO):
        warnings.simplefilter("error")
        if mixture.fault:
            with pytest.raises(PcamError) as found:
                FolderSource("train", str(mixture.root))
            message = str(found.value)
            assert str(mixture.faulty) in message, (mixture.fault, message)
            assert "\n" not in message
            return mixture.fault
        source = FolderSource("train", str(mixture.root))
        patches = source.read(np.arange(len(source)))
    assert source.ids == sorted(mixture.expected)
    for name, patch, label in zip(source.ids, patches, source.labels, strict=True):
        assert label == ("tumour" in name)
        # the reference rounds once, Pillow's CMYK twice
        np.testing.assert_allclose(patch, mixture.expected[name].astype(int), atol=1, err_msg=name)
    counted = f"skipped {mixture.skipped} that are" if mixture.skipped else ""
    assert counted in caplog.text
    return "read right"


def check_mixtures(count: int, root: Path, caplog: pytest.LogCaptureFixture) -> Counter[str]:
    outcomes: Counter[str] = Counter()
    pictures = 0
    for seed in range(count):
        mixture = write_mixture(root / str(seed), seed)
        outcomes[check_mixture(mixture, caplog)] += 1
        pictures += len(mixture.expected)
    print(f"\n{count} folders, {pictures} pictures: {dict(outcomes)}")
    return outcomes


def test_a_few_mixtures(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    outcomes = check_mixtures(30, tmp_path, caplog)
    assert outcomes["read right"] >= 10


@pytest.mark.slow
def test_300_mixtures(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    outcomes = check_mixtures(300, tmp_path, caplog)
    assert outcomes["read right"] >= 150
    assert set(outcomes) == {"read right", *FAULTS}
