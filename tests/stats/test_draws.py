import math

import numpy as np
import pytest

from pcam.stats.draws import bootstrap_over_draws
from pcam.stats.intervals import bootstrap_metrics

METRICS = ("auroc", "accuracy")
RNG = np.random.default_rng(0)
LABEL = RNG.integers(2, size=80).astype(np.uint8)
SCORES = RNG.normal(size=(3, 80)) + LABEL
SLIDES = [str(number // 8) for number in range(80)]


def test_a_single_draw_has_the_usual_interval() -> None:
    found = bootstrap_over_draws(SCORES[:1], LABEL, SLIDES, metrics=METRICS, resamples=200)
    expected = bootstrap_metrics(
        SCORES[0], LABEL, SLIDES, log_odds=True, metrics=METRICS, resamples=200
    )
    for name in METRICS:
        assert math.isnan(found[name].pop("sd"))
        assert found[name] == pytest.approx(expected[name])


def test_the_figure_is_the_mean_of_the_draws() -> None:
    found = bootstrap_over_draws(SCORES, LABEL, metrics=METRICS, resamples=200)
    single = [
        bootstrap_metrics(score, LABEL, log_odds=True, metrics=METRICS, resamples=200)
        for score in SCORES
    ]
    for name in METRICS:
        values = [one[name]["value"] for one in single]
        assert found[name]["value"] == pytest.approx(np.mean(values))
        assert found[name]["sd"] == pytest.approx(np.std(values, ddof=1))
        assert found[name]["low"] < found[name]["value"] < found[name]["high"]
