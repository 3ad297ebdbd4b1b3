"""The audit as a page: one HTML file that holds its pictures, needs no script and no network."""

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from pcam.data.audit.checks import Check, Group, Verdict
from pcam.data.audit.quality import EDGES, STAINS
from pcam.data.audit.run import Audit
from pcam.data.base import PatchSource, Pixels
from pcam.reporting.page import shell, table, uri
from pcam.runs.figures import canvas, clean_axes, png

SHOWN = 12  # patches of a check
PER_GROUP = 4  # patches of a group of equal ones
SIDE = 96  # pixels at most of a shown patch
COLORS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#E69F00",
)  # Okabe & Ito: told apart by every eye
VERDICTS: tuple[Verdict, ...] = ("fail", "warn", "pass", "unknown")  # in the order of the page
HEADLINES = {
    "pass": "Nothing stands in the way",
    "warn": "Worth a look",
    "fail": "Mend this before you train",
}

STYLE = """
section.check { display: grid; grid-template-columns: 96px 1fr; gap: 0 12px; padding: 12px 0;
  border-top: 1px solid var(--line); overflow-wrap: anywhere; }
.badge { justify-self: start; align-self: start; margin-top: 1px; padding: 1px 10px; border-radius: 10px; font-size: 13px;
  font-weight: 600; white-space: nowrap; }
.pass { background: #e3f4ea; color: #14683a; }
.warn { background: #fdf0d3; color: #7d4e00; }
.fail { background: #fbe1df; color: #a0211a; }
.unknown { background: #eceef1; color: #4d5661; }
.mend::before { content: "→ "; }
.mend { font-weight: 500; }
.groups { display: flex; flex-wrap: wrap; gap: 10px; margin-top: 10px; }
.group { display: flex; flex-wrap: wrap; gap: 6px; }
.group.tied { padding: 6px; border: 1px solid var(--line); border-radius: 6px; }
figure { margin: 0; width: 98px; }
figure img { display: block; width: 98px; height: 98px; object-fit: contain; border: 1px solid #b9c0c9; }
figcaption { font-size: 11px; line-height: 1.3; color: var(--soft); overflow-wrap: anywhere; }
@media (max-width: 560px) { section.check { grid-template-columns: 1fr; gap: 4px; } .group.tied { padding: 4px; } }
@media print { section.check { break-inside: avoid; } }
"""


def page(audit: Audit, sources: Mapping[str, PatchSource]) -> str:
    """Return the audit as HTML.

    Args:
        audit: of these sources.
        sources: the same splits, from which the pictures are read.
    """
    total = sum(facts["patches"] for facts in audit.splits.values())
    counts = Counter(check.verdict for check in audit.checks)
    summary = " · ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict])
    ordered = sorted(audit.checks, key=lambda check: VERDICTS.index(check.verdict))
    thresholds = ", ".join(f"{escape(name)} {value:g}" for name, value in audit.thresholds.items())
    body = f"""<h1>{HEADLINES[audit.verdict]}</h1>
<p class="soft">Audit of {total:,} patches: {summary}</p>
<h2>Splits</h2>
<div class="scroll">{_splits(audit)}</div>
<h2>Checks</h2>
{"".join(_check(check, sources) for check in ordered)}
<h2>Stain</h2>
<p class="soft">Optical density (natural logarithm) of haematoxylin and eosin, by the vectors of Ruifrok &amp; Johnston (2001):
mean over each patch's tissue.</p>
<img class="picture" alt="histograms of stain per split" src="{uri(_histograms(audit), "png")}">
<div class="scroll">{_stains(audit)}</div>
<p class="soft">Thresholds of the checks on single patches: {thresholds}; <code>pcam.data.audit.quality</code> defines them.
Near-equal patches are found whatever of the square's eight symmetries they are under; shifted ones are not.</p>"""
    return shell("Audit of the patches", body, STYLE)


def screen(audit: Audit) -> str:
    """Return the audit for a terminal: a line per check, the worst first, each with its mend below it."""
    lines = []
    for check in sorted(audit.checks, key=lambda check: VERDICTS.index(check.verdict)):
        lines.append(f"{check.verdict:>7}  {check.title}: {check.line}")
        if check.mend and check.verdict in ("fail", "warn"):
            lines.append(f"{'':>7}  → {check.mend}")
    return "\n".join(lines)


def _splits(audit: Audit) -> str:
    rows = []
    for split, facts in audit.splits.items():
        positive, slides = facts["positive"], facts["slides"]
        share = (
            "unknown" if positive is None else f"{positive:,} ({positive / facts['patches']:.1%})"
        )
        size = f"{facts['shape'][1]}×{facts['shape'][0]}"
        counts = (f"{facts['distinct']:,}", "unknown" if slides is None else f"{slides:,}")
        rows.append((split, f"{facts['patches']:,}", size, share, *counts))
    return table(("split", "patches", "pixels", "positive", "distinct", "slides"), rows)


