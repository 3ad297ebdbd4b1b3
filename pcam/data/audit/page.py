"""The audit as text for a terminal, and as a page: one HTML file with its pictures."""

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from pcam.data.audit.check import Check, Group, Patch, Verdict
from pcam.data.audit.quality import EDGES, STAINS, StainFigures
from pcam.data.audit.run import Audit
from pcam.data.base import PatchSource, Pixels
from pcam.runs.figures import canvas, clean_axes, png
from pcam.runs.pages import data_uri, page_environment

MAX_PICTURES = 12  # of a check
MAX_PER_GROUP = 4  # pictures of a group, such as equal patches
PICTURE_SIDE = 96  # pixels at most of a shown patch
# Okabe and Ito's colours, which people with a colour vision deficiency can distinguish.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
VERDICTS: tuple[Verdict, ...] = ("fail", "warn", "pass", "unknown")  # in the order of the page
HEADLINES: Mapping[Verdict, str] = {
    "pass": "No problems found",
    "warn": "Review before training",
    "fail": "Fix before training",
}

Rows = list[list[str]]


@dataclass(frozen=True)
class ShownPatch:
    """A picture of the page.

    Attributes:
        patch: Where it is.
        label: None without labels.
        picture: Its address, which contains it.
    """

    patch: Patch
    label: int | None
    picture: str


@dataclass(frozen=True)
class ShownGroup:
    """Pictures that belong together.

    Attributes:
        patches: Some of the group.
        size: Of the whole group.
    """

    patches: Sequence[ShownPatch]
    size: int


@dataclass(frozen=True)
class ShownCheck:
    """A check with its pictures.

    Attributes:
        check: Its result.
        groups: Some of its groups.
        more: Number of groups that are not shown.
    """

    check: Check
    groups: Sequence[ShownGroup]
    more: int


def render_page(audit: Audit, sources: Mapping[str, PatchSource]) -> str:
    """Return the audit as HTML.

    Args:
        audit: Of these sources.
        sources: The same splits, from which the pictures are read.

    Returns:
        One file, which contains its pictures.
    """
    counts = Counter(check.verdict for check in audit.checks)
    template = page_environment("pcam.data.audit").get_template("audit.html.j2")
    return template.render(
        title="Audit of the patches",
        headline=HEADLINES[audit.verdict],
        patches=sum(facts["patches"] for facts in audit.splits.values()),
        counts=[(verdict, counts[verdict]) for verdict in VERDICTS if counts[verdict]],
        splits=_split_rows(audit),
        checks=[_show_check(check, sources) for check in sort_by_verdict(audit.checks)],
        histograms=data_uri(_histograms(audit), "png"),
        stains=_stain_rows(audit),
        distances=_distance_rows(audit),
        thresholds=audit.thresholds,
    )


def format_audit(audit: Audit) -> str:
    """Return the audit as text: a line per check, the worst first, each with its fix below."""
    lines = []
    for check in sort_by_verdict(audit.checks):
        lines.append(f"{check.verdict:>7}  {check.title}: {check.line}")
        is_problem = check.verdict in ("fail", "warn")
        if is_problem and check.fix:
            lines.append(f"{'':>7}  → {check.fix}")
    return "\n".join(lines)


def sort_by_verdict(checks: Sequence[Check]) -> list[Check]:
    """Return checks with the worst first."""
    return sorted(checks, key=lambda check: VERDICTS.index(check.verdict))


def _split_rows(audit: Audit) -> Rows:
    """Return the rows of the table of splits.

    Args:
        audit: Of any splits.

    Returns:
        Split, patches, size, positive patches, distinct patches and slides.
    """
    rows = []
    for split, facts in audit.splits.items():
        patches, positive, slides = facts["patches"], facts["positive"], facts["slides"]
        height, width = facts["shape"][:2]
        share = "unknown"
        if positive is not None:
            share = f"{positive:,} ({positive / patches:.1%})"
        rows.append([
            split,
            f"{patches:,}",
            f"{width}×{height}",
            share,
            f"{facts['distinct']:,}",
            "unknown" if slides is None else f"{slides:,}",
        ])  # fmt: skip
    return rows


def _stain_rows(audit: Audit) -> Rows:
    """Return the rows of the table of stains.

    Args:
        audit: Of any splits.

    Returns:
        Split, stain, mean, standard deviation over patches and over slides.
    """
    rows = []
    for split, stains in audit.stain.items():
        for stain in STAINS:
            cells = _format_stain(stains[stain])
            rows.append([split, stain, *cells])
    return rows


def _format_stain(figures: StainFigures) -> list[str]:
    """Return the mean and the standard deviations of a stain; "unknown" for None."""
    values = (figures["mean"], figures["sd"], figures["sd_between_slides"])
    return ["unknown" if value is None else f"{value:.3f}" for value in values]


