"""Annotations: GeoJSON and ASAP's XML give the same areas; damaged ones are one line."""

import json
from pathlib import Path

import pytest

from pcam.errors import DataError
from pcam.slides.annotation_files import find_annotation
from pcam.slides.annotations import read_tumour

SQUARE = [[0, 0], [100, 0], [100, 100], [0, 100]]
HOLE = [[20, 20], [60, 20], [60, 60], [20, 60]]
FAR = [[500, 500], [600, 500], [600, 600], [500, 600]]


def feature(ring: list[list[float]], name: str | None, *holes: list[list[float]]) -> dict:
    properties = {} if name is None else {"classification": {"name": name}}
    rings = [[*one, one[0]] for one in (ring, *holes)]
    geometry = {"type": "Polygon", "coordinates": rings}
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def write_geojson(path: Path, *features: dict) -> Path:
    path.write_text(json.dumps({"type": "FeatureCollection", "features": list(features)}))
    return path


def write_asap(path: Path, *areas: tuple[list[list[float]], str]) -> Path:
    lines = ['<?xml version="1.0"?>', "<ASAP_Annotations><Annotations>"]
    for number, (ring, group) in enumerate(areas):
        lines.append(
            f'<Annotation Name="{number}" Type="Polygon" PartOfGroup="{group}"><Coordinates>'
        )
        for order, (x, y) in reversed(list(enumerate(ring))):
            lines.append(f'<Coordinate Order="{order}" X="{x}" Y="{y}" />')
        lines.append("</Coordinates></Annotation>")
    lines.append("</Annotations></ASAP_Annotations>")
    path.write_text("\n".join(lines))
    return path


def test_geojson_and_asap_give_the_same_tumour(tmp_path: Path) -> None:
    json_file = write_geojson(
        tmp_path / "a.geojson", feature(SQUARE, None, HOLE), feature(FAR, "Tumor")
    )
    xml_file = write_asap(tmp_path / "a.xml", (SQUARE, "_0"), (HOLE, "_2"), (FAR, "metastases"))
    first, second = read_tumour(json_file, "tumour"), read_tumour(xml_file, "tumour")
    assert first.area == 100 * 100 - 40 * 40 + 100 * 100
    assert first.equals(second)
    assert first.bounds == (0, 0, 600, 600)


def test_other_classes_are_left_out_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_geojson(tmp_path / "a.geojson", feature(SQUARE, "Stroma"), feature(FAR, "lesion"))
    assert read_tumour(path, "lesion").bounds == (500, 500, 600, 600)
    words = caplog.text.replace("!", " ").split()  # a long folder breaks the line elsewhere
    assert "areas of Stroma are" in " ".join(words)
    nothing = read_tumour(write_geojson(tmp_path / "b.geojson"), "tumour")
    assert nothing.is_empty


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><ASAP_Annotations>&b;'
DAMAGED = {
    "bomb.xml": f"{BOMB}</ASAP_Annotations>",
    "cut.xml": "<ASAP_Annotations><Annotations>",
    "other.xml": "<html></html>",
    "letters.xml": '<ASAP_Annotations><Annotation><Coordinate Order="0" X="a" Y="1"/>'
    "</Annotation></ASAP_Annotations>",
    "text.geojson": "no json",
    "list.geojson": "[1]",
    "other.geojson": '{"type": "FeatureCollection"}',
    "number.geojson": '{"type": "FeatureCollection", "features": [3]}',
    "short.geojson": json.dumps(feature([[0, 0]], None)),
    "texts.geojson": json.dumps(feature([["a", "b"]] * 4, None)),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_annotation_is_one_line(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(DAMAGED[name])
    with pytest.raises(DataError, match=r"is no annotation|is damaged") as raised:
        read_tumour(path, "tumour")
    (line,) = raised.value.faults
    assert str(path) in line


def test_annotations_of_a_folder_are_named_as_their_slides(tmp_path: Path) -> None:
    path = write_asap(tmp_path / "a.xml", (SQUARE, "_0"))
    assert find_annotation(tmp_path, Path("elsewhere/a.svs")) == path
    assert find_annotation(tmp_path, Path("elsewhere/b.svs")) is None
    assert find_annotation(path, Path("elsewhere/b.svs")) == path
