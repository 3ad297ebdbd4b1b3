"""The free-response ROC."""

import numpy as np
import pytest

from pcam.stats.froc import RATES, SlideDetections, bootstrap_froc, froc_sensitivities


def slide(lesions: list[float], false_positives: list[float]) -> SlideDetections:
    return SlideDetections(np.array(lesions, float), np.array(false_positives, float))


def test_sensitivity_by_false_positives_per_slide() -> None:
    slides = [slide([0.95, 0.5], [0.9, 0.4]), slide([0.7], [0.6]), slide([], []), slide([], [])]
    # Scores in order: lesion .95, false .9 (1/4 per slide), lesion .7, false .6 (1/2), lesion .5
    found = froc_sensitivities(slides)
    np.testing.assert_allclose(found, [2 / 3, 1, 1, 1, 1, 1])


def test_a_score_that_a_false_positive_has_too_counts_against_the_lesion() -> None:
    found = froc_sensitivities([slide([0.5], [0.5])])
    np.testing.assert_allclose(found, [0, 0, 1, 1, 1, 1])


def test_lesions_without_a_detection_are_missed_at_any_rate() -> None:
    found = froc_sensitivities([slide([0.8, -np.inf], [])])
    np.testing.assert_allclose(found, np.full(len(RATES), 0.5))
    assert np.isnan(froc_sensitivities([slide([], [0.3])])).all()


def test_weights_are_repetitions_of_slides() -> None:
    generator = np.random.default_rng(0)
    slides = [slide(list(generator.random(3)), list(generator.random(9))) for _ in range(4)]
    repeated = [slides[0], slides[0], slides[2], slides[3]]
    weighted = froc_sensitivities(slides, np.array([2.0, 0, 1, 1]))
    np.testing.assert_allclose(weighted, froc_sensitivities(repeated))


def test_the_interval_contains_the_value_and_needs_two_slides() -> None:
    generator = np.random.default_rng(1)
    slides = [slide(list(generator.random(4)), list(generator.random(8))) for _ in range(12)]
    found = bootstrap_froc(slides, resamples=200)
    assert found["low"] < found["value"] < found["high"]
    assert found["value"] == pytest.approx(froc_sensitivities(slides).mean())
    assert np.isnan(bootstrap_froc(slides[:1], resamples=200)["low"])
