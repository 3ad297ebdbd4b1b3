"""Annotations: GeoJSON and ASAP's XML give the same areas; damaged ones are one line."""

import json
from pathlib import Path

import pytest

from pcam.config.schema import SlideConfig
from pcam.config.validation import validate
from pcam.errors import ConfigError, DataError
from pcam.slides.annotation_files import find_annotation
from pcam.slides.annotations import ensure_readable_annotations, read_tumour
from tests.run import composed_values
from tests.slides.writing import tissue, write_slide

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
    "null.geojson": "null",
    "keys.geojson": '{"a": 1}',
    "type.geojson": '{"type": "Feature", "geometry": {"type": "Circle", "coordinates": []}}',
    "nothing.geojson": '{"type": "Feature"}',
    "large.geojson": json.dumps(feature([[10**400, 0], *SQUARE], None)),
    "outline.geojson": '{"type": "Polygon", "coordinates": [3]}',
    "class.geojson": json.dumps(
        {**feature(SQUARE, None), "properties": {"classification": {"names": [5]}}}
    ),
    "texts.geojson": json.dumps(feature([["a", "b"]] * 4, None)),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_annotation_is_one_line(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(DAMAGED[name])
    with pytest.raises(DataError, match=r" is no .*annotation|is damaged") as raised:
        read_tumour(path, "tumour")
    (line,) = raised.value.faults
    assert str(path) in line


def test_annotations_of_a_folder_are_named_as_their_slides(tmp_path: Path) -> None:
    path = write_asap(tmp_path / "a.xml", (SQUARE, "_0"))
    assert find_annotation(tmp_path, Path("elsewhere/a.svs")) == path
    assert find_annotation(tmp_path, Path("elsewhere/b.svs")) is None
    assert find_annotation(path, Path("elsewhere/b.svs")) == path


def said(caplog: pytest.LogCaptureFixture) -> str:
    """Return what was logged as one line; a long folder breaks it elsewhere."""
    return " ".join(caplog.text.replace("!", " ").split())


CLASSES = {
    "immune": ({"names": ["Immune cells", "Stroma"]}, False),
    "stained": ({"names": ["Immune cells", "Positive"]}, False),
    "tumour": ({"names": ["Tumor", "Positive"], "color": [200, 0, 0]}, True),
    "ignored": ({"names": ["Tumor", "Ignore*"]}, False),
    "one": ({"name": "Tumor", "colorRGB": -3670016}, True),
    "stroma": ({"name": "Stroma"}, False),
    "text": ("Stroma", False),
    "tumour in text": ("metastasis", True),
    "nothing": (None, True),
    "no name": ({"names": []}, True),
}


@pytest.mark.parametrize("name", CLASSES)
def test_all_names_of_a_class_are_read(name: str, tmp_path: Path) -> None:
    classification, is_tumour = CLASSES[name]
    area = {**feature(SQUARE, None), "properties": {"classification": classification}}
    path = write_geojson(tmp_path / "a.geojson", area)
    assert read_tumour(path, "tumour").area == (10_000 if is_tumour else 0)


POINT = {"type": "Point", "coordinates": [5, 5]}
LINE = {"type": "LineString", "coordinates": [[0, 0], [9, 9]]}
ONE = feature(SQUARE, None)
FORMS = {
    "list": [ONE, feature(FAR, "Tumor")],
    "geometry": {
        "type": "MultiPolygon",
        "coordinates": [
            ONE["geometry"]["coordinates"],
            feature(FAR, None)["geometry"]["coordinates"],
        ],
    },
    "geometries": {
        "type": "GeometryCollection",
        "geometries": [POINT, ONE["geometry"], feature(FAR, None)["geometry"]],
    },
    "null": [{**ONE, "geometry": None}, ONE, feature(FAR, None)],
}


@pytest.mark.parametrize("name", FORMS)
def test_each_form_of_geojson_is_read(name: str, tmp_path: Path) -> None:
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps(FORMS[name]))
    assert read_tumour(path, "tumour").area == 20_000


def test_a_file_that_is_no_annotation_says_why(tmp_path: Path) -> None:
    path = tmp_path / "a.geojson"
    path.write_text('{"magnification": 20}')
    with pytest.raises(DataError) as raised:
        read_tumour(path, "tumour")
    assert raised.value.faults == (f"{path} is no GeoJSON annotation: it has no features",)


def test_what_has_no_area_is_left_out_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    flat = feature([[0, 0], [50, 50], [90, 90]], "Tumor")
    clicked = feature([[0, 0]], "Tumor")
    others = [{**ONE, "geometry": geometry} for geometry in (POINT, LINE)]
    path = write_geojson(tmp_path / "a.geojson", *others, flat, clicked, feature(SQUARE, "Tumor"))
    assert read_tumour(path, "tumour").area == 10_000
    assert "4 annotations without area are left out" in said(caplog)
    caplog.clear()
    path = write_asap(tmp_path / "a.xml", (SQUARE, "_0"), ([[3, 3]], "_0"))
    path.write_text(path.read_text().replace('"1" Type="Polygon"', '"1" Type="Dot"'))
    assert read_tumour(path, "tumour").area == 10_000
    assert "1 annotation without area is left out" in said(caplog)


def test_an_outline_that_crosses_itself_has_an_area(tmp_path: Path) -> None:
    eight = [[0, 0], [100, 100], [100, 0], [0, 100]]
    path = write_geojson(tmp_path / "a.geojson", feature(eight, None))
    assert read_tumour(path, "tumour").area == 5_000


def slide_config(*words: str) -> SlideConfig:
    return validate(SlideConfig, composed_values("run=r", "slide=s.tif", *words, command="slide"))


def slides_of(folder: Path, *names: str) -> list[Path]:
    return [write_slide(folder / f"{name}.tif", tissue(1, 1)) for name in names]


def test_areas_outside_of_the_slide_are_refused(tmp_path: Path) -> None:
    slides = slides_of(tmp_path, "a")
    path = write_geojson(tmp_path / "a.geojson", feature(FAR, None))
    config = slide_config(f"annotations={path}")
    with pytest.raises(DataError, match="all areas lie outside of the slide's 288x288") as raised:
        ensure_readable_annotations(config, slides)
    (line,) = raised.value.faults
    assert line.startswith(f"{path}: ")
    write_geojson(path, feature(FAR, None), feature([[200, 200], [900, 200], [900, 900]], None))
    ensure_readable_annotations(config, slides)


def test_a_folder_of_annotations_fits_the_slides(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    slides = slides_of(tmp_path, "a", "b")
    folder = tmp_path / "annotations"
    folder.mkdir()
    config = slide_config(f"annotations={folder}")
    with pytest.raises(DataError, match=r"has no file that is named as one of the 2 slides"):
        ensure_readable_annotations(config, slides)
    ensure_readable_annotations(slide_config(f"annotations={folder}", "unannotated=normal"), slides)
    write_geojson(folder / "a.geojson", feature(SQUARE, None))
    caplog.clear()
    with caplog.at_level("INFO"):
        ensure_readable_annotations(config, slides)
    assert "1 of 2 slides have annotations" in caplog.text
    (tmp_path / "other").mkdir()
    with pytest.raises(DataError, match=r"a.geojson is named as 2 slides: ") as raised:
        ensure_readable_annotations(config, [*slides, *slides_of(tmp_path / "other", "a")])
    assert len(raised.value.faults) == 1


def test_slides_are_normal_only_beside_annotations() -> None:
    with pytest.raises(ConfigError) as raised:
        slide_config("unannotated=normal")
    (line,) = raised.value.faults
    assert line.startswith("unannotated=normal needs annotations=FOLDER")
