"""Probes agree with scikit-learn used from outside."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

from pcam.probing.classifiers import (
    STRENGTHS,
    SplitFeatures,
    centre,
    fit_linear,
    score_few_shots,
    score_means,
    score_neighbours,
)


def features(seed: int, count: int = 150) -> SplitFeatures:
    """Return two overlapping classes whose features have very different scales, one constant."""
    rng = np.random.default_rng(seed)
    label = rng.integers(2, size=count).astype(np.uint8)
    values = rng.normal(size=(count, 12)) + 0.5 * label[:, None]
    values *= 10.0 ** np.arange(-3, 9)
    values[:, 5] = 3
    return SplitFeatures(values.astype(np.float32), label)


TRAIN, VALID, TEST = features(0), features(1), features(2)


def test_the_linear_probe_is_scikit_learn_s_logistic_regression() -> None:
    fit = fit_linear(TRAIN, VALID, TEST.features)
    aurocs, scores = [], []
    for strength in STRENGTHS:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, tol=1e-8))
        model.fit(TRAIN.features.astype(np.float64), TRAIN.label)
        aurocs.append(roc_auc_score(VALID.label, model.decision_function(VALID.features)))
        scores.append(model.decision_function(TEST.features))
    best = int(np.argmax(np.round(aurocs, 6)))
    assert fit.strength == STRENGTHS[best]
    np.testing.assert_allclose(fit.score, scores[best], atol=1e-3)


def test_neighbours_are_scikit_learn_s() -> None:
    score = score_neighbours(TRAIN, TEST.features, 7)
    model = make_pipeline(Normalizer(), KNeighborsClassifier(7))  # of length 1: the same order
    model.fit(TRAIN.features, TRAIN.label)
    np.testing.assert_allclose(score + 0.5, model.predict_proba(TEST.features)[:, 1], atol=1e-3)


def centred(part: SplitFeatures) -> SplitFeatures:
    return SplitFeatures(centre(TRAIN.features, part.features), part.label)


def test_the_nearer_mean_is_that_of_the_nearest_centroid() -> None:
    train, test = centred(TRAIN), centred(TEST)
    predicted = NearestCentroid().fit(train.features, train.label).predict(test.features)
    np.testing.assert_array_equal(score_means(train, test.features) > 0, predicted == 1)
    np.testing.assert_allclose(np.linalg.norm(test.features, axis=1), 1, rtol=1e-5)


def test_few_shots_are_drawn_anew_and_the_same_for_all_backbones() -> None:
    train, test = centred(TRAIN), centred(TEST)
    scores = score_few_shots(train, test.features, shots=3, draws=4, seed=0)
    assert scores.shape == (4, len(TEST.label))
    assert len({tuple(score) for score in scores}) == 4
    np.testing.assert_array_equal(scores, score_few_shots(train, test.features, 3, 4, 0))
    assert not np.array_equal(scores, score_few_shots(train, test.features, 3, 4, 1))
    fewest = int(min(TRAIN.label.sum(), len(TRAIN.label) - TRAIN.label.sum()))
    whole = score_few_shots(train, test.features, fewest, 1, 0)[0]
    assert np.corrcoef(whole, score_means(train, test.features))[0, 1] > 0.99


@pytest.mark.parametrize("shots", [1, 10])
def test_more_shots_use_each_patch_once(shots: int) -> None:
    train = SplitFeatures(np.eye(30, dtype=np.float32), np.arange(30).astype(np.uint8) % 2)
    (score,) = score_few_shots(train, np.eye(30, dtype=np.float32), shots, 1, 0)
    assert len(np.unique(score.round(9))) == (2 if shots == 15 else 3)
