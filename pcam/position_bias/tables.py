"""Whether a network's answer depends on place, for a person: tables, a map of offsets, and what the patches looked like."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcam.data.crop import Crop
from pcam.position_bias.views import View
from pcam.runs.figures import BLUE, GREY, ORANGE, canvas, clean_axes, png
from pcam.runs.files import write_csv, write_file
from pcam.stats.formatting import format_difference, format_interval, format_p_value, format_table

VIEWS = {
    "noise": "as trained, ±1 grey level",
    "turn": "turned by 90°",
    "shift": "moved",
    "shift_turn": "moved and turned",
}
GIVEN = {
    "negative": "{} of a negative",
    "positive": "{} of a positive",
    "blurred": "{} blurred",
    "filled": "{} of one colour",
    "contrast": "{} of a positive less of a negative",
}
MAPS = (
    ("agreement", "same call as in the middle", "viridis"),
    ("auroc", "AUROC", "viridis"),
    ("positives", "mean probability of positives", "magma"),
    ("negatives", "mean probability of negatives", "magma"),
)


def seen(view: View) -> str:
    """Return what a network sees of a patch and how it is moved."""
    (top, left), (bottom, right) = view.low.tolist(), view.high.tolist()
    span = f"rows {top:+d} to {bottom:+d}, columns {left:+d} to {right:+d}"
    if view.size is None:
        return f"the whole patch, {view.width}x{view.height}; moved with mirrored edges by {span}"
    return f"{view.size}x{view.size} of {view.width}x{view.height}; moved by {span}"


def written(folder: Path, title: str, patches: str, found: Mapping[str, Any], centre: int) -> str:
    """Write the figures and shift_map.csv; return the tables.

    Args:
        folder: to write into.
        title: of the figures, and over the tables.
        patches: how many were asked about.
        found: what summary.json holds.
        centre: side of the square that the label depends on, pixels.
    """
    if found["map"]:
        columns = list(found["map"][0])
        write_csv(
            folder / "shift_map.csv",
            columns,
            [[row[key] for key in columns] for row in found["map"]],
        )
        drawn = shift_map(f"{title}: {found['map_patches']:,} patches", found["map"])
        write_file(folder / "figures" / "shift_map.png", drawn)
    if found["swaps"]:
        write_file(folder / "figures" / "swaps.png", swaps(f"{title}: {patches}", found["swaps"]))
    about = f"{title}: {patches}; 95 % intervals over {found['over']}"
    began = f"as trained: AUROC {format_interval(found['auroc'])}"
    parts = [
        about,
        began,
        _calls(found["views"]),
        _scores(found["views"]),
        "\n".join(_said(found, centre)),
    ]
    if found["swaps"]:
        parts.append(_swaps(found["swaps"]))
    return "\n\n".join(parts)


def cropped(crop: Crop, trained: str) -> str:
    """Return which part of a patch a crop leaves; ``trained`` is the mode of the run's training."""
    size = f"{crop.size}x{crop.size}"
    told = {
        "none": "whole patch",
        "center": f"centre {size}",
        "random": f"{size} anywhere",
        "ring": f"all but the centre {size}",
    }
    return told[crop.mode] + (" (trained anywhere)" if trained == "random" != crop.mode else "")


def gathered(found: Sequence[Mapping[str, Any]], compared: Mapping[str, Any] | None) -> str:
    """Return several runs side by side, as Markdown.

    Args:
        found: of each run, its network and crop, and what ``probe`` found where it could be asked.
        compared: what ``comparing.compare`` found, or None for one run alone.
    """
    lines = []
    for i, one in enumerate(found):
        told = [""] * 6
        if "views" in one:
            told = [_span(one["moved"])]
            told += [format_interval(one["views"][name]["agreement"], form=".3f") for name in VIEWS]
            told.append(format_difference(one["views"]["shift"]["beyond"]["auroc"]))
        beyond = format_difference(one["beyond_random"]) if "beyond_random" in one else ""
        lines.append(
            [str(i + 1), one["network"], one["crop"], format_interval(one["auroc"]), *told, beyond]
        )
    head = [
        "", "network", "sees", "AUROC", "moved by", "same call with noise", "turned", "moved", "moved and turned",
        "AUROC, moved beyond noise", "and beyond random crops'",
    ]  # fmt: skip
    first = found[0]
    about = f"{first['data']}, {first['split']}: {first['patches']:,} patches, {first['positive']:,} positive"
    parts = [
        "# Does the answer depend on place?",
        f"{about}; 95 % intervals over {first['over']}.",
        format_table(head, lines),
        "Runs that see no centre cannot be moved. Moved, a network also sees other tissue. One trained on random crops cannot "
        "know place; the last column is what moving costs beyond what it costs that one.",
    ]
    if compared is not None:
        names = list(compared["runs"])
        lines = [
            [
                str(names.index(pair["first"]) + 1), str(names.index(pair["second"]) + 1),
                format_difference(pair["auroc"]), format_p_value(pair["auroc"]["p_holm"]),
            ]
            for pair in compared["pairs"]
        ]  # fmt: skip
        parts += [
            f"Differences of AUROC, paired bootstrap over {compared['over']}, the same {compared['patches']:,} patches:",
            format_table(["first", "less second", "AUROC", "p (Holm)"], lines),
        ]
    parts.append("\n".join(f"- {one['folder']}: {one['run']}" for one in found))
    return "\n\n".join(parts) + "\n"


