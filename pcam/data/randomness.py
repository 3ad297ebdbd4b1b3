"""Counted randomness: every draw is a function of (seed, purpose, epoch, patch), nothing else.

No result depends on the number of workers or processes, on the batch size, or on what ran before. A
resumed run draws what the uninterrupted run would have drawn.
"""

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What a stream of random numbers is for; streams of different purposes are independent.

    Epoch and patch are the two words of a stream's counter. Purposes that do not draw by epoch use
    the word "epoch" for the number of a sub-stream, listed in an enum below.
    """

    ORDER = 0  # order of the training patches; by epoch
    CROP = 1  # place of a random crop; by epoch and patch
    AUGMENTATION = 2  # augmentation of a patch on the CPU; by epoch and patch
    LIMIT = 3  # patches that data.limit keeps
    SPLIT = 4  # train and valid, where they are split here
    TORCH = 5  # seed of torch's own generators (dropout); by epoch and step
    BATCHED = 6  # augmentation of whole batches; by epoch
    ATTRIBUTION = 7  # see AttributionStream
    POSITION = 8  # see PositionStream
    DASHBOARD = 9  # patches that a logger's dashboard shows
    MIXUP = 10  # how the patches of a training batch are blended; by epoch and step
    PROBE = 11  # patches of few-shot probes; by number of patches and draw; or see ProbeStream
    ADAPTER = 12  # first values of low-rank adapters


class AttributionStream(IntEnum):
    """Sub-streams of `Purpose.ATTRIBUTION`, each passed as the epoch of a draw."""

    METHOD = 0  # noise and samples of an attribution method; by patch
    RANDOM_MAP = 1  # map of random order, the lower reference of faithfulness; by patch
    SQUARES = 2  # squares that are removed to measure infidelity; by patch
    NOISE = 3  # noise that sensitivity adds to a patch; by patch
    PICK = 4  # patches to explain
    REFERENCES = 5  # patches that baselines and statistics are calculated from
    RANDOM_WEIGHTS = 6  # seed of the network of the sanity check
    TRUE_POSITIVES = 7  # patches that faithfulness is measured on
    CALLBACK = 8  # patches that are explained during training


class PositionStream(IntEnum):
    """Sub-streams of `Purpose.POSITION`, each passed as the epoch of a draw."""

    OFFSET = 0  # offset of a moved view; by patch
    NOISE = 1  # noise of one grey value; by patch
    NEGATIVE_PARTNER = 2  # negative patch that a part is exchanged with; by patch
    POSITIVE_PARTNER = 3  # positive patch that a part is exchanged with; by patch
    SAMPLE = 4  # patches to measure
    SAMPLE_ORDER = 5  # order of these patches


class ProbeStream(IntEnum):
    """Draws of `Purpose.PROBE` that are not few shots, each passed as the patch of epoch 0."""

    SLIDES = 0  # patches of each slide whose slide is predicted, and their order
    PICTURE = 1  # patches in the pictures of features
    SLIDE_RESAMPLES = 2  # bootstrap of the slide probe


class Stream:
    """The random numbers of one purpose, restarted at each (epoch, patch).

    Philox (Salmon et al., SC 2011) turns a key and a counter into random numbers, so any place of
    the stream can be reached in a microsecond.
    """

    def __init__(self, seed: int, purpose: Purpose) -> None:
        self._bits = np.random.Philox(key=[seed, purpose], counter=[0, 0, 0, 0])
        self._state = self._bits.state
        self.generator = np.random.Generator(self._bits)

    def at(self, epoch: int = 0, patch: int = 0) -> np.random.Generator:
        """Return the generator at the start of an epoch and patch; valid until the next call."""
        self._state["state"]["counter"][2:] = epoch, patch
        self._bits.state = self._state
        return self.generator


def draw(seed: int, purpose: Purpose, epoch: int = 0, patch: int = 0) -> np.random.Generator:
    """Return a generator of one purpose, epoch and patch."""
    return Stream(seed, purpose).at(epoch, patch)
