"""The figure of a layer's feature maps."""

from collections.abc import Sequence

import numpy as np

from pcam.attribution.plots import Floats, Picture, label_row
from pcam.runs.figures import canvas, png

MAX_CHANNELS = 8


def plot_feature_maps(title: str, patches: Picture, maps: Floats, captions: Sequence[str]) -> bytes:
    """Draw the channels of a layer that vary most over the patches, one scale per channel.

    Args:
        title: of the figure.
        patches: uint8 (N, H, W, 3).
        maps: (N, C, h, w).
        captions: N.

    Returns:
        A PNG.
    """
    chosen = np.argsort(-maps.std(axis=(0, 2, 3)), kind="stable")[:MAX_CHANNELS]
    rows, columns = len(patches), len(chosen) + 1
    figure = canvas(1.4 * columns + 0.9, 1.5 * rows + 0.7, 110)
    figure.suptitle(title, fontsize=11)
    axes = figure.subplots(rows, columns, squeeze=False)
    for place in axes.ravel():
        place.set(xticks=[], yticks=[])
    for row, place in enumerate(axes[:, 0]):
        place.imshow(patches[row], interpolation="nearest")
        label_row(place, captions[row])
    for column, channel in enumerate(chosen, start=1):
        values = maps[:, channel]
        low, high = float(values.min()), float(values.max())
        axes[0][column].set_title(f"channel {channel}\n{low:.2g} to {high:.2g}", fontsize=7)
        for place, value in zip(axes[:, column], values, strict=True):
            place.imshow(value, cmap="viridis", vmin=low, vmax=high, interpolation="nearest")
    return png(figure)
