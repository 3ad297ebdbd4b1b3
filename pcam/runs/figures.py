"""What all figures have in common: a canvas that needs no display, plain axes, PNG bytes."""

from __future__ import annotations

import io
import logging
import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pcam.errors import WriteError
from pcam.runs.files import write_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

log = logging.getLogger(__name__)

# Okabe and Ito's colours, which people with a colour vision deficiency can distinguish.
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "0.55"
PALETTE = (BLUE, ORANGE, "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#F0E442")
# For letters that matplotlib's own font lacks, such as those of a folder's name.
FALLBACK_FONTS = (
    *("Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans", "WenQuanYi Zen Hei"),
    *("Droid Sans Fallback", "Arial Unicode MS", "Hiragino Sans", "MS Gothic"),
)


def canvas(width: float, height: float, dpi: int) -> Figure:
    """Return an empty figure.

    Args:
        width: inches.
        height: inches.
        dpi: pixels per inch.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    _configure_text()
    figure = Figure(figsize=(width, height), dpi=dpi, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


@cache
def _configure_text() -> None:
    """Let texts be shown as they are: any alphabet that a font has, and no formulas."""
    import matplotlib
    from matplotlib import font_manager

    installed = {font.name for font in font_manager.fontManager.ttflist}
    fallback = [name for name in FALLBACK_FONTS if name in installed]
    matplotlib.rcParams["font.family"] = ["sans-serif", *fallback]
    matplotlib.rcParams["text.parse_math"] = False  # a name may hold dollar signs


def write_figure(path: Path, picture: bytes) -> None:
    """Write a figure beside results; a warning says so if it cannot be written."""
    try:
        write_file(path, picture)
    except WriteError as error:
        log.warning(f"{error.faults[0]}; going on without this figure")


def clean_axes(axes: Axes) -> None:
    """Remove the frame above and to the right, and draw a faint grid."""
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def read_png(path: Path, folder: Path) -> bytes | None:
    """Return a PNG of a folder that may be somebody else's; None if it is none, or is elsewhere.

    Args:
        path: of the file.
        folder: that it must be in, without a link on the way.
    """
    from PIL import Image

    if path.resolve() != folder.resolve() / path.relative_to(folder) or not path.is_file():
        return None
    content = path.read_bytes()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # about pictures of too many pixels
            with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
                image.load()
    except Exception:  # Pillow raises many kinds for a broken file
        return None
    return content


def png(figure: Figure) -> bytes:
    """Return a figure as a PNG."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(buffer, format="png")
    return buffer.getvalue()
