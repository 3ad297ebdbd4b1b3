import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from pcam.stats.agreement import change

RNG = np.random.default_rng(0)
LABEL = (np.arange(400) % 2).astype(np.uint8)
BEFORE = RNG.normal(2 * LABEL - 1.0, 1.0)


def test_the_same_predictions_have_no_change() -> None:
    found = change(BEFORE, BEFORE, LABEL, floor=BEFORE, resamples=200)
    assert found["agreement"]["value"] == 1
    assert found["agreement"]["low"] < 1  # 400 patches that agree do not prove that all do
    assert found["to_positive"]["value"] == found["to_negative"]["value"] == 0
    assert found["auroc"]["value"] == found["beyond"]["changed"]["value"] == 0
    assert np.isnan(
        found["beyond"]["changed"]["low"]
    )  # no patch differs, so there is nothing to resample


def test_a_share_of_changed_predictions_stays_a_share() -> None:
    before, after, label = (
        np.array([1.0, -1.0, 2.0]),
        np.array([-1.0, -1.0, -2.0]),
        np.array([1, 0, 1], np.uint8),
    )
    changed = change(before, after, label, floor=before, resamples=100)["beyond"]["changed"]
    assert -1 <= changed["low"] <= changed["value"] <= changed["high"] <= 1


def test_changes_equal_their_definition() -> None:
    after = BEFORE.copy()
    after[:40:2] = 5.0  # twenty negatives that become, or stay, positive
    was = BEFORE[:40:2] >= 0
    found = change(BEFORE, after, LABEL, resamples=200)
    assert found["agreement"]["value"] == pytest.approx(1 - (~was).sum() / 400)
    assert found["to_positive"]["value"] == pytest.approx((~was).sum() / 400)
    assert found["to_negative"]["value"] == 0
    expected = roc_auc_score(LABEL, after) - roc_auc_score(LABEL, BEFORE)
    assert found["auroc"]["value"] == pytest.approx(expected)
    assert found["logodds"]["positive"]["value"] == 0
    assert found["logodds"]["negative"]["value"] == pytest.approx(
        (after - BEFORE)[LABEL == 0].mean()
    )
    assert found["probability"]["negative"]["value"] == pytest.approx(
        (expit(after) - expit(BEFORE))[LABEL == 0].mean()
    )
    assert "beyond" not in found


def test_changes_are_compared_with_the_floor() -> None:
    noise = BEFORE + RNG.normal(0, 0.05, 400)
    still = change(BEFORE, BEFORE + RNG.normal(0, 0.05, 400), LABEL, floor=noise, resamples=500)[
        "beyond"
    ]
    worse = change(BEFORE, BEFORE - 1.5 * LABEL, LABEL, floor=noise, resamples=500)["beyond"]
    for figure in ("changed", "auroc"):
        assert still[figure]["low"] < 0 < still[figure]["high"]
    assert worse["changed"]["low"] > 0.1
    assert worse["auroc"]["high"] < -0.1


def test_slides_widen_the_interval() -> None:
    slides = [f"s{i // 40}" for i in range(400)]
    after = BEFORE + np.repeat(RNG.normal(0, 1, 10), 40)  # the patches of a slide change together
    own, grouped = (
        change(BEFORE, after, LABEL, groups, resamples=500)["logodds"]["positive"]
        for groups in (None, slides)
    )
    assert grouped["high"] - grouped["low"] > 3 * (own["high"] - own["low"])