def _span(moved: Mapping[str, Any]) -> str:
    reach = max(map(abs, (*moved["low"], *moved["high"])))
    return f"up to {reach}{', mirrored' if moved['mirrored'] else ''}"


def _calls(found: Mapping[str, Any]) -> str:
    head = ["", "same call", "now positive", "now negative", "changed beyond noise"]
    lines = []
    for name, told in VIEWS.items():
        row = found[name]
        cells = [
            format_interval(row[key], form=".3f")
            for key in ("agreement", "to_positive", "to_negative")
        ]
        beyond = row.get("beyond")
        lines.append(
            [
                told,
                *cells,
                "" if beyond is None else format_interval(beyond["changed"], form="+.3f"),
            ]
        )
    return format_table(head, lines)


def _scores(found: Mapping[str, Any]) -> str:
    head = [
        "",
        "AUROC, change",
        "beyond noise",
        "p",
        "positives' probability, change",
        "negatives'",
    ]
    lines = []
    for name, told in VIEWS.items():
        row, beyond = found[name], found[name].get("beyond")
        cells = [format_difference(row["auroc"])]
        cells += (
            ["", ""]
            if beyond is None
            else [format_difference(beyond["auroc"]), format_p_value(beyond["auroc"]["p"])]
        )
        cells += [
            format_interval(row["probability"][side], form="+.3f")
            for side in ("positive", "negative")
        ]
        lines.append([told, *cells])
    return format_table(head, lines)


def _said(found: Mapping[str, Any], centre: int) -> list[str]:
    """Return what the tables come to, in words."""
    lines = []
    for name in ("turn", "shift", "shift_turn"):
        auroc = found["views"][name]["beyond"]["auroc"]
        if auroc["low"] != auroc["low"]:
            verdict = "not known"
        elif auroc["high"] < 0:
            verdict = "ranks worse than with noise alone"
        elif auroc["low"] > 0:
            verdict = "ranks better than with noise alone"
        else:
            verdict = "not told from noise"
        lines.append(f"{VIEWS[name]}: AUROC beyond noise {format_difference(auroc)}, {verdict}")
    held = f"{100 * found['centre_held']:.1f} % of the moved views hold the whole centre {centre}x{centre} of their patch"
    lines.append(held)
    law = found["law"]
    if law is None:
        lines.append(
            "moved, it sees other tissue too: a run with crop=random, which cannot know place, shows what that costs"
        )
    else:
        told = {
            key: "none there" if _unknown(figure) else format_interval(figure, form=".3f")
            for key, figure in law.items()
        }
        lines += [
            f"by the law, the moved view's own centre has the same answer in {told['stays']} of them;",
            f"  there the network gives the same call in {told['agreement_where_it_stays']},",
            f"  elsewhere, where a change is right and no bias, in {told['agreement_where_it_changes']}",
            "moved, it sees other tissue too. What that costs readers of the true tumour, by the same patches' labels:",
            f"  one that counts it, wherever it lies in the view: AUROC {format_difference(law['count'])}",
            f"  one that looks at the view's centre alone, as the law does: AUROC {format_difference(law['law'])}",
        ]
    if len(found["swaps"]) not in (0, 2 * len(GIVEN)):
        lines.append(
            "of a class with one patch, no other's parts can be given: those rows are left out below"
        )
    return lines


def _unknown(figure: Mapping[str, float]) -> bool:
    return bool(figure["value"] != figure["value"])


def _swaps(rows: Sequence[Mapping[str, Any]]) -> str:
    head = ["", "positives' log-odds, change", "negatives' log-odds, change", "same call"]
    lines = [
        [
            GIVEN[row["given"]].format(row["region"]),
            *(
                format_interval(row["logodds"][side], form="+.3f")
                for side in ("positive", "negative")
            ),
            format_interval(row["agreement"], form=".3f") if "agreement" in row else "",
        ]
        for row in rows
    ]
    return format_table(head, lines)


