"""The tumour that is annotated on a slide."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pcam.config.classes import positive_by_name
from pcam.config.schema import SlideConfig
from pcam.errors import ConfigError, DataError, PcamError, printable, shorten_value
from pcam.slides.annotation_files import SUFFIXES, Area, find_annotation, read_annotation
from pcam.slides.opening import open_slide, require_openslide
from pcam.stats.formatting import format_warning, pluralize

if TYPE_CHECKING:
    from shapely import Geometry

log = logging.getLogger(__name__)

# Names of classes and groups in lower case. Camelyon's groups _0 and _1 are tumour, _2 is excluded.
POSITIVE_GROUPS = frozenset(("_0", "_1", "none"))
EXCLUDED = frozenset(("_2", "exclusion", "exclude", "normal", "benign", "ignore", "ignore*"))
STAINING = frozenset(("positive", "negative"))


def ensure_readable_annotations(config: SlideConfig, slides: Sequence[Path]) -> None:
    """Make sure that annotations can be used before slides are predicted.

    Args:
        config: of ``pcam.slide``.
        slides: the files of all slides.

    Raises:
        DataError: they are missing or damaged, lie outside of their slides, are of two slides, or
            are of none; one line for each.
        ConfigError: one file is given for several slides.
    """
    if config.annotations is None:
        return
    require_openslide()  # which brings what areas are measured with
    annotations = Path(config.annotations)
    if not annotations.is_dir() and len(slides) > 1:
        raise ConfigError(
            f"annotations={annotations} is one file, and there are {len(slides)} slides; give a"
            " folder of files that are named as the slides"
        )
    found = {slide: find_annotation(annotations, slide) for slide in slides}
    files = {slide: path for slide, path in found.items() if path is not None}
    if annotations.is_dir():
        _check_matches(annotations, slides, len(files), config.unannotated)
    faults = list(_shared_files(files))
    for slide, path in files.items():
        try:
            _check_places(path, slide)
        except PcamError as error:
            faults += error.faults
    if faults:
        raise DataError(*dict.fromkeys(faults))


def _check_matches(folder: Path, slides: Sequence[Path], matched: int, unannotated: str) -> None:
    """Make sure that a folder has an annotation of some slide, and log of how many.

    Args:
        folder: of annotations.
        slides: all.
        matched: how many have a file.
        unannotated: what the others are.

    Raises:
        DataError: none of several slides has one, and they are not said to be normal.
    """
    if not matched and len(slides) > 1 and unannotated == "unknown":
        names = ", ".join(f"{slides[0].stem}{suffix}" for suffix in SUFFIXES)
        raise DataError(
            f"annotations={folder} has no file that is named as one of the {len(slides)} slides,"
            f" such as {names}"
        )
    if matched < len(slides):
        log.info(f"{matched} of {pluralize(len(slides), 'slide')} have annotations")


def _shared_files(files: Mapping[Path, Path]) -> Iterator[str]:
    """Yield a fault per annotation that several slides have by their name.

    Args:
        files: the annotation of each slide.
    """
    slides: dict[Path, list[Path]] = {}
    for slide, path in files.items():
        slides.setdefault(path, []).append(slide)
    for path, several in slides.items():
        if len(several) > 1:
            names = shorten_value(", ".join(map(str, several)))
            yield f"{path} is named as {len(several)} slides: {names}; predict them separately"


def _check_places(path: Path, slide: Path) -> None:
    """Make sure that an annotation can be read, and that some of it is on its slide.

    Args:
        path: of the annotation.
        slide: the slide's file; one that cannot be opened is reported elsewhere.

    Raises:
        AccessError: the annotation cannot be read now.
        DataError: it is damaged, or all of its areas lie outside.
    """
    areas = read_annotation(path).areas
    try:
        opened = open_slide(slide)
    except PcamError:
        return
    if areas and not any(_touches(area, opened.width, opened.height) for area in areas):
        raise DataError(
            f"{path}: all areas lie outside of the slide's {opened.width}x{opened.height} pixels;"
            " it is probably the annotation of another slide, or in other units"
        )


def _touches(area: Area, width: int, height: int) -> bool:
    """Return whether the rectangle around an area overlaps with a slide, in pixels of level 0."""
    x = [one for one, _ in area.rings[0]]
    y = [one for _, one in area.rings[0]]
    return min(x) < width and max(x) > 0 and min(y) < height and max(y) > 0


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

    Areas without a class, of the run's positive class, or of one with a name that says that it is
    tumour are joined; areas that are excluded are cut out; others, and annotations without area,
    are left out with a warning.

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

    annotation = read_annotation(path)
    areas = annotation.areas
    if annotation.without_area:
        count = pluralize(annotation.without_area, "annotation")
        verb = "is" if annotation.without_area == 1 else "are"
        log.warning(format_warning(f"{path}: {count} without area {verb} left out"))
    excluded = [area for area in areas if _is_excluded(area)]
    joined = [area for area in areas if _is_tumour(area, positive)]
    used = {area.names for area in (*excluded, *joined)}
    unused = sorted({": ".join(area.names) for area in areas if area.names not in used})
    if unused:
        names = shorten_value(", ".join(unused))
        log.warning(format_warning(f"{path}: areas of {printable(names)} are left out"))
    tumour = shapely.union_all([area.geometry() for area in joined])
    return tumour.difference(shapely.union_all([area.geometry() for area in excluded]))


def _is_excluded(area: Area) -> bool:
    return any(name.lower() in EXCLUDED for name in area.names)


def _is_tumour(area: Area, positive: str) -> bool:
    """Return whether an area has no class, or a name of it says that it is tumour.

    Of several names, QuPath's Positive and Negative say how a class is stained.
    """
    if _is_excluded(area):
        return False
    names = area.names
    if len(names) > 1:
        names = tuple(name for name in names if name.lower() not in STAINING)
    return not area.names or any(_says_tumour(name.lower(), positive) for name in names)


def _says_tumour(name: str, positive: str) -> bool:
    is_named = positive_by_name([name]) is not None
    return name in POSITIVE_GROUPS or name == positive.lower() or is_named
