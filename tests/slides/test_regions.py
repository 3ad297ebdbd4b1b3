"""Regions as polygons and as GeoJSON, and the map as a TIFF."""

import io
import json

import jsonschema
import numpy as np
import pytest
import tifffile
from shapely.geometry import shape

from pcam.slides.geojson import format_regions
from pcam.slides.grid import Grid
from pcam.slides.probability_tiff import halve, probability_tiff
from pcam.slides.regions import find_regions

GRID = Grid(width=320, height=200, patch=96, centre=32, stride=32, scale=2.0)
SQUARE = 64.0  # side of a cell, pixels of level 0

POSITION = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
RING = {"type": "array", "items": POSITION, "minItems": 4}
FEATURE = {
    "type": "object",
    "required": ["type", "geometry", "properties"],
    "properties": {
        "type": {"const": "Feature"},
        "id": {"type": "string"},
        "geometry": {
            "type": "object",
            "required": ["type", "coordinates"],
            "properties": {
                "type": {"const": "Polygon"},
                "coordinates": {"type": "array", "items": RING, "minItems": 1},
            },
        },
        "properties": {
            "type": "object",
            "required": ["objectType", "classification"],
            "properties": {
                "objectType": {"const": "annotation"},
                "classification": {
                    "type": "object",
                    "required": ["name", "color"],
                    "properties": {"name": {"type": "string"}},
                },
                "measurements": {"type": "object", "additionalProperties": {"type": "number"}},
            },
        },
    },
}
# RFC 7946 for what is written, with QuPath's properties.
GEOJSON = {
    "type": "object",
    "required": ["type", "features"],
    "properties": {
        "type": {"const": "FeatureCollection"},
        "features": {"type": "array", "items": FEATURE},
    },
}


def ring_and_corner() -> np.ndarray:
    """Return a ring of 3x3 cells with a hole, and a cell that touches it at a corner."""
    called = np.zeros((GRID.rows, GRID.columns), bool)
    called[1:4, 2:5] = True
    called[2, 3] = False
    called[4, 5] = True
    return called


def test_regions_are_cells_that_share_edges_in_pixels_of_level_0() -> None:
    called = ring_and_corner()
    probability = np.where(called, 0.75, 0.25)
    probability[1, 2] = 0.95
    ring, corner = find_regions(called, probability, GRID, 0.5)
    assert ring.polygon.is_valid
    assert ring.polygon.bounds == (2 * SQUARE, SQUARE, 5 * SQUARE, 4 * SQUARE)
    (hole,) = ring.polygon.interiors
    assert hole.bounds == (3 * SQUARE, 2 * SQUARE, 4 * SQUARE, 3 * SQUARE)
    assert ring.area == pytest.approx(8 * (SQUARE * 0.5) ** 2 / 1e6)
    assert ring.highest == 0.95
    assert ring.mean == pytest.approx((7 * 0.75 + 0.95) / 8)
    assert corner.polygon.bounds == (5 * SQUARE, 4 * SQUARE, 6 * SQUARE, 5 * SQUARE)


def test_regions_end_at_the_slides_edge() -> None:
    called = np.zeros((GRID.rows, GRID.columns), bool)
    called[-1, -1] = True  # of whose cell 8 of 32 pixels are on the slide
    (region,) = find_regions(called, np.ones(called.shape), GRID, 0.5)
    assert region.polygon.bounds == (9 * SQUARE, 6 * SQUARE, 640.0, 400.0)


def test_geojson_is_valid_and_says_what_each_region_is() -> None:
    called = ring_and_corner()
    regions = find_regions(called, np.where(called, 0.75, 0.25), GRID, 0.5)
    content = json.loads(format_regions(regions, "slide", "tumour"))
    jsonschema.validate(content, GEOJSON)
    first, second = content["features"]
    assert shape(first["geometry"]).equals(regions[0].polygon)
    assert first["properties"]["classification"]["name"] == "tumour"
    assert first["properties"]["measurements"]["Mean probability"] == 0.75
    assert first["id"] != second["id"]
    jsonschema.validate(json.loads(format_regions([], "slide", "tumour")), GEOJSON)


def test_the_map_is_a_pyramid_with_the_size_of_its_pixels() -> None:
    values = np.random.default_rng(0).random((300, 700))
    values[:, :3] = np.nan
    content = io.BytesIO(probability_tiff(values, 31.104))
    with tifffile.TiffFile(content) as file:
        pages = list(file.pages)
        assert [page.shape for page in pages] == [(300, 700), (150, 350), (75, 175)]
        assert [page.subfiletype for page in pages] == [0, 1, 1]
        np.testing.assert_array_equal(pages[0].asarray(), values.astype(np.float32))
        for number, page in enumerate(pages):
            assert page.is_tiled
            over, under = page.tags["XResolution"].value
            assert page.tags["ResolutionUnit"].value == 3  # centimetre
            assert 1e4 * under / over == pytest.approx(31.104 * 2**number, rel=1e-6)


def test_levels_of_the_map_are_means_of_known_cells() -> None:
    values = np.array([[1, 3, np.nan], [np.nan, 2, np.nan], [5, 5, 7]], np.float32)
    np.testing.assert_allclose(halve(values), [[2, np.nan], [5, 7]])
