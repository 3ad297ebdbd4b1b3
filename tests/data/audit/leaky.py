"""Synthetic splits with copies, a shared slide and dark patches."""

import numpy as np

from pcam.data.sources.synthetic.source import SyntheticSource
from tests.data.audit.planted import Patches


def leaky_splits(size: int = 60) -> dict[str, Patches]:
    sources = {}
    for split in ("train", "valid"):
        one = SyntheticSource(split, size)
        sources[split] = Patches(one.read(np.arange(size)), one.labels, one.ids, one.groups)
    sources["train"].pixels[[20, 21, 22, 23, 24, 25]] = sources["train"].pixels[3]
    sources["valid"].pixels[5] = sources["train"].pixels[4]
    sources["valid"].groups = ["train-slide-02"] * 9 + list(sources["valid"].groups)[9:]
    sources["valid"].pixels[30:55] = np.random.default_rng(0).integers(10, 30, (25, 96, 96, 3))
    return sources
