"""Probes as a page: tables, and a picture of each backbone's features."""

from dataclasses import dataclass

from pcam.probing.plots import draw_features
from pcam.probing.results import Probes
from pcam.probing.tables import (
    FIGURES_HEAD,
    PAIR_HEAD,
    describe_data,
    describe_pairs,
    figure_cells,
    list_notes,
    pair_rows,
)
from pcam.reporting.page import Part, Picture, Section, Table, Text, drop_empty_columns
from pcam.stats.formatting import pluralize

MOST_LETTERS = 60  # of a backbone's name in that of a file


@dataclass(frozen=True)
class Page:
    """A page of probes.

    Attributes:
        title: its heading.
        lead: parts before the first section.
        sections: in their order.
        pictures: those that the sections show.
    """

    title: str
    lead: list[Part]
    sections: list[Section]
    pictures: list[Picture]


def build_page(probes: Probes) -> Page:
    """Return the page of probes, with its pictures drawn."""
    pictures = []
    for number, backbone in enumerate(probes.projections, start=1):
        pictures.append(_draw(probes, backbone, number))
    sections = [Section("Probes", _build_probes(probes))]
    if probes.pairs:
        table = Table(PAIR_HEAD, pair_rows(probes.pairs))
        note = Text(f"{describe_pairs(probes)}.", "soft")
        sections.append(Section("Differences between backbones", [table, note]))
    sections.append(Section("Features", [Text(_describe_pictures(probes), "soft"), *pictures]))
    backbones = [
        (name, f"{probes.widths[name]:,}", weights) for name, weights in probes.weights.items()
    ]
    lead: list[Part] = [
        Text(describe_data(probes)),
        Table(("backbone", "features", "weights"), backbones),
    ]
    return Page("Probes of features", lead, sections, pictures)


def _build_probes(probes: Probes) -> list[Part]:
    """Return the table, probe by probe so that backbones are below each other, and its notes."""
    rows = []
    for name in dict.fromkeys(row.probe for row in probes.rows):
        for row in probes.rows:
            if row.probe == name:
                rows.append([name, row.backbone, *figure_cells(row)])
    table = drop_empty_columns(Table(["probe", "backbone", *FIGURES_HEAD], rows), keep=2)
    return [table, *(Text(f"{note}.", "soft") for note in list_notes(probes))]


def _describe_pictures(probes: Probes) -> str:
    """Return what the pictures show."""
    count = len(probes.shown.rows)
    which = "All" if count == probes.patches["test"] else "A random draw of"
    return (
        f"{which} {pluralize(count, 'patch')} of test on the first two principal components of "
        "train's standardised features; the shares of the variance are train's. Stain is the share "
        "of haematoxylin in the mean optical density of a patch; a grey patch has no stain."
    )


def _draw(probes: Probes, backbone: str, number: int) -> Picture:
    projection = probes.projections[backbone]
    content = draw_features(backbone, projection, probes.shown, probes.classes)
    plain = "".join(c if c.isalnum() or c in "-._" else "-" for c in backbone)
    name = f"features-{number}-{plain[:MOST_LETTERS]}.png"
    return Picture(name, content, f"Principal components of the features of {backbone}")
