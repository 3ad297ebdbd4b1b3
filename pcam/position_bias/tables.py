"""Positional bias as text: the tables of one run."""

import math
from collections.abc import Mapping, Sequence

from pcam.data.crop import Crop
from pcam.position_bias.results import Effects, LabellingRule, PositionBias, SwapRow
from pcam.position_bias.views import View
from pcam.stats.agreement import Change
from pcam.stats.formatting import (
    format_difference,
    format_facts,
    format_interval,
    format_p_value,
    format_table,
)
from pcam.stats.intervals import Interval

VIEWS = {
    "noise": "noise of ±1 grey level",
    "turn": "rotated by 90°",
    "shift": "shifted",
    "shift_turn": "shifted and rotated",
}
SWAPS = {
    "negative": "{} of a negative",
    "positive": "{} of a positive",
    "blurred": "{} blurred",
    "filled": "{} of one colour",
    "contrast": "{} of a positive minus of a negative",
}
CROPS = {
    "none": "whole patch",
    "center": "centre {0}x{0}",
    "random": "{0}x{0} at random",
    "ring": "all but the centre {0}x{0}",
}


def describe_swap(region: str, given: str) -> str:
    """Return the label of a replaced region, as in tables and figures."""
    return SWAPS[given].format(region)


def describe_view(view: View) -> str:
    """Return what a network sees of a patch and how far it is shifted."""
    (top, left), (bottom, right) = view.low.tolist(), view.high.tolist()
    span = f"rows {top:+d} to {bottom:+d}, columns {left:+d} to {right:+d}"
    patch = f"{view.width}x{view.height}"
    if view.size is None:
        return f"the whole patch, {patch}; shifted with mirrored edges by {span}"
    return f"{view.size}x{view.size} of {patch}; shifted by {span}"


def describe_crop(crop: Crop, training: str) -> str:
    """Return the part of a patch that a crop leaves.

    Args:
        crop: of the evaluation.
        training: mode of the crop in training.
    """
    part = CROPS[crop.mode].format(crop.size)
    if training == "random" and crop.mode != "random":
        return f"{part} (trained on random crops)"
    return part


def format_bias(result: PositionBias, all_tables: bool = True) -> str:
    """Return one run's facts, and tables of all figures or the findings alone, as text."""
    text = format_run(result)
    if result.effects is None:
        return text
    if all_tables:
        return f"{text}\n\n{format_effects(result, result.effects)}"
    return f"{text}\n\n{format_findings(result, result.effects)}"


def format_run(result: PositionBias) -> str:
    """Return a run, its patches and what it sees of them as text."""
    facts = result.facts
    lines = [
        ("run", f"{facts.run}: {facts.network}, weights {facts.weights}"),
        ("patches", f"{facts.data}, {facts.split}: {result.patch_count}"),
    ]
    if result.effects is None:
        lines += [
            ("view", f"{result.crop}; it cannot be shifted"),
            ("AUROC", format_interval(facts.auroc)),
        ]
        return format_facts(lines)
    lines.append(("view", describe_view(result.effects.view) + _random_crop_note(result)))
    return format_facts(lines)


def _random_crop_note(result: PositionBias) -> str:
    if result.evaluated_crop != "random":
        return ""
    return "; the run crops this split at random, here in the middle"


def format_findings(result: PositionBias, effects: Effects) -> str:
    """Return what the figures say in few lines, with the figures that it rests on."""
    auroc, over = format_interval(result.facts.auroc), result.facts.over
    parts = [
        f"as trained: AUROC {auroc}; 95 % intervals over {over}",
        "\n".join(_findings(effects)),
    ]
    contrasts = [row for row in effects.swaps if row.change is None]
    if contrasts:
        parts.append(_swap_table(contrasts))
    names = ["views.csv"]
    names += ["swaps.csv"] if effects.swaps else []
    names += ["shift_map.csv"] if effects.shift_map else []
    files = ", ".join([*names, "summary.json", "figures/"])
    parts.append(f"All figures: {files}; detail=full shows them")
    return "\n\n".join(parts)


def format_effects(result: PositionBias, effects: Effects) -> str:
    """Return the tables of the views and of the replaced regions."""
    parts = [
        f"{result.title}: {result.patch_count}; 95 % intervals over {result.facts.over}",
        f"as trained: AUROC {format_interval(result.facts.auroc)}",
        _prediction_table(effects.changes),
        _auroc_table(effects.changes),
        "\n".join(_findings(effects)),
    ]
    if effects.swaps:
        parts.append(_swap_table(effects.swaps))
    return "\n\n".join(parts)


