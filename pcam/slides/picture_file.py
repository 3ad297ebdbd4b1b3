"""Plain pictures as slides of one level: PNG, JPEG, and TIFF that OpenSlide does not read."""

from pathlib import Path

from pcam.data.base import Pixels
from pcam.data.storage.images import check_header, read_image
from pcam.slides.slide import Level, Slide, plausible_mpp, refuse_channels

MOST_SIDE = 13_000  # pixels; the whole picture is in memory
MICROMETRES_PER_INCH = 25_400.0


class PictureFile(Slide):
    """A picture that is decoded as a whole when it is first read.

    Args:
        path: of the file.

    Raises:
        DataError: it is no picture, is too large, or is not in colour.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._pixels: Pixels | None = None
        height, width = check_header(path, MOST_SIDE)
        self.levels = [Level(width, height, 1.0)]
        channels, self.stored_mpp = _read_header(path)
        refuse_channels(path, channels)

    def read(self, level: int, left: int, top: int, width: int, height: int) -> Pixels:
        """Return a region of the picture, uint8 (height, width, 3); see ``Slide.read``."""
        if self._pixels is None:
            self._pixels = read_image(self.path, MOST_SIDE)
        return self._pixels[top : top + height, left : left + width]

    def __getstate__(self) -> dict[str, object]:
        """Leave the pixels out: a spawned process decodes them itself."""
        return {**vars(self), "_pixels": None}


def _read_header(path: Path) -> tuple[int, tuple[float, float] | None]:
    """Return a picture's channels per pixel, and its micrometres per pixel along x and y.

    These are None if it does not say them.
    """
    from PIL import Image

    with path.open("rb") as file, Image.open(file) as image:
        channels = 4 if image.has_transparency_data else len(image.getbands())
        dots = image.info.get("dpi")  # per inch, of both axes
        colours = 3 if image.mode == "P" else channels
    if not dots or min(dots) <= 0:
        return colours, None
    x, y = (MICROMETRES_PER_INCH / float(number) for number in dots)
    return colours, plausible_mpp(x, y)
