import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score

from pcam.stats.logodds import log_odds
from pcam.stats.metrics import classification_metrics
from pcam.stats.votes import (
    RULES,
    fit_weights,
    majority_vote,
    mean_logit,
    mean_probability,
    rank_mean,
    weighted_mean,
)
from tests.stats.saturated import saturated


def team(
    size: int = 3000, noise: tuple[float, ...] = (0.7, 0.8, 0.9, 1.0, 1.1)
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, size).astype(np.uint8)
    seen = 1.5 * label - 0.75 + 0.5 * rng.normal(size=size)
    return np.stack([2 * (seen + sd * rng.normal(size=size)) for sd in noise]), label


def test_the_mean_probability_decides_ties_of_the_majority() -> None:
    probability = np.array(
        [[0.9, 0.6, 0.2, 0.9], [0.8, 0.45, 0.6, 0.6], [0.1, 0.3, 0.7, 0.0], [0.5, 0.6, 0.4, 0.0]]
    )
    members = log_odds(probability)
    assert majority_vote(members).tolist() == [
        1,
        0,
        0,
        0,
    ]  # means of the ties: 0.4875, 0.475, 0.375
    assert majority_vote(log_odds(probability[:, 1:2] + 0.04)).tolist() == [1]  # 0.5275
    assert majority_vote(members[:3]).tolist() == [1, 0, 1, 1]


def test_each_member_can_have_its_own_threshold() -> None:
    members = log_odds(np.array([[0.3, 0.3], [0.6, 0.6], [0.7, 0.9]]))
    assert majority_vote(members, log_odds(np.array([0.2, 0.7, 0.8]))).tolist() == [0, 1]
    assert majority_vote(members[:2], log_odds(np.array([0.2, 0.65]))).tolist() == [
        1,
        1,
    ]  # a tie: 0.1 above, 0.05 below


def test_auroc_of_a_vote_is_its_balanced_accuracy_and_below_that_of_probabilities() -> None:
    members, label = team()
    votes = classification_metrics(RULES["majority_vote"](members), label, log_odds=True)
    assert votes["auroc"] == pytest.approx(votes["balanced_accuracy"], abs=1e-12)
    aurocs = {name: roc_auc_score(label, expit(rule(members))) for name, rule in RULES.items()}
    assert (
        aurocs["majority_vote"] + 0.03
        < roc_auc_score(label, (members >= 0).mean(0))
        < aurocs["mean_probability"]
    )
    assert aurocs["mean_probability"] > max(roc_auc_score(label, member) for member in members)
    # As in the study: the AUROC of the vote's labels is below that of one member's probabilities,
    # although the vote is right more often.
    assert aurocs["majority_vote"] < roc_auc_score(label, members[0])
    assert votes["accuracy"] > classification_metrics(members[0], label, log_odds=True)["accuracy"]


def test_means_equal_their_definition() -> None:
    probability = np.array([[0.2, 0.5, 0.9], [0.4, 0.5, 0.5]])
    members = log_odds(probability)
    assert expit(mean_probability(members)) == pytest.approx([0.3, 0.5, 0.7])
    odds = probability / (1 - probability)
    assert mean_logit(members) == pytest.approx(np.log(np.sqrt(odds.prod(0))))
    assert expit(rank_mean(members)) == pytest.approx(np.array([0.5 + 0.5, 1.5 + 2, 2.5 + 2]) / 6)
    weights = np.array([0.25, 0.75])
    assert expit(weighted_mean(members, weights)) == pytest.approx(weights @ probability)


def test_patches_of_equal_rank_sums_are_tied() -> None:
    rng = np.random.default_rng(0)
    members = np.stack([rng.permutation(400).astype(float) for _ in range(3)])
    totals = members.sum(0)
    found = rank_mean(members)
    assert len(np.unique(found)) == len(np.unique(totals)) < 400
    assert np.array_equal(rankdata(found), rankdata(totals))


def test_rank_mean_depends_only_on_the_order() -> None:
    members, _ = team()
    np.testing.assert_allclose(
        rank_mean(members), rank_mean(np.stack([members[0] - 5, *members[1:] / 2]))
    )


