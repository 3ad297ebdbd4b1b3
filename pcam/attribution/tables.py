"""How far maps can be believed, for a person: tables, a csv and a figure."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

from pcam.attribution import plots as pictures
from pcam.attribution.evaluator import COMPARED_WITH_GAUSSIAN, MEASURES, NAIVE, RANDOM, TRAINED, Row
from pcam.attribution.explainer import METHODS
from pcam.runs.files import write_csv, write_file
from pcam.stats.formatting import format_interval, format_table

TITLES = {name: method.title for name, method in METHODS.items()} | {
    "centre_gaussian": "bell over the centre",
    "edges": "edges",
}
# Measure to whether more than chance (1) or less is better (-1).
BETTER = {
    "centre_share": 1, "centre_pointing": 1, "tumour_share": 1, "tumour_pointing": 1, "deciding_share": 1,
    "deciding_pointing": 1, "deletion": -1, "insertion": 1, "infidelity": -1,
}  # fmt: skip
TABLES = (
    ("centre_share", "centre_pointing"),
    ("tumour_share", "tumour_pointing", "deciding_share", "deciding_pointing"),
    ("deletion", "insertion", "infidelity"),
    ("symmetry", "random_head", "random_half", "random_all"),
    ("sensitivity", "completeness_gap"),
)


def write_faithfulness(folder: Path, title: str, rows: Sequence[Row], patches: int) -> str:
    """Write faithfulness.csv and its figure; return the tables.

    Args:
        folder: to write into.
        title: of the figure, and over the tables.
        rows: of ``measure``.
        patches: that were measured on.
    """
    columns = list(dict.fromkeys(key for row in rows for key in row))
    table = [
        ["" if row.get(key) is None or row[key] != row[key] else row[key] for key in columns]
        for row in rows
    ]
    write_csv(folder / "faithfulness.csv", columns, table)
    names = {name: told for name, (told, *_) in MEASURES.items()}
    correlations = [name for name, (_, least, _) in MEASURES.items() if least < 0]
    write_file(
        folder / "figures" / "faithfulness.png",
        pictures.faithfulness_plot(title, rows, names, TITLES, correlations),
    )
    notes = [
        f"  {TITLES[row['method']]}, {row['network']}: {patches - row['patches']} of {patches} maps are empty and left out"
        for row in rows
        if row["measure"] == "centre_share" and row["patches"] < patches
    ]
    return "\n\n".join(
        [title, *_tables(rows), "\n".join([*against_chance(rows), *against_the_bell(rows), *notes])]
    )


def against_chance(rows: Sequence[Row]) -> list[str]:
    """Say of each measure which methods do not beat chance, and which do without a trained network, a line per measure.

    A method beats chance where the interval of its difference from chance lies wholly on the better side of zero.
    """
    lines = ["against chance, by the interval of the difference:"]
    for measure, sign in BETTER.items():
        stands: dict[tuple[str, int], list[str]] = {}
        for row in rows:
            if (
                row["measure"] != measure
                or row["network"] == NAIVE
                or row["less_chance_low"] != row["less_chance_low"]
            ):
                continue
            side = sign * (int(row["less_chance_low"] > 0) - int(row["less_chance_high"] < 0))
            stands.setdefault((row["network"], side), []).append(TITLES[row["method"]])
        told = [
            f"{words} {', '.join(stands[key])}"
            for words, key in (
                ("worse:", (TRAINED, -1)),
                ("not told from it:", (TRAINED, 0)),
                ("better on random weights too:", (RANDOM, 1)),
            )
            if key in stands
        ]
        if stands:
            line = f"  {MEASURES[measure][0]}: " + (
                "; ".join(told) or "all are better, and none on random weights"
            )
            lines.append(_filled(line))
    return lines if len(lines) > 1 else []


def against_the_bell(rows: Sequence[Row]) -> list[str]:
    """Say how methods do beside a bell over the centre, which has not seen the network, a line per measure."""
    lines = []
    for measure in COMPARED_WITH_GAUSSIAN:
        stands: dict[int, list[str]] = {}
        for row in rows:
            if (
                row["measure"] == measure
                and row["network"] == TRAINED
                and row["less_bell_low"] == row["less_bell_low"]
            ):
                side = BETTER[measure] * (
                    int(row["less_bell_low"] > 0) - int(row["less_bell_high"] < 0)
                )
                stands.setdefault(side, []).append(TITLES[row["method"]])
        words = (("better:", 1), ("not told from it:", 0), ("worse:", -1))
        told = "; ".join(
            f"{word} {', '.join(stands[side])}" for word, side in words if side in stands
        )
        if told:
            lines.append(_filled(f"  {MEASURES[measure][0]}: {told}"))
    return ["against a bell over the centre, which needs no network:", *lines] if lines else []


def _filled(line: str) -> str:
    return textwrap.fill(line, 118, subsequent_indent="    ", break_on_hyphens=False)


def _tables(rows: Sequence[Row]) -> list[str]:
    """Return the tables of the measures, trained networks' and random ones' rows in turn.

    Chance stands at the foot; of shares it is the method's own and stands beside each.
    """
    tables = []
    each = list(dict.fromkeys((row["method"], row["network"]) for row in rows))
    for group in TABLES:
        shown = [name for name in group if any(row["measure"] == name for row in rows)]
        if not shown:
            continue
        lines = []
        for method, network in each:
            mine = {
                row["measure"]: row
                for row in rows
                if (row["method"], row["network"]) == (method, network)
            }
            cells = [_cell(mine[name]) if name in mine else "" for name in shown]
            if any(cells):
                lines.append(
                    [TITLES[method] + (", random weights" if network == RANDOM else ""), *cells]
                )
        chances = {
            row["measure"]: row["chance"]
            for row in rows
            if row["chance"] is not None and not _own_chance(row)
        }
        if not chances.keys().isdisjoint(shown):
            lines.append(
                ["chance", *(f"{chances[name]:.3f}" if name in chances else "" for name in shown)]
            )
        tables.append(format_table(["", *(MEASURES[name][0] for name in shown)], lines))
    return tables


def _own_chance(row: Row) -> bool:
    return str(row["measure"]).endswith("_share")


def _cell(row: Row) -> str:
    told = format_interval(row, form=".3f")
    known = _own_chance(row) and row["value"] == row["value"]
    return f"{told} of {row['chance']:.3f}" if known else told
