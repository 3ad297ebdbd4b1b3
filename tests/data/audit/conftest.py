import numpy as np
import pytest

from pcam.data.sources.synthetic.source import SyntheticSource
from tests.data.audit.planted import SIZES, Patches


@pytest.fixture(scope="session")
def synthetic() -> dict[str, SyntheticSource]:
    return {split: SyntheticSource(split, size) for split, size in SIZES.items()}


@pytest.fixture
def clean(synthetic: dict[str, SyntheticSource]) -> dict[str, Patches]:
    """Return patches without copies and faults, to plant some in."""
    splits = {}
    for split, source in synthetic.items():
        pixels = source.read(np.arange(len(source)))
        splits[split] = Patches(pixels, source.labels, source.ids, source.groups)
    return splits
