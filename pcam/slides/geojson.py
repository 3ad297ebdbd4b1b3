"""Regions as GeoJSON that QuPath opens: annotations with a classification and measurements."""

import json
import uuid
from collections.abc import Mapping, Sequence

from pcam.slides.regions import Region

COLOUR = (213, 94, 0)  # of the class in QuPath, if it has none
DIGITS = 2  # decimals of coordinates, pixels of level 0
NAMESPACE = uuid.UUID("6a3b4c52-5f0e-4c7e-9a55-0d7c3f1f9a10")  # of the ids of our regions


def format_regions(regions: Sequence[Region], slide: str, positive: str) -> str:
    """Return regions as a GeoJSON text.

    Args:
        regions: of one slide.
        slide: the slide's name.
        positive: name of the class.
    """
    features = []
    for number, region in enumerate(regions, start=1):
        features.append(_feature(region, number, slide, positive))
    collection = {"type": "FeatureCollection", "features": features}
    return json.dumps(collection, allow_nan=False) + "\n"


def _feature(region: Region, number: int, slide: str, positive: str) -> Mapping[str, object]:
    """Return a region as a GeoJSON feature."""
    rings = [region.polygon.exterior, *region.polygon.interiors]
    coordinates = [[[round(x, DIGITS), round(y, DIGITS)] for x, y in ring.coords] for ring in rings]
    return {
        "type": "Feature",
        "id": str(uuid.uuid5(NAMESPACE, f"{slide}/{number}")),
        "geometry": {"type": "Polygon", "coordinates": coordinates},
        "properties": {
            "objectType": "annotation",
            "name": f"{positive} {number}",
            "classification": {"name": positive, "color": list(COLOUR)},
            "measurements": {
                "Area mm^2": region.area,
                "Mean probability": region.mean,
                "Highest probability": region.highest,
            },
        },
    }
