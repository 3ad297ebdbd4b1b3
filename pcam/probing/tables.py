"""Text for probes."""

import math

from pcam.probing.results import PROBE_METRICS, ProbePair, ProbeRow, Probes
from pcam.stats.formatting import (
    METRIC_NAMES,
    format_difference,
    format_facts,
    format_interval,
    format_p_value,
    format_table,
)

HEAD = ["backbone", "probe", *(METRIC_NAMES[name] for name in PROBE_METRICS), "SD of AUROC", ""]
PAIR_HEAD = ["probe", "first", "second", "AUROC", "p (Holm)"]


def format_probes(probes: Probes) -> str:
    """Return what was probed, the table of probes, and that of differences between backbones."""
    patches = ", ".join(f"{split} {count:,}" for split, count in probes.patches.items())
    facts = [("data", f"{probes.data}: {patches} patches; positive: {probes.positive}")]
    for name, weights in probes.weights.items():
        facts.append((name, f"{probes.widths[name]:,} features, weights {weights}"))
    lines = [
        format_facts(facts),
        "",
        format_table(HEAD, [_row(row) for row in probes.rows]),
        f"95 % intervals: bootstrap over {probes.unit} of test; SD: between draws",
    ]
    if probes.pairs:
        lines += [
            "",
            f"differences of AUROC, first minus second, paired bootstrap over {probes.unit}",
            format_table(PAIR_HEAD, [_pair(pair) for pair in probes.pairs]),
        ]
    return "\n".join(lines)


def _row(row: ProbeRow) -> list[str]:
    spread = row.metrics["auroc"]["sd"]
    figures = [format_interval(row.metrics[name]) for name in PROBE_METRICS]
    shown = "" if math.isnan(spread) else f"{spread:.4f}"
    return [row.backbone, row.probe, *figures, shown, row.detail]


def _pair(pair: ProbePair) -> list[str]:
    difference, p = format_difference(pair.auroc), format_p_value(pair.auroc["p_holm"])
    return [pair.probe, pair.first, pair.second, difference, p]
