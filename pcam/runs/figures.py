"""What all figures have in common: a canvas that needs no display, quiet axes, bytes of a PNG."""

import io
from typing import Any

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "0.55"  # Okabe & Ito: told apart by every eye


def canvas(width: float, height: float, dpi: int) -> Any:
    """Return an empty matplotlib Figure, inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=dpi, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def clean_axes(axes: Any) -> None:
    """Leave out the frame above and to the right, and draw a faint grid."""
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def png(figure: Any) -> bytes:
    """Return a figure as a PNG."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()
