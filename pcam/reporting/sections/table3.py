"""Table 3 of the study: the networks and their vote."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pcam.reporting import paper
from pcam.reporting.cells import describe_network, difference_cells, figure_cell, network_name
from pcam.reporting.differences import Difference, Estimate, correct_p_values
from pcam.reporting.page import Section, Table, Text, drop_empty_columns
from pcam.reporting.study import Study, best_by_valid, config_of, known_labels, summary_of
from pcam.stats import votes
from pcam.stats.compare import paired_difference
from pcam.stats.intervals import bootstrap_metrics
from pcam.stats.metrics import Floats, Labels, classification_metrics
from pcam.sweeps.jobs import Job

RULES = {
    "majority_vote": "majority vote of hard labels",
    "mean_probability": "mean probability",
    "mean_logit": "mean logit",
    "rank_mean": "mean rank",
}
CHOICE_NOTE = (
    "one run of each network: augmented if there is one, not frozen if there is one, "
    "with the smallest seed."
)
VOTE_NOTE = (
    "A vote of hard labels loses the ranking: what remains is balanced accuracy. The differences "
    "are from the paired bootstrap; p is corrected for the number of rules by Holm's method."
)


@dataclass(frozen=True)
class Vote:
    """The networks' votes by one rule.

    Attributes:
        rule: its name.
        auroc: with its interval.
        hard: AUROC of the votes as 0 or 1; None if the rule gives no probability.
        difference: from the AUROC of the best network.
    """

    rule: str
    auroc: Estimate
    hard: float | None
    difference: Difference | None


def build_table3(study: Study, jobs: Sequence[Job]) -> Section:
    """Return one run of each network, and their votes.

    Args:
        study: of the jobs.
        jobs: finished.
    """
    chosen = _choose_runs(jobs)
    networks = {job.network for job in chosen}
    if len(networks) < 2:
        return Section("Table 3")
    voters = study.comparable(chosen)
    if len(voters) < 2:
        voters = []
    known = [job.network for job in chosen if job.network in paper.TABLE3]
    rows = [_network_cells(study, job, chosen) for job in chosen]
    rows += _vote_rows(study, voters, beside_study=bool(known))
    baseline = ""
    if voters:
        best = voters[best_by_valid(voters)]
        baseline = f" minus {network_name(best.network)}'s, the best by valid"
    head = ["", "AUROC", "the study", "AUROC of hard labels", f"AUROC{baseline}", "p (Holm)", "run"]
    table = drop_empty_columns(Table(head, rows, "table3"))
    note = " ".join(_notes(study.split, chosen, voters, known))
    return Section("Table 3: the networks and their vote", [table, Text(note, "soft")])


def _choose_runs(jobs: Sequence[Job]) -> list[Job]:
    """Return one run of each network, scale and data.

    Args:
        jobs: finished; their order is kept.
    """
    chosen: dict[tuple[str, str, str], Job] = {}
    for job in sorted(jobs, key=_preference):
        chosen.setdefault((job.network, job.scale, job.data), job)
    folders = {job.folder for job in chosen.values()}
    return [job for job in jobs if job.folder in folders]


def _preference(job: Job) -> tuple[bool, bool, int]:
    """Return a key that sorts augmented runs first, then those not frozen, then by seed."""
    config = config_of(job)
    return not job.augmented, config.finetune.name == "frozen", config.seed


def _vote_rows(study: Study, voters: Sequence[Job], beside_study: bool) -> list[list[str]]:
    """Return the row of each rule.

    Args:
        study: of the jobs.
        voters: one run of each network, with predictions of the same patches; none without votes.
        beside_study: whether the study's vote is shown beside them.

    Returns:
        Cells of the table's columns.
    """
    if not voters:
        return []
    cast = _vote(study, voters, voters[best_by_valid(voters)])
    differences = correct_p_values([vote.difference for vote in cast])
    rows = []
    for vote, difference in zip(cast, differences, strict=True):
        rows.append(_vote_cells(vote, difference, beside_study))
    return rows


def _vote(study: Study, voters: Sequence[Job], best: Job) -> list[Vote]:
    """Return the result of each rule."""
    members = study.align(voters)
    label, slides = known_labels(members), members.slides
    reference = members.logit[list(voters).index(best)]
    cast = []
    for rule, combine in votes.RULES.items():
        score = combine(members.logit)
        figures = bootstrap_metrics(
            score,
            label,
            slides,
            log_odds=True,
            metrics=("auroc",),
            resamples=study.resamples,
            seed=study.seed,
        )
        tested = paired_difference(
            score,
            reference,
            label,
            slides,
            log_odds=True,
            metrics=("auroc",),
            resamples=study.resamples,
            seed=study.seed,
        )["auroc"]
        difference = Difference(tested, None, tested["p"], float("nan"), False)
        # a mean rank is not a probability that 0.5 could divide
        hard = None if rule == "rank_mean" else _hard_auroc(score, label)
        cast.append(Vote(rule, figures["auroc"], hard, difference))
    return cast


def _hard_auroc(logit: Floats, label: Labels) -> float:
    """Return the AUROC of log-odds as 0 or 1, which is balanced accuracy."""
    hard = (logit >= 0).astype(np.float64)
    return classification_metrics(hard, label, metrics=["auroc"])["auroc"]


def _network_cells(study: Study, job: Job, chosen: Sequence[Job]) -> list[str]:
    """Return a network's row; with the data's name if the networks' data differ."""
    sources = {other.data for other in chosen}
    data = job.data if len(sources) > 1 else ""
    predictions = study.predictions(job)
    hard = None
    if predictions is not None and predictions.label is not None:
        hard = _hard_auroc(predictions.logit, predictions.label)
    return [
        describe_network(job, data),
        figure_cell(summary_of(job)[study.split]["auroc"]),
        f"{paper.TABLE3.get(job.network, '')}",
        _number(hard),
        "",
        "",
        job.label,
    ]


def _vote_cells(vote: Vote, difference: Difference | None, beside_study: bool) -> list[str]:
    """Return a rule's row.

    Args:
        vote: by this rule.
        difference: from the best network, with p corrected.
        beside_study: whether the study's vote is shown beside it.
    """
    name = RULES.get(vote.rule, vote.rule.replace("_", " "))
    study = ""
    if beside_study and vote.rule == "majority_vote":
        study = f"{paper.VOTE}"
    value, p, *_ = difference_cells(difference)
    return [name, figure_cell(vote.auroc), study, _number(vote.hard), value, p, ""]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _notes(
    split: str, chosen: Sequence[Job], voters: Sequence[Job], known: Sequence[str]
) -> list[str]:
    """Return what to know about the table.

    Args:
        split: of the figures.
        chosen: one run of each network.
        voters: those of the votes; none without votes.
        known: the networks that are in the study's table.
    """
    notes = [f"{split}; {CHOICE_NOTE}"]
    if voters:
        notes.append(VOTE_NOTE)
    if 0 < len(voters) < len(chosen):
        labels = ", ".join(job.label for job in voters)
        notes.append(f"Votes are of the networks on the same patches: {labels}.")
    if known:
        notes.append(paper.study_notes(known))
    return notes