def _distance_rows(audit: Audit) -> Rows:
    """Return the rows of the table of distances.

    Args:
        audit: Of any splits.

    Returns:
        Pair of splits, stain, standardised distance and Wasserstein distance.
    """
    rows = []
    for pair, stains in audit.stain_distances.items():
        for stain, distance in stains.items():
            standardised = f"{distance['standardised']:.2f}"
            wasserstein = f"{distance['wasserstein']:.3f}"
            rows.append([pair, stain, standardised, wasserstein])
    return rows


def _show_check(check: Check, sources: Mapping[str, PatchSource]) -> ShownCheck:
    """Return a check with its pictures.

    Args:
        check: Any.
        sources: The splits, from which the pictures are read.

    Returns:
        The check with at most 12 pictures.
    """
    chosen = choose_groups(check.groups)
    parts = [some_of(group) for group in chosen]
    pictures = _read_pictures(list(chain(*parts)), sources)
    groups = []
    for group, part in zip(chosen, parts, strict=True):
        shown = [_show_patch(patch, pictures[patch], sources) for patch in part]
        groups.append(ShownGroup(shown, len(group)))
    return ShownCheck(check, groups, len(check.groups) - len(chosen))


def choose_groups(groups: Sequence[Group]) -> list[Group]:
    """Return the groups of a check to show, spread over all of them.

    Args:
        groups: All of the check, in their order.

    Returns:
        Some of them, with at most 12 patches to show.
    """
    if not groups:
        return []
    usual_size = min(len(groups[0]), MAX_PER_GROUP)
    step = max(1, len(groups) * usual_size // MAX_PICTURES)
    chosen: list[Group] = []
    pictures_left = MAX_PICTURES
    for group in groups[::step]:
        pictures_left -= min(len(group), MAX_PER_GROUP)
        if pictures_left < 0:
            break
        chosen.append(group)
    return chosen


def some_of(group: Group) -> Group:
    """Return at most 4 patches of a group.

    The first and the last are among them, so that a group across splits is seen to be one.
    """
    count = min(len(group), MAX_PER_GROUP)
    positions = np.unique(np.linspace(0, len(group) - 1, count).astype(int))
    return tuple(group[int(position)] for position in positions)


def _read_pictures(
    patches: Sequence[Patch], sources: Mapping[str, PatchSource]
) -> dict[Patch, Pixels]:
    """Read patches, all of a split at a time.

    Args:
        patches: Of any splits; each is read once.
        sources: The splits.

    Returns:
        uint8 (H, W, 3) by patch.
    """
    by_split: dict[str, list[Patch]] = {}
    for patch in sorted(set(patches)):
        by_split.setdefault(patch.split, []).append(patch)
    pictures: dict[Patch, Pixels] = {}
    for split, chosen in by_split.items():
        rows = np.array([patch.row for patch in chosen])
        pixels = sources[split].read(rows)
        pictures.update(zip(chosen, pixels, strict=True))
    return pictures


def _show_patch(patch: Patch, pixels: Pixels, sources: Mapping[str, PatchSource]) -> ShownPatch:
    """Return a patch with its label and its picture.

    Args:
        patch: Any.
        pixels: uint8 (H, W, 3).
        sources: The splits, for the label.
    """
    labels = sources[patch.split].labels
    label = None if labels is None else int(labels[patch.row])
    return ShownPatch(patch, label, data_uri(_jpeg(pixels), "jpeg"))


def _jpeg(pixels: Pixels) -> bytes:
    from PIL import Image

    image = Image.fromarray(pixels)
    image.thumbnail((PICTURE_SIDE, PICTURE_SIDE))
    file = io.BytesIO()
    image.save(file, "jpeg", quality=88)
    return file.getvalue()


def _histograms(audit: Audit) -> bytes:
    """Return the histograms of each stain per split, a PNG."""
    figure = canvas(9.6, 2.9, 150)
    for axes, stain in zip(figure.subplots(1, len(STAINS)), STAINS, strict=True):
        limit = 0.5
        for color, (split, figures) in zip(COLORS, audit.stain.items(), strict=False):
            counts = np.array(figures[stain]["histogram"], float)
            density = counts / max(counts.sum(), 1) / np.diff(EDGES)
            axes.stairs(density, EDGES, color=color, label=split, linewidth=1.4)
            nearly_all = EDGES[1:][counts.cumsum() <= 0.999 * counts.sum()]
            limit = max(limit, float(nearly_all.max(initial=0)) + 0.1)
        axes.set(
            xlabel=f"{stain}, optical density",
            ylabel="density of patches",
            xlim=(0, limit),
            ylim=(0, None),
        )
        clean_axes(axes)
        axes.legend(frameon=False, fontsize=8)
    return png(figure)
