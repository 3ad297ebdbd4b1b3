"""The tumour that is annotated on a slide."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pcam.config.classes import positive_by_name
from pcam.config.schema import SlideConfig
from pcam.errors import ConfigError, DataError, PcamError, printable, shorten_value
from pcam.slides.annotation_files import Area, find_annotation, read_areas
from pcam.stats.formatting import format_warning

if TYPE_CHECKING:
    from shapely import Geometry

log = logging.getLogger(__name__)

# Names of classes and groups in lower case. Camelyon's groups _0 and _1 are tumour, _2 is excluded.
POSITIVE_GROUPS = frozenset(("", "_0", "_1", "none"))
EXCLUDED = frozenset(("_2", "exclusion", "exclude", "normal", "benign", "ignore", "ignore*"))


def ensure_readable_annotations(config: SlideConfig, slides: Sequence[Path]) -> None:
    """Make sure that annotations can be read before slides are predicted.

    Args:
        config: of ``pcam.slide``.
        slides: the files of all slides.

    Raises:
        DataError: they are missing or damaged; one line for each.
        ConfigError: one file is given for several slides.
    """
    if config.annotations is None:
        return
    annotations = Path(config.annotations)
    if not annotations.is_dir() and len(slides) > 1:
        raise ConfigError(
            f"annotations={annotations} is one file, and there are {len(slides)} slides; give a"
            " folder of files that are named as the slides"
        )
    faults: list[str] = []
    for slide in slides:
        try:
            path = find_annotation(annotations, slide)
            if path is not None:
                read_areas(path)
        except PcamError as error:
            faults += error.faults
    if faults:
        raise DataError(*faults)


def slide_tumour(config: SlideConfig, slide: Path, positive: str) -> "Geometry | None":
    """Return the tumour that is annotated on a slide, see ``read_tumour``.

    Args:
        config: of ``pcam.slide``.
        slide: the slide's file.
        positive: name of the run's positive class.

    Returns:
        A geometry of shapely; None for a slide without annotation.
    """
    import shapely

    if config.annotations is None:
        return None
    path = find_annotation(Path(config.annotations), slide)
    if path is not None:
        return read_tumour(path, positive)
    return shapely.Polygon() if config.unannotated == "normal" else None


def read_tumour(path: Path, positive: str) -> "Geometry":
    """Return the tumour that a file outlines.

    Areas without a class, of the run's positive class, or of one whose name says that it is tumour
    are joined; areas that are excluded are cut out; others are left out with a warning.

    Args:
        path: of a GeoJSON, or of an XML of ASAP.
        positive: name of the run's positive class.

    Returns:
        A geometry of shapely, pixels of level 0; empty if the slide has no tumour.

    Raises:
        AccessError: the file cannot be read now.
        DataError: it is damaged.
    """
    import shapely

    areas = read_areas(path)
    groups = {area.group for area in areas}
    joined = {group for group in groups if _is_tumour(group, positive)}
    unused = sorted(groups - joined - {group for group in groups if group.lower() in EXCLUDED})
    if unused:
        names = shorten_value(", ".join(unused))
        log.warning(format_warning(f"{path}: areas of {printable(names)} are left out"))
    tumour = shapely.union_all([_polygon(area) for area in areas if area.group in joined])
    excluded = [_polygon(area) for area in areas if area.group.lower() in EXCLUDED]
    return tumour.difference(shapely.union_all(excluded))


def _is_tumour(group: str, positive: str) -> bool:
    name = group.lower()
    if name in EXCLUDED:
        return False
    is_named = positive_by_name([name]) is not None
    return name in POSITIVE_GROUPS or name == positive.lower() or is_named


def _polygon(area: Area) -> "Geometry":
    """Return an area as a valid geometry; an outline that crosses itself becomes several parts."""
    import shapely

    outline, *holes = area.rings
    return shapely.make_valid(shapely.Polygon(outline, holes))