def _stains(audit: Audit) -> str:
    def figure(value: float | None) -> str:
        return "unknown" if value is None else f"{value:.3f}"

    rows = [
        (
            split,
            stain,
            *(figure(figures[stain][name]) for name in ("mean", "sd", "sd_between_slides")),
        )
        for split, figures in audit.stain.items()
        for stain in STAINS
    ]
    far = [
        (pair, stain, f"{d['standardised']:.2f}", f"{d['wasserstein']:.3f}")
        for pair, stains in audit.stain_distances.items()
        for stain, d in stains.items()
    ]
    tables = table(("split", "stain", "mean", "sd of patches", "sd of slides' means"), rows)
    if far:
        tables += "<br>" + table(
            ("between", "stain", "difference, in sd", "Wasserstein distance"), far
        )
    return tables


def _check(check: Check, sources: Mapping[str, PatchSource]) -> str:
    mend = f'<p class="mend">{escape(check.mend)}</p>' if check.mend else ""
    return (
        f'<section class="check" id="{check.name}"><span class="badge {check.verdict}">{check.verdict}</span>'
        f"<div><h3>{escape(check.title)}</h3><p>{escape(check.line)}</p>{mend}{_pictures(check, sources)}</div></section>\n"
    )


def examples(groups: Sequence[Group]) -> list[Group]:
    """Return the groups of a check that are shown, spread over all of them: at most 12 patches, at most 4 of a group."""
    shown: list[Group] = []
    left = SHOWN
    usual = min(len(groups[0]), PER_GROUP) if groups else 1
    for group in groups[:: max(1, len(groups) * usual // SHOWN)]:
        left -= min(len(group), PER_GROUP)
        if left < 0:
            break
        shown.append(group)
    return shown


def _some(group: Group) -> Group:
    """Return at most 4 patches, the first and the last among them: a group that spans splits is shown to."""
    chosen = np.unique(np.linspace(0, len(group) - 1, min(len(group), PER_GROUP)).astype(int))
    return tuple(group[int(place)] for place in chosen)


def _pictures(check: Check, sources: Mapping[str, PatchSource]) -> str:
    shown = examples(check.groups)
    if not shown:
        return ""
    pixels: dict[tuple[str, int], Pixels] = {}
    for split, source in sources.items():
        rows = sorted(
            {patch.row for group in shown for patch in _some(group) if patch.split == split}
        )
        if rows:
            pixels |= {
                (split, row): patch
                for row, patch in zip(rows, source.read(np.array(rows)), strict=True)
            }
    out = []
    for group in shown:
        figures = []
        for patch in _some(group):
            labels = sources[patch.split].labels
            label = "" if labels is None else f"<br>label {labels[patch.row]}"
            name = escape(patch.id, quote=True)
            address = uri(_jpeg(pixels[patch.split, patch.row]), "jpeg")
            caption = f"<figcaption>{escape(patch.split)} {patch.row}{label}</figcaption>"
            figures.append(
                f'<figure><img alt="{name}" title="{name}" src="{address}">{caption}</figure>'
            )
        more = f'<p class="soft">+ {len(group) - PER_GROUP:,}</p>' if len(group) > PER_GROUP else ""
        tied = " tied" if len(group) > 1 else ""
        out.append(f'<div class="group{tied}">{"".join(figures)}{more}</div>')
    left = len(check.groups) - len(shown)
    tail = (
        f'<p class="soft">and {left:,} more, all of them in the JSON file</p>' if left > 0 else ""
    )
    return f'<div class="groups">{"".join(out)}</div>{tail}'


def _jpeg(patch: Pixels) -> bytes:
    from PIL import Image

    image = Image.fromarray(patch)
    image.thumbnail((SIDE, SIDE))
    picture = io.BytesIO()
    image.save(picture, "jpeg", quality=88)
    return picture.getvalue()


def _histograms(audit: Audit) -> bytes:
    figure = canvas(9.6, 2.9, 150)
    for axes, stain in zip(figure.subplots(1, len(STAINS)), STAINS, strict=True):
        top = 0.5
        for color, (split, figures) in zip(COLORS, audit.stain.items(), strict=False):
            counts = np.array(figures[stain]["histogram"], float)
            density = counts / max(counts.sum(), 1) / np.diff(EDGES)
            axes.stairs(density, EDGES, color=color, label=split, linewidth=1.4)
            top = max(
                top, float(EDGES[1:][counts.cumsum() <= 0.999 * counts.sum()].max(initial=0)) + 0.1
            )
        axes.set(
            xlabel=f"{stain}, optical density",
            ylabel="density of patches",
            xlim=(0, top),
            ylim=(0, None),
        )
        clean_axes(axes)
        axes.legend(frameon=False, fontsize=8)
    return png(figure)