def test_one_certain_member_does_not_decide_alone() -> None:
    members = log_odds(np.array([[1.0], [0.01], [0.01], [0.01], [0.01]]))
    assert mean_logit(members)[0] < 0


def test_scores_whose_probabilities_round_to_1_keep_their_order() -> None:
    logits, label = saturated()
    team = np.stack([logits, logits + 5])
    for name in ("mean_probability", "mean_logit", "rank_mean"):
        combined = classification_metrics(RULES[name](team), label, log_odds=True)
        assert combined["auroc"] == pytest.approx(13 / 14), name
    weighted = weighted_mean(team, fit_weights(team, label))
    assert classification_metrics(weighted, label, log_odds=True)["auroc"] == pytest.approx(13 / 14)


def test_a_certain_csv_member_keeps_the_order_of_its_patches() -> None:
    probability = np.array([[0.5, 1 - 1e-12, 1.0], [0.5, 0.5, 0.5]])
    combined = mean_logit(log_odds(probability))
    assert np.isfinite(combined).all()
    assert combined[0] < combined[1] <= combined[2]


def test_every_rule_of_one_member_keeps_its_order() -> None:
    members, label = team()
    for name in ("mean_probability", "mean_logit", "rank_mean"):
        assert roc_auc_score(label, RULES[name](members[:1])) == pytest.approx(
            roc_auc_score(label, members[0]), abs=1e-9
        )


@pytest.mark.parametrize("turned", [False, True])
def test_fitted_weights_are_the_best_on_the_simplex(turned: bool) -> None:
    members, label = team(noise=(0.6, 1.0, 3.0))
    if turned:  # wrong where the others are right: a weight below 0 would do best
        members[2] = log_odds(0.5 + 0.3 * (0.5 - expit(members[2])))
    weights = fit_weights(members, label)
    assert weights.sum() == pytest.approx(1)
    assert (weights >= 0).all()
    best = classification_metrics(weighted_mean(members, weights), label, log_odds=True)["nll"]
    probability = expit(members)
    for first in np.linspace(0, 1, 21):
        for second in np.linspace(0, 1 - first, 21):
            other = np.array([first, second, 1 - first - second])
            assert (
                best
                <= classification_metrics(np.clip(other @ probability, 0, 1), label)["nll"] + 1e-9
            )
    assert weights[0] > weights[1] > weights[2]


def test_weights_fitted_on_one_split_help_on_another() -> None:
    members, label = team(6000, noise=(0.5, 3.0, 3.0, 3.0))
    weights = fit_weights(members[:, :2000], label[:2000])
    rest = members[:, 2000:], label[2000:]
    fitted, plain = (
        classification_metrics(combined, rest[1], log_odds=True)["nll"]
        for combined in (weighted_mean(rest[0], weights), mean_probability(rest[0]))
    )
    assert fitted < plain


def test_a_harmful_member_gets_no_weight() -> None:
    members, label = team(noise=(0.6, 0.6))
    weights = fit_weights(np.stack([members[0], -members[1]]), label)
    assert weights == pytest.approx([1, 0], abs=0.02)


def test_weights_of_equal_and_of_certain_members_and_of_one_class() -> None:
    members, label = team(200)
    assert fit_weights(members[:1], label).tolist() == [1]
    assert fit_weights(members, np.ones_like(label)) == pytest.approx(np.full(5, 0.2))
    assert fit_weights(np.stack([members[0]] * 3), label).sum() == pytest.approx(1)
    assert np.isfinite(
        fit_weights(np.where(members > 0, np.inf, -np.inf), label)
    ).all()  # certain and wrong: clipped, not infinite


def test_malformed_members_are_an_error() -> None:
    members, label = team(50)
    members[1, 3] = np.nan
    for rule in RULES.values():
        with pytest.raises(ValueError, match="not numbers"):
            rule(members)
    with pytest.raises(ValueError, match=r"\(M, N\)"):
        mean_probability(members[0])
    with pytest.raises(ValueError, match="3 weights for 5 members"):
        weighted_mean(team(50)[0], np.ones(3) / 3)
    with pytest.raises(ValueError, match="different lengths"):
        fit_weights(team(50)[0], label[1:])
