"""Files of annotated areas: GeoJSON (QuPath), and XML of ASAP (Camelyon16 and 17)."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from pcam.errors import DataError, RunError, describe_error, shorten_value
from pcam.runs.trees import JsonObject, read_json_value, read_text

if TYPE_CHECKING:
    from shapely import Geometry

SUFFIXES = (".geojson", ".json", ".xml")
AREA_TYPES = frozenset(("polygon", "spline", "rectangle"))  # of ASAP; dots have no area
FLAT_TYPES = frozenset(("Point", "MultiPoint", "LineString", "MultiLineString"))  # of GeoJSON
GEOMETRY_TYPES = FLAT_TYPES | {"Polygon", "MultiPolygon", "GeometryCollection"}

Ring = list[tuple[float, float]]


@dataclass(frozen=True)
class Area:
    """One annotated area.

    Attributes:
        names: of its classes or its group; none without a class.
        rings: its outline, then its holes; pixels of level 0.
    """

    names: tuple[str, ...]
    rings: Sequence[Ring]

    def geometry(self) -> "Geometry":
        """Return it as a valid geometry; an outline that crosses itself becomes several parts."""
        import shapely

        outline, *holes = self.rings
        return shapely.make_valid(shapely.Polygon(outline, holes))


@dataclass(frozen=True)
class Annotation:
    """What a file annotates.

    Attributes:
        areas: all that have an area.
        without_area: how many annotations have none: points, lines, outlines of less than three
            different points or on one line.
    """

    areas: Sequence[Area]
    without_area: int


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


def read_annotation(path: Path) -> Annotation:
    """Return the annotated areas of a file.

    Raises:
        AccessError: the file cannot be read now.
        DataError: it is missing or damaged.
    """
    if not path.is_file():
        raise DataError(f"annotations={path} is missing")
    is_xml = path.suffix.lower() == ".xml"
    try:
        found = list(_read_xml(path) if is_xml else _read_geojson(path))
    except RunError as error:
        raise DataError(*error.faults) from error
    except (ValueError, LookupError, TypeError, OverflowError, SyntaxError) as error:
        kind = "annotation of ASAP" if is_xml else "GeoJSON annotation"
        raise DataError(f"{path} is no {kind}: {describe_error(error)}") from error
    areas: list[Area] = []
    for parts in found:
        areas += parts
    return Annotation(areas, sum(not parts for parts in found))


def _read_geojson(path: Path) -> Iterator[list[Area]]:
    """Yield the areas of each annotation of a GeoJSON.

    Raises:
        RunError: the file is no JSON.
        ValueError: or another error of Python's, it is no GeoJSON.
    """
    for number, feature in enumerate(_features(read_json_value(path)), 1):
        where = f"feature {number}"
        if not isinstance(feature, dict):
            raise ValueError(f"{where} is {shorten_value(feature)}, not a table")
        if feature.get("type") in GEOMETRY_TYPES:
            feature = {"geometry": feature}
        if "geometry" not in feature:
            raise ValueError(f"{where} has no geometry")
        if feature["geometry"] is None:
            continue
        names = _class_names(feature.get("properties"), where)
        yield _with_area(names, _polygons(feature["geometry"], where))


def _features(content: object) -> list[object]:
    """Return the features of a GeoJSON: of a collection, a list, one feature, or one geometry.

    Raises:
        ValueError: it has none of these.
    """
    if isinstance(content, list):
        return content
    kind = content.get("type") if isinstance(content, dict) else None
    if kind == "Feature" or kind in GEOMETRY_TYPES:
        return [content]
    features = content.get("features") if isinstance(content, dict) else None
    if kind != "FeatureCollection" or not isinstance(features, list):
        raise ValueError("it has no features")
    return features


def _class_names(properties: object, where: str) -> tuple[str, ...]:
    """Return the names of a feature's classes; QuPath writes one name, a list, or plain text.

    Raises:
        ValueError: they are something else.
    """
    given = properties.get("classification") if isinstance(properties, dict) else None
    if isinstance(given, dict):
        several = given.get("names")
        names = several if several is not None else given.get("name")
    else:
        names = given
    listed = names if isinstance(names, list) else [names]
    known = [name for name in listed if name is not None]
    if isinstance(given, list) or not all(isinstance(name, str) for name in known):
        raise ValueError(f"the classification of {where} has no name: {shorten_value(given)}")
    return tuple(name.strip() for name in known if name.strip())


def _polygons(geometry: object, where: str) -> list[list[object]]:
    """Return the polygons of a GeoJSON geometry, each a list of rings; none of points and lines.

    Raises:
        ValueError: it is no geometry.
    """
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    if not isinstance(geometry, dict) or kind not in GEOMETRY_TYPES:
        raise ValueError(f"the geometry of {where} is of no type that GeoJSON has")
    if kind in FLAT_TYPES:
        return []
    if kind == "GeometryCollection":
        parts = _listed(geometry, "geometries", where)
        return [polygon for part in parts for polygon in _polygons(part, where)]
    coordinates = _listed(geometry, "coordinates", where)
    polygons: list[object] = [coordinates] if kind == "Polygon" else coordinates
    found = [polygon for polygon in polygons if isinstance(polygon, list)]
    if len(found) < len(polygons):
        raise ValueError(f"the coordinates of {where} are not lists of outlines")
    return found


def _listed(geometry: JsonObject, key: str, where: str) -> list[object]:
    """Return a list of a geometry.

    Raises:
        ValueError: it is no list.
    """
    value = geometry.get(key)
    if not isinstance(value, list):
        raise ValueError(f"the geometry of {where} has no list of {key}")
    return value


def _with_area(names: tuple[str, ...], polygons: Sequence[Sequence[object]]) -> list[Area]:
    """Return the polygons that have an area.

    Args:
        names: of their class.
        polygons: an outline and its holes each, which are lists of positions.

    Raises:
        ValueError: or another error of Python's, they are no positions.
    """
    areas: list[Area] = []
    for polygon in polygons:
        rings = [_ring(positions) for positions in polygon]
        if not rings or not _is_closed(rings[0]):
            continue
        area = Area(names, [ring for ring in rings if _is_closed(ring)])
        if area.geometry().area > 0:
            areas.append(area)
    return areas


def _is_closed(ring: Ring) -> bool:
    """Return whether a ring can go around something."""
    return len(set(ring)) >= 3


def _ring(positions: object) -> Ring:
    """Return a ring of positions.

    Raises:
        ValueError: it is no list, or a coordinate is no finite number.
    """
    if not isinstance(positions, list):
        raise ValueError("an outline is no list of points")
    ring = [(float(position[0]), float(position[1])) for position in positions]
    if not all(math.isfinite(x) and math.isfinite(y) for x, y in ring):
        raise ValueError("a coordinate is not finite")
    return ring


def _read_xml(path: Path) -> Iterator[list[Area]]:
    """Yield the areas of each annotation of an XML of ASAP: one, or none of dots.

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
    for annotation in root.iter("Annotation"):
        if annotation.get("Type", "Polygon").lower() not in AREA_TYPES:
            yield []
            continue
        points = sorted(annotation.iter("Coordinate"), key=lambda one: int(one.attrib["Order"]))
        positions = [[point.attrib["X"], point.attrib["Y"]] for point in points]
        group = annotation.get("PartOfGroup", "")
        yield _with_area((group,) if group else (), [[positions]])
