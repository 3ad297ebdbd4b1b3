"""From a path to an open slide."""

from pathlib import Path

from pcam.data.storage.images import is_image
from pcam.errors import DataError
from pcam.runs.access import ensure_readable
from pcam.slides.slide import Slide


def open_slide(path: Path) -> Slide:
    """Open a slide: by OpenSlide, or as a plain picture where OpenSlide does not know the format.

    Args:
        path: of the file.

    Raises:
        AccessError: it cannot be read now.
        DataError: it is missing, is no slide, or is damaged.
    """
    require_openslide()
    from openslide import OpenSlideUnsupportedFormatError

    from pcam.slides.openslide_file import OpenSlideFile
    from pcam.slides.picture_file import PictureFile

    if not path.exists():
        raise DataError(f"{path} is missing; slide=FILE is a slide, a folder or a pattern")
    ensure_readable(path)
    try:
        return OpenSlideFile(path)
    except OpenSlideUnsupportedFormatError as error:
        if not is_image(path):
            raise DataError(
                f"{path} cannot be read as a slide: OpenSlide does not know its format, and it is"
                " no PNG, JPEG or TIFF"
            ) from error
    return PictureFile(path)


def require_openslide() -> None:
    """Make sure that the packages of the extra ``slide`` are installed.

    Raises:
        DataError: one is missing.
    """
    try:
        import openslide  # noqa: F401
        import shapely  # noqa: F401
        import tifffile  # noqa: F401
    except ImportError as error:
        raise DataError(
            f"slides need the package {error.name}; install it with: pip install 'pcam[slide]'"
        ) from error
