"""Predictions whose quality is known, as runs leave them."""

from pathlib import Path

import numpy as np

from pcam.runs.predictions import write_predictions

SIZE = 300
_random = np.random.default_rng(0)
LABEL = (_random.random(SIZE) < 0.5).astype(np.uint8)
SLIDES = [f"s{i}" for i in _random.integers(0, 30, SIZE)]


def scores(strength: float, seed: int) -> np.ndarray:
    """Return probabilities that separate the classes by ``strength`` standard deviations."""
    noise = np.random.default_rng(seed).normal(size=SIZE)
    return 1 / (1 + np.exp(-(strength * (LABEL - 0.5) + noise)))


MEMBERS = {"strong": scores(2.5, 1), "middle": scores(2.0, 2), "weak": scores(0.3, 3)}


def write_members(folder: Path) -> Path:
    """Write a folder per member with predictions of test and valid, each in an order of its own."""
    for name, probability in MEMBERS.items():
        order = np.random.default_rng(len(name)).permutation(SIZE)
        for split in ("test", "valid"):
            write_predictions(
                folder / name,
                split,
                [f"{split}-{i}" for i in order],
                LABEL[order],
                probability[order],
                [SLIDES[i] for i in order],
            )
    return folder