def _prediction_table(changes: Mapping[str, Change]) -> str:
    head = ["", "same prediction", "now positive", "now negative", "changed, beyond noise"]
    rows = []
    for name, label in VIEWS.items():
        change = changes[name]
        cells = [
            format_interval(change[key], form=".3f")
            for key in ("agreement", "to_positive", "to_negative")
        ]
        beyond = ""
        if "beyond" in change:
            beyond = format_interval(change["beyond"]["changed"], form="+.3f")
        rows.append([label, *cells, beyond])
    return format_table(head, rows)


def _auroc_table(changes: Mapping[str, Change]) -> str:
    head = [
        "",
        "AUROC, change",
        "beyond noise",
        "p",
        "positives' probability, change",
        "negatives' probability, change",
    ]
    rows = []
    for name, label in VIEWS.items():
        change = changes[name]
        beyond, p = "", ""
        if "beyond" in change:
            beyond = format_difference(change["beyond"]["auroc"])
            p = format_p_value(change["beyond"]["auroc"]["p"])
        sides = [
            format_interval(change["probability"][side], form="+.3f")
            for side in ("positive", "negative")
        ]
        rows.append([label, format_difference(change["auroc"]), beyond, p, *sides])
    return format_table(head, rows)


def _findings(effects: Effects) -> list[str]:
    """Return the results of the tables in words."""
    lines = []
    for name in ("turn", "shift", "shift_turn"):
        auroc = effects.changes[name]["beyond"]["auroc"]
        same = format_interval(effects.changes[name]["agreement"], form=".3f")
        lines.append(
            f"{VIEWS[name]}: AUROC beyond noise {format_difference(auroc)}, {_verdict(auroc)}; "
            f"same prediction {same}"
        )
    square = f"{effects.side}x{effects.side}"
    lines.append(
        f"{100 * effects.centre_visible:.1f} % of the shifted views contain the whole centre "
        f"{square} of their patch"
    )
    if effects.labelling_rule is None:
        lines.append(
            "A shifted view also shows other tissue. A run with crop=random, which cannot depend "
            "on the position, shows what that costs."
        )
    else:
        lines += _labelling_rule_lines(effects.labelling_rule)
    if len(effects.swaps) not in (0, 2 * len(SWAPS)):
        lines.append(
            "One class has a single patch: rows with a region of another patch of it are missing."
        )
    return lines


def _verdict(auroc: Interval) -> str:
    """Return what the interval of a change of AUROC says."""
    if math.isnan(auroc["low"]):
        return "not known"
    if auroc["high"] < 0:
        return "lower than with noise alone"
    if auroc["low"] > 0:
        return "higher than with noise alone"
    return "not distinguishable from noise"


def _labelling_rule_lines(rule: LabellingRule) -> list[str]:
    unchanged = _share(rule["unchanged"])
    same = _share(rule["agreement_where_unchanged"])
    elsewhere = _share(rule["agreement_where_changed"])
    whole_view = format_difference(rule["tumour_share"])
    centre_only = format_difference(rule["centre_only"])
    return [
        f"By the labelling rule, the centre of the shifted view keeps its label in {unchanged};",
        f"  there the network's prediction is the same in {same},",
        f"  elsewhere, where a change is correct, in {elsewhere}.",
        "A shifted view also shows other tissue. What that costs a reader of the true tumour mask:",
        f"  one who counts tumour in the whole view: AUROC {whole_view}",
        f"  one who looks at the centre of the view: AUROC {centre_only}",
    ]


def _share(estimate: Interval) -> str:
    if math.isnan(estimate["value"]):
        return "none"
    return format_interval(estimate, form=".3f")


def _swap_table(swaps: Sequence[SwapRow]) -> str:
    """Return the table of replaced regions; without a column that no row fills."""
    head = ["", "positives' log-odds, change", "negatives' log-odds, change"]
    compared = any(row.change is not None for row in swaps)
    if compared:
        head.append("same prediction")
    rows = []
    for row in swaps:
        cells = [
            format_interval(row.logodds[side], form="+.3f") for side in ("positive", "negative")
        ]
        if compared:
            change = row.change
            cells.append("" if change is None else format_interval(change["agreement"], form=".3f"))
        rows.append([describe_swap(row.region, row.given), *cells])
    return format_table(head, rows)
