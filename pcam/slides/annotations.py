"""Annotated areas of a slide: GeoJSON (QuPath), and XML of ASAP (Camelyon16 and 17)."""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from pcam.config.classes import positive_by_name
from pcam.config.schema import SlideConfig
from pcam.errors import (
    ConfigError,
    DataError,
    PcamError,
    RunError,
    describe_error,
    printable,
    shorten_value,
)
from pcam.runs.trees import read_json_file, read_text
from pcam.stats.formatting import format_warning

if TYPE_CHECKING:
    from shapely import Geometry

log = logging.getLogger(__name__)

SUFFIXES = (".geojson", ".json", ".xml")
# Names of classes and groups in lower case. Camelyon's groups _0 and _1 are tumour, _2 is excluded.
POSITIVE_GROUPS = frozenset(("", "_0", "_1", "none"))
EXCLUDED = frozenset(("_2", "exclusion", "exclude", "normal", "benign", "ignore", "ignore*"))
AREA_TYPES = frozenset(("polygon", "spline", "rectangle"))  # of ASAP; dots have no area

Ring = list[tuple[float, float]]


@dataclass(frozen=True)
class Area:
    """One annotated area.

    Attributes:
        group: name of its class or group; "" without.
        rings: its outline, then its holes; pixels of level 0.
    """

    group: str
    rings: Sequence[Ring]


def find_annotation(annotations: Path, slide: Path) -> Path | None:
    """Return the file of a slide's annotation; None if there is none.

    Args:
        annotations: a file, or a folder of files that are named as their slides.
        slide: the slide's file.
    """
    if not annotations.is_dir():
        return annotations
    for suffix in SUFFIXES:
        path = annotations / f"{slide.stem}{suffix}"
        if path.is_file():
            return path
    return None


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


def read_areas(path: Path) -> list[Area]:
    """Return the annotated areas of a file.

    Raises:
        AccessError: the file cannot be read now.
        DataError: it is missing or damaged.
    """
    if not path.is_file():
        raise DataError(f"annotations={path} is missing")
    try:
        return _read_xml(path) if path.suffix.lower() == ".xml" else _read_geojson(path)
    except RunError as error:
        raise DataError(*error.faults) from error
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, SyntaxError) as error:
        raise DataError(f"{path} is no annotation ({describe_error(error)})") from error


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


def _read_geojson(path: Path) -> list[Area]:
    """Return the areas of a GeoJSON: a feature, or a collection of features.

    Raises:
        RunError: the file is no JSON.
        ValueError: or another error of Python's, it is no GeoJSON.
    """
    content = read_json_file(path)
    features = content["features"] if content["type"] == "FeatureCollection" else [content]
    areas: list[Area] = []
    for feature in features:
        geometry = feature["geometry"]
        properties = feature.get("properties") or {}
        classification = properties.get("classification") or {}
        group = str(classification.get("name", ""))
        for rings in _polygons(geometry):
            areas.append(Area(group, [_ring(ring) for ring in rings]))
    return areas


def _polygons(geometry: Mapping[str, object]) -> list[list[object]]:
    """Return the polygons of a GeoJSON geometry, each a list of rings; none of points and lines.

    Raises:
        ValueError: its coordinates are no lists.
    """
    kind, coordinates = geometry["type"], geometry["coordinates"]
    if kind not in ("Polygon", "MultiPolygon"):
        return []
    polygons = [coordinates] if kind == "Polygon" else coordinates
    if not isinstance(polygons, list):
        raise ValueError(f"the coordinates of a {kind} are no list")
    found: list[list[object]] = []
    for polygon in polygons:
        if not isinstance(polygon, list) or not polygon:
            raise ValueError("an area has no outline")
        found.append(polygon)
    return found


def _ring(positions: object) -> Ring:
    """Return a ring of positions.

    Raises:
        ValueError: it has less than three, or a coordinate is no finite number.
    """
    if not isinstance(positions, list) or len(positions) < 3:
        raise ValueError("an outline has less than 3 points")
    ring = [(float(position[0]), float(position[1])) for position in positions]
    if not all(math.isfinite(x) and math.isfinite(y) for x, y in ring):
        raise ValueError("a coordinate is not finite")
    return ring


def _read_xml(path: Path) -> list[Area]:
    """Return the areas of an XML of ASAP.

    Raises:
        RunError: the file is too large, or no text.
        ValueError: or another error of Python's, it is no XML of ASAP.
    """
    text = read_text(path)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError("it has a document type, which could define entities")
    root = ElementTree.fromstring(text)
    if root.tag != "ASAP_Annotations":
        raise ValueError(f"its root is {shorten_value(root.tag)}, not ASAP_Annotations")
    areas: list[Area] = []
    for annotation in root.iter("Annotation"):
        if annotation.get("Type", "Polygon").lower() not in AREA_TYPES:
            continue
        points = sorted(annotation.iter("Coordinate"), key=lambda one: int(one.attrib["Order"]))
        positions = [[point.attrib["X"], point.attrib["Y"]] for point in points]
        areas.append(Area(annotation.get("PartOfGroup", ""), [_ring(positions)]))
    return areas