def shift_map(title: str, rows: Sequence[Mapping[str, float]]) -> bytes:
    """Draw the answers from every offset; outlined are those from which the whole centre square is seen.

    Returns:
        A PNG.
    """
    from matplotlib.patches import Rectangle

    down, across = (sorted({int(row[key]) for row in rows}) for key in ("row", "column"))
    step = down[1] - down[0] if len(down) > 1 else 1

    def grid(key: str) -> NDArray[np.float64]:
        values = np.full((len(down), len(across)), np.nan)
        for row in rows:
            values[down.index(int(row["row"])), across.index(int(row["column"]))] = row[key]
        return values

    held = grid("holds_centre") > 0
    figure = canvas(15, 3.7, 110)
    figure.suptitle(title, fontsize=10)
    for axes, (key, told, colours) in zip(figure.subplots(1, len(MAPS)), MAPS, strict=True):
        edges = (
            across[0] - step / 2,
            across[-1] + step / 2,
            down[-1] + step / 2,
            down[0] - step / 2,
        )
        values = grid(key)
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
        low -= 0.01 * (high - low < 0.01)  # shares never run past 1
        picture = axes.imshow(
            values, cmap=colours, extent=edges, interpolation="nearest", vmin=low, vmax=high
        )
        figure.colorbar(picture, ax=axes, shrink=0.75)
        if held.any():
            tall, wide = np.flatnonzero(held.any(1)), np.flatnonzero(held.any(0))
            corner = (across[wide[0]] - step / 2, down[tall[0]] - step / 2)
            for color, thick in (("white", 2.5), ("black", 1.0)):
                box = Rectangle(
                    corner,
                    len(wide) * step,
                    len(tall) * step,
                    fill=False,
                    edgecolor=color,
                    linewidth=thick,
                )
                box.set_clip_on(False)
                axes.add_patch(box)
        axes.plot(0, 0, marker="+", color="black", markersize=9)
        axes.set_title(f"{told}\n{np.nanmin(values):.3f} to {np.nanmax(values):.3f}", fontsize=9)
        axes.set(xlabel="columns moved, pixels", ylabel="rows moved, pixels")
    figure.supxlabel("+ as trained; outlined: the whole centre square is seen", fontsize=8)
    return png(figure)


def swaps(title: str, rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Draw the change of the log-odds by what was put in place of which part, for positives and negatives.

    Returns:
        A PNG.
    """
    figure = canvas(8.5, 0.42 * len(rows) + 1.3, 120)
    figure.suptitle(title, fontsize=9)
    axes = figure.subplots()
    for level, row in enumerate(rows):
        for side, color, shift in (("positive", ORANGE, -0.13), ("negative", BLUE, 0.13)):
            told = row["logodds"][side]
            if told["low"] == told["low"]:
                axes.plot(
                    [told["low"], told["high"]],
                    [level + shift] * 2,
                    color=color,
                    linewidth=2,
                    alpha=0.5,
                )
            axes.plot(told["value"], level + shift, marker="o", markersize=5, color=color)
    axes.axvline(0, color=GREY, linestyle=":", linewidth=1.2)
    axes.set(
        yticks=range(len(rows)),
        ylim=(len(rows) - 0.5, -0.5),
        xlabel="change of the log-odds, mean and 95 % interval",
    )
    axes.set_yticklabels([GIVEN[row["given"]].format(row["region"]) for row in rows], fontsize=9)
    clean_axes(axes)
    handles = [
        axes.plot([], [], marker="o", linestyle="none", color=color, label=name)[0]
        for name, color in (("positives", ORANGE), ("negatives", BLUE))
    ]
    axes.legend(handles=handles, frameon=False, fontsize=8, loc="best")
    return png(figure)


def examples(pictures: Mapping[str, NDArray[np.uint8]], captions: Sequence[str]) -> bytes:
    """Draw a few patches in rows, in each way in which they were shown in columns.

    Args:
        pictures: what it is called to uint8 (n, h, w, 3).
        captions: n.

    Returns:
        A PNG.
    """
    rows = len(captions)
    figure = canvas(1.25 * len(pictures) + 0.9, 1.3 * rows + 0.6, 110)
    for row, places in enumerate(figure.subplots(rows, len(pictures), squeeze=False)):
        for place, (told, shown) in zip(places, pictures.items(), strict=True):
            place.imshow(shown[row], interpolation="nearest")
            place.set(xticks=[], yticks=[])
            place.spines[:].set_visible(False)
            if row == 0:
                place.set_title(told.replace(" ", "\n", 1), fontsize=7)
        places[0].set_ylabel(captions[row], fontsize=7, rotation=0, ha="right", va="center")
    return png(figure)
