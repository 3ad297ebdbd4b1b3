"""Files of annotated areas: GeoJSON (QuPath), and XML of ASAP (Camelyon16 and 17)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from pcam.errors import DataError, RunError, describe_error, shorten_value
from pcam.runs.trees import read_json_file, read_text

SUFFIXES = (".geojson", ".json", ".xml")
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
