"""Text for probes."""

from collections.abc import Sequence

from pcam.probing.results import PROBE_METRICS, SLIDE_PROBE, ProbePair, ProbeRow, Probes
from pcam.probing.slides import FOLDS, LEAST_PATCHES, SlidePatches
from pcam.stats.formatting import (
    METRIC_NAMES,
    format_difference,
    format_facts,
    format_interval,
    format_p_value,
    format_table,
)

FIGURES_HEAD = [*(METRIC_NAMES[name] for name in PROBE_METRICS), "SD of AUROC", ""]
HEAD = ["backbone", "probe", *FIGURES_HEAD]
PAIR_HEAD = ["probe", "first", "second", "AUROC", "p (Holm)"]


def format_probes(probes: Probes) -> str:
    """Return what was probed, the table of probes, and that of differences between backbones."""
    facts = [("data", describe_data(probes))]
    for name, weights in probes.weights.items():
        facts.append((name, f"{probes.widths[name]:,} features, weights {weights}"))
    rows = [[row.backbone, row.probe, *figure_cells(row)] for row in probes.rows]
    lines = [format_facts(facts), "", format_table(HEAD, rows), *list_notes(probes)]
    if probes.pairs:
        lines += ["", describe_pairs(probes), format_table(PAIR_HEAD, pair_rows(probes.pairs))]
    return "\n".join(lines)


def describe_data(probes: Probes) -> str:
    """Return the source, the number of patches of each split, and the positive class."""
    patches = ", ".join(f"{split} {count:,}" for split, count in probes.patches.items())
    return f"{probes.data}: {patches} patches; positive: {probes.classes[1]}"


def list_notes(probes: Probes) -> list[str]:
    """Return what the figures of the table mean."""
    notes = [f"95 % intervals: bootstrap over {probes.unit} of test; SD: between draws"]
    if isinstance(probes.slides, SlidePatches):
        notes.append(
            f"{SLIDE_PROBE}: which slide of test a patch is of, by logistic regression in "
            f"{FOLDS} folds over patches; slides with fewer than {LEAST_PATCHES} are left out; "
            "bootstrap over patches within slides"
        )
    elif probes.slides is not None:
        notes.append(f"{SLIDE_PROBE}: left out ({probes.slides})")
    return notes


def describe_pairs(probes: Probes) -> str:
    """Return what the differences between backbones are."""
    return f"Differences of AUROC, first minus second, paired bootstrap over {probes.unit}"


def figure_cells(row: ProbeRow) -> list[str]:
    """Return the cells of a probe below ``FIGURES_HEAD``; "" for a metric that it has not."""
    cells = []
    for name in PROBE_METRICS:
        cells.append(format_interval(row.metrics[name]) if name in row.metrics else "")
    shown = f"{row.metrics['auroc']['sd']:.4f}" if len(row.score) > 1 else ""
    return [*cells, shown, row.detail]


def pair_rows(pairs: Sequence[ProbePair]) -> list[list[str]]:
    """Return the cells of pairs of backbones below ``PAIR_HEAD``."""
    rows = []
    for pair in pairs:
        difference, p = format_difference(pair.auroc), format_p_value(pair.auroc["p_holm"])
        rows.append([pair.probe, pair.first, pair.second, difference, p])
    return rows
