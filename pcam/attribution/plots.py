"""Pictures of maps: a panel per patch, the sheet of all of them, a layer's feature maps, and how far maps can be believed."""

import textwrap
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcam.runs.figures import BLUE, GREY, ORANGE, canvas, clean_axes, png

Floats = NDArray[np.float32]
PERCENTILE = 99.5  # of the absolute values, over all patches of a figure: the end of its scale
SIGNED, UNSIGNED = "RdBu_r", "magma_r"


@dataclass(frozen=True)
class Drawn:
    """The maps of one method over some patches.

    Attributes:
        title: of the method.
        unit: of its values.
        signed: whether values below zero have a meaning.
        values: (N, H, W).
    """

    title: str
    unit: str
    signed: bool
    values: Floats

    @property
    def scale(self) -> float:
        """The end of the colours, one for all patches; above zero."""
        return (
            float(np.percentile(np.abs(self.values), PERCENTILE))
            or float(np.abs(self.values).max())
            or 1.0
        )

    @property
    def told(self) -> str:
        """The scale, for a person."""
        return f"{'±' if self.signed else '0 to '}{self.scale:.2g}"

    def empty(self, which: int) -> bool:
        """Whether the map of a patch says nothing."""
        return not self.values[which].any()


def panel(
    patch: NDArray[np.uint8],
    maps: Sequence[Drawn],
    which: int,
    caption: str,
    square: NDArray[np.bool_] | None,
) -> bytes:
    """Draw a patch and each map over it, the square that the label depends on outlined.

    Args:
        patch: (H, W, 3).
        maps: of each method over all patches, so that one scale holds for all panels.
        which: the patch's place in them.
        caption: of the figure.
        square: bool (H, W), or None.

    Returns:
        A PNG.
    """
    columns = min(4, len(maps) + 1)
    rows = -(-(len(maps) + 1) // columns)
    figure = canvas(2.3 * columns, 2.75 * rows + 0.5, 120)
    figure.suptitle(caption, fontsize=10)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for place in axes:
        place.set_axis_off()
    axes[0].imshow(patch, interpolation="nearest")
    axes[0].set_title("patch", fontsize=9)
    _outline(axes[0], square)
    for place, one in zip(axes[1:], maps, strict=False):
        _over(place, patch, one, which)
        place.set_title(f"{one.title}\n{'empty' if one.empty(which) else one.told}", fontsize=9)
        place.text(
            0.5, -0.02, one.unit, transform=place.transAxes, ha="center", va="top", fontsize=6
        )
        _outline(place, square)
    return png(figure)


def sheet(
    title: str, patches: NDArray[np.uint8], maps: Sequence[Drawn], captions: Sequence[str],
    squares: NDArray[np.bool_] | None, page: slice = slice(None),
) -> bytes:  # fmt: skip
    """Draw patches in rows and methods in columns, one scale per column, as the study's Figures 5 and 6.

    Args:
        title: of the figure.
        patches: (N, H, W, 3).
        maps: of each method.
        captions: N.
        squares: bool (N, H, W), the square that the label depends on, or None.
        page: which of the patches; the scale is that of all.

    Returns:
        A PNG.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    shown = range(len(patches))[page]
    rows, columns = len(shown), len(maps) + 1
    figure = canvas(1.45 * columns + 0.9, 1.45 * rows + 1.2, 110)
    figure.suptitle(f"{title}\ncolours end at the {PERCENTILE}th percentile", fontsize=10)
    axes = figure.subplots(rows + 1, columns, squeeze=False, height_ratios=[1] * rows + [0.08])
    for row, which in enumerate(shown):
        for column, place in enumerate(axes[row]):
            place.set(xticks=[], yticks=[])
            place.spines[:].set_visible(False)
            if column == 0:
                place.imshow(patches[which], interpolation="nearest")
                place.set_ylabel(
                    _short(captions[which]), fontsize=7, rotation=0, ha="right", va="center"
                )
            else:
                _over(place, patches[which], maps[column - 1], which)
                if maps[column - 1].empty(which):
                    place.set_xlabel("empty", fontsize=7, labelpad=1)
            if row == 0:
                place.set_title(
                    "patch" if column == 0 else maps[column - 1].title.replace(" ", "\n", 1),
                    fontsize=8,
                )
            _outline(place, None if squares is None else squares[which])
    axes[rows][0].set_axis_off()
    for place, one in zip(axes[rows][1:], maps, strict=True):
        low = -one.scale if one.signed else 0.0
        colors = ScalarMappable(Normalize(low, one.scale), SIGNED if one.signed else UNSIGNED)
        bar = figure.colorbar(colors, cax=place, orientation="horizontal", ticks=[low, one.scale])
        bar.ax.set_xticklabels([f"{low:.2g}", f"{one.scale:.2g}"], fontsize=6)
        bar.ax.set_xlabel(textwrap.fill(one.unit, 22), fontsize=6, labelpad=1)
        bar.ax.get_xticklabels()[0].set_ha("left")
        bar.ax.get_xticklabels()[1].set_ha("right")
    return png(figure)


def features(
    title: str, patches: NDArray[np.uint8], maps: Floats, captions: Sequence[str], shown: int = 8
) -> bytes:
    """Draw the feature maps of a layer, (N, C, h, w), that vary most over the patches; one scale per channel.

    Returns:
        A PNG.
    """
    chosen = np.argsort(-maps.std(axis=(0, 2, 3)), kind="stable")[:shown]
    rows = len(patches)
    figure = canvas(1.4 * (len(chosen) + 1) + 0.9, 1.5 * rows + 0.7, 110)
    figure.suptitle(title, fontsize=11)
    for row, places in enumerate(figure.subplots(rows, len(chosen) + 1, squeeze=False)):
        places[0].imshow(patches[row], interpolation="nearest")
        places[0].set_ylabel(_short(captions[row]), fontsize=7, rotation=0, ha="right", va="center")
        for place in places:
            place.set(xticks=[], yticks=[])
        for place, channel in zip(places[1:], chosen, strict=True):
            low, high = (float(end(maps[:, channel])) for end in (np.min, np.max))
            place.imshow(
                maps[row, channel], cmap="viridis", vmin=low, vmax=high, interpolation="nearest"
            )
            if row == 0:
                place.set_title(f"channel {channel}\n{low:.2g} to {high:.2g}", fontsize=7)
    return png(figure)


def faithfulness_plot(
    title: str,
    rows: Sequence[Mapping[str, Any]],
    names: Mapping[str, str],
    titles: Mapping[str, str],
    correlations: Collection[str],
) -> bytes:
    """Draw each measure of each method with its interval, random weights and chance beside it.

    Args:
        title: of the figure.
        rows: of ``attribution.measuring.measure``.
        names: measure to what it is.
        titles: method to what it is.
        correlations: measures from -1 to 1, which are drawn on one range.

    Returns:
        A PNG.
    """
    shown = [name for name in names if any(row["measure"] == name for row in rows)]
    methods = list(dict.fromkeys(row["method"] for row in rows))
    down = -(-len(shown) // 4)
    figure = canvas(15, down * (0.24 * len(methods) + 1.3) + 0.6, 110)
    figure.suptitle(title, fontsize=11)
    axes = figure.subplots(down, 4, squeeze=False, sharey=True).ravel()
    colors = {"trained": BLUE, "random weights": ORANGE, "none": "0.25"}
    shift = {"trained": -0.14, "random weights": 0.14, "none": 0.0}
    for place, name in zip(axes, shown, strict=False):
        for row in (row for row in rows if row["measure"] == name and row["value"] == row["value"]):
            level = methods.index(row["method"]) + shift[row["network"]]
            if row["low"] == row["low"]:
                place.plot(
                    [row["low"], row["high"]],
                    [level, level],
                    color=colors[row["network"]],
                    linewidth=2,
                    alpha=0.45,
                )
            place.plot(row["value"], level, marker="o", markersize=4, color=colors[row["network"]])
            if row["chance"] is not None:
                place.plot(
                    [row["chance"]] * 2, [level - 0.3, level + 0.3], color=GREY, linewidth=1.4
                )
        count = max(row["patches"] for row in rows if row["measure"] == name)
        place.set_title(
            f"{names[name]} ({count} {'patch' if count == 1 else 'patches'})", fontsize=9
        )
        if name in correlations:
            place.set_xlim(-1.05, 1.05)
        place.set(yticks=range(len(methods)), ylim=(len(methods) - 0.5, -0.5))
        place.set_yticklabels([titles.get(method, method) for method in methods], fontsize=8)
        clean_axes(place)
    for place in axes[len(shown) :]:
        place.set_axis_off()
    handles = [
        axes[0].plot(
            [],
            [],
            marker="o",
            linestyle="none",
            color=color,
            label={"none": "no network"}.get(network, network),
        )[0]
        for network, color in colors.items()
    ] + [axes[0].plot([], [], color=GREY, label="chance")[0]]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    return png(figure)


def _short(caption: str) -> str:
    """Return a caption that leaves room for the pictures: of a long id, as Kaggle's, the beginning is enough to find it."""
    return "\n".join(line if len(line) <= 26 else f"{line[:12]}…" for line in caption.split("\n"))


def _over(axes: Any, patch: NDArray[np.uint8], one: Drawn, which: int) -> None:
    """Draw a map over the patch in faint grey; the smaller a value, the more of the patch shows."""
    from matplotlib import colormaps

    value = np.clip(one.values[which] / one.scale, -1, 1)
    colors = (
        colormaps[SIGNED]((value + 1) / 2)
        if one.signed
        else colormaps[UNSIGNED](np.maximum(value, 0))
    )
    strength = np.abs(value)[..., None] ** 0.7
    grey = (0.45 + 0.55 * patch.mean(-1, keepdims=True) / 255).repeat(3, -1)
    axes.imshow(grey * (1 - strength) + colors[..., :3] * strength, interpolation="nearest")


def _outline(axes: Any, square: NDArray[np.bool_] | None) -> None:
    from matplotlib.patches import Rectangle

    if square is None or not square.any():
        return
    rows, columns = np.flatnonzero(square.any(1)), np.flatnonzero(square.any(0))
    corner = (columns[0] - 0.5, rows[0] - 0.5)
    axes.add_patch(
        Rectangle(corner, len(columns), len(rows), fill=False, edgecolor="black", linewidth=0.9)
    )
