"""Features in two dimensions, and what is known of the patches that are shown."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pcam.data.base import Indices, PatchSource
from pcam.data.features import Features
from pcam.data.randomness import ProbeStream, Purpose, draw
from pcam.data.stain import haematoxylin_share
from pcam.probing.classifiers import standardisation
from pcam.stats.metrics import Floats, Labels

MOST_POINTS = 3000  # in a picture
AT_ONCE = 256  # patches that are read


@dataclass(frozen=True)
class ShownPatches:
    """The test patches of the pictures, in random order.

    Attributes:
        rows: int64 (n,), their numbers.
        label: uint8 (n,).
        slide: (n,) names, or None where slides are unknown.
        stain: float64 (n,), the share of haematoxylin; NaN for patches without stain.
    """

    rows: Indices
    label: Labels
    slide: NDArray[np.str_] | None
    stain: Floats


@dataclass(frozen=True)
class Projection:
    """Principal components of features.

    Attributes:
        points: float64 (n, 2), of the patches that are shown.
        shares: of the variance of train's standardised features that each component has.
    """

    points: Floats
    shares: tuple[float, float]


def choose_shown(test: PatchSource, seed: int) -> ShownPatches:
    """Draw the patches that are shown, and measure their stain.

    Args:
        test: labelled patches.
        seed: of the draw.
    """
    assert test.labels is not None
    generator = draw(seed, Purpose.PROBE, 0, ProbeStream.PICTURE)
    rows = generator.permutation(len(test))[:MOST_POINTS]
    stain = np.empty(len(rows))
    for start in range(0, len(rows), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        stain[part] = haematoxylin_share(test.read(rows[part]))
    slide = None if test.groups is None else np.asarray(test.groups)[rows]
    return ShownPatches(rows, test.labels[rows], slide, stain)


def project(train: Features, shown: Features, seed: int) -> Projection:
    """Return the first two principal components of train's standardised features.

    Args:
        train: float32 (N, F), what the components are fitted to.
        shown: float32 (n, F), what is projected.
        seed: of scikit-learn's randomized solver, which it takes for many features.
    """
    from sklearn.decomposition import PCA

    mean, scale = standardisation(train)
    count = min(2, *train.shape)
    model = PCA(count, random_state=seed)
    with np.errstate(invalid="ignore"):  # features that do not vary
        model.fit((train - mean) / scale)
    points = np.zeros((len(shown), 2))
    points[:, :count] = model.transform((shown - mean) / scale)
    shares = np.zeros(2)
    shares[:count] = np.nan_to_num(model.explained_variance_ratio_)
    return Projection(points, (float(shares[0]), float(shares[1])))
