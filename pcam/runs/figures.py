"""What all figures have in common: a canvas that needs no display, plain axes, PNG bytes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which people with a colour vision deficiency can distinguish.
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "0.55"


def canvas(width: float, height: float, dpi: int) -> Figure:
    """Return an empty figure.

    Args:
        width: inches.
        height: inches.
        dpi: pixels per inch.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=dpi, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def clean_axes(axes: Axes) -> None:
    """Remove the frame above and to the right, and draw a faint grid."""
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def png(figure: Figure) -> bytes:
    """Return a figure as a PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
