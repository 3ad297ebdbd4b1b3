"""Simple classifiers of features. Each returns scores of test patches: log-odds, or like them.

A score is positive where a patch is predicted positive.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pcam.data.features import Features
from pcam.data.randomness import Purpose, Stream
from pcam.stats.metrics import Floats, Labels, classification_metrics

STRENGTHS = tuple(10.0**power for power in range(-6, 2))  # scikit-learn's C, from the strongest on
MOST_STEPS = 1000  # of L-BFGS
LEAST_DEVIATION = 1e-6  # of a feature that is divided by it


@dataclass(frozen=True)
class SplitFeatures:
    """The features of the patches of a split.

    Attributes:
        features: float32 (N, F).
        label: uint8 (N,).
    """

    features: Features
    label: Labels


@dataclass(frozen=True)
class LinearFit:
    """A logistic regression.

    Attributes:
        strength: scikit-learn's C that was chosen on valid.
        score: log-odds of the test patches, float64 (N,).
    """

    strength: float
    score: Floats


def fit_linear(train: SplitFeatures, valid: SplitFeatures, test: Features) -> LinearFit:
    """Fit a logistic regression by L-BFGS on standardised features.

    Of ``STRENGTHS`` that with the highest AUROC on valid is taken, of equal ones the strongest
    regularisation.

    Args:
        train: what it is fitted to.
        valid: what its regularisation is chosen on.
        test: float32 (N, F).
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    mean, scale = standardisation(train.features)
    parts = [(part - mean) / scale for part in (train.features, valid.features, test)]
    model = LogisticRegression(max_iter=MOST_STEPS, warm_start=True)
    best, best_auroc = LinearFit(STRENGTHS[0], np.zeros(len(test))), -np.inf
    for strength in STRENGTHS:
        model.set_params(C=strength)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(parts[0], train.label)
        on_valid = model.decision_function(parts[1]).astype(np.float64)
        auroc = _auroc(on_valid, valid.label)
        if auroc > best_auroc:
            score = model.decision_function(parts[2]).astype(np.float64)
            best, best_auroc = LinearFit(strength, score), auroc
    return best


def standardisation(features: Features) -> tuple[Features, Features]:
    """Return what standardises features: mean and standard deviation, float32 (F,) each."""
    mean = features.mean(0, dtype=np.float64).astype(np.float32)
    deviation = features.std(0, dtype=np.float64)
    return mean, np.maximum(deviation, LEAST_DEVIATION).astype(np.float32)


def score_neighbours(train: SplitFeatures, test: Features, count: int) -> Floats:
    """Return the share of positives among the nearest training patches, less 0.5, float64 (N,).

    Args:
        train: N patches that are searched, by the cosine of their features.
        test: float32 (N, F).
        count: number of neighbours.
    """
    from sklearn.neighbors import KNeighborsClassifier

    model = KNeighborsClassifier(count, metric="cosine", algorithm="brute")
    model.fit(train.features, train.label)
    share: Floats = model.predict_proba(test)[:, 1]
    return share - 0.5


def centre(train: Features, features: Features) -> Features:
    """Return features without the mean of train's, of length 1 (SimpleShot, Wang et al. 2019)."""
    mean = train.mean(0, dtype=np.float64).astype(np.float32)
    moved = features - mean
    length = np.linalg.norm(moved, axis=1, keepdims=True)
    unit: Features = moved / np.maximum(length, LEAST_DEVIATION)
    return unit


def score_means(train: SplitFeatures, test: Features) -> Floats:
    """Return by how much test patches are nearer to the positive class's mean, float64 (N,).

    Args:
        train: centred.
        test: centred, float32 (N, F).

    Returns:
        The squared distance to the negative class's mean less that to the positive one's.
    """
    negative = train.features[train.label == 0].mean(0, dtype=np.float64)
    positive = train.features[train.label == 1].mean(0, dtype=np.float64)
    offset = float(negative @ negative - positive @ positive)
    score: Floats = 2 * (test.astype(np.float64) @ (positive - negative)) + offset
    return score


def score_few_shots(
    train: SplitFeatures, test: Features, shots: int, draws: int, seed: int
) -> Floats:
    """Return ``score_means`` of classifiers that know a few patches of each class.

    Args:
        train: centred.
        test: centred, float32 (N, F).
        shots: patches of each class, at most as many as train has.
        draws: D, random draws of these patches.
        seed: of the draws.

    Returns:
        float64 (D, N).
    """
    stream = Stream(seed, Purpose.PROBE)
    scores = []
    for number in range(draws):
        rows = _draw_rows(train.label, shots, stream.at(shots, number))
        known = SplitFeatures(train.features[rows], train.label[rows])
        scores.append(score_means(known, test))
    return np.stack(scores)


def _draw_rows(label: Labels, shots: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Return the patches of a draw, as many of each class."""
    parts = []
    for value in (0, 1):
        members = np.flatnonzero(label == value)
        parts.append(generator.choice(members, shots, replace=False))
    return np.concatenate(parts)


def _auroc(score: Floats, label: Labels) -> float:
    return classification_metrics(score, label, metrics=("auroc",), log_odds=True)["auroc"]
