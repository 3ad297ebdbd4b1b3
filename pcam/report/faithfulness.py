"""How far maps can be believed, for a person: tables, a csv and a figure."""

from collections.abc import Sequence
from pathlib import Path

from pcam import runs
from pcam.attribution.explainer import METHODS
from pcam.attribution.measuring import MEASURES, RANDOM, Row
from pcam.report import attribution as pictures
from pcam.report import screens

TITLES = {name: method.title for name, method in METHODS.items()} | {
    "centre_gaussian": "bell over the centre",
    "edges": "edges",
}
TABLES = (
    ("centre_share", "centre_pointing"),
    ("tumour_share", "tumour_pointing", "deciding_share", "deciding_pointing"),
    ("deletion", "insertion", "infidelity"),
    ("symmetry", "random_head", "random_half", "random_all"),
    ("sensitivity", "completeness_gap"),
)


def believed(folder: Path, title: str, rows: Sequence[Row], patches: int) -> str:
    """Write faithfulness.csv and its figure; return the tables.

    Args:
        folder: to write into.
        title: of the figure, and over the tables.
        rows: of ``measure``.
        patches: that were measured on.
    """
    columns = list(dict.fromkeys(key for row in rows for key in row))
    table = [["" if row.get(key) is None or row[key] != row[key] else row[key] for key in columns] for row in rows]
    runs.write_csv(folder / "faithfulness.csv", columns, table)
    names = {name: told for name, (told, _) in MEASURES.items()}
    runs.write(folder / "figures" / "faithfulness.png", pictures.believed(title, rows, names, TITLES))
    notes = [
        f"  {TITLES[row['method']]}, {row['network']}: {patches - row['patches']} of {patches} maps are empty and left out"
        for row in rows
        if row["measure"] == "centre_share" and row["patches"] < patches
    ]
    return "\n\n".join([title, *_tables(rows), *(["\n".join(notes)] if notes else [])])


def _tables(rows: Sequence[Row]) -> list[str]:
    """Return the tables of the measures, trained networks' and random ones' rows in turn, chance at the foot."""
    tables = []
    each = list(dict.fromkeys((row["method"], row["network"]) for row in rows))
    for group in TABLES:
        shown = [name for name in group if any(row["measure"] == name for row in rows)]
        if not shown:
            continue
        lines = []
        for method, network in each:
            mine = {row["measure"]: row for row in rows if (row["method"], row["network"]) == (method, network)}
            cells = [screens.interval(mine[name], form=".3f") if name in mine else "" for name in shown]
            if any(cells):
                lines.append([TITLES[method] + (", random weights" if network == RANDOM else ""), *cells])
        chances = {row["measure"]: row["chance"] for row in rows if row["chance"] is not None}
        if not chances.keys().isdisjoint(shown):
            lines.append(["chance", *(f"{chances[name]:.3f}" if name in chances else "" for name in shown)])
        tables.append(screens.columns(["", *(MEASURES[name][0] for name in shown)], lines))
    return tables
