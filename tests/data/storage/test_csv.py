from pathlib import Path

import pytest

from pcam.data.storage.csv import read_labels, read_rows, read_slides
from pcam.errors import DataError


def test_a_csv_from_excel_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,label\na,1\n", encoding="utf-8-sig")
    assert read_rows(tmp_path / "a.csv", ("id",)) == [{"id": "a", "label": "1"}]
    assert read_labels(tmp_path / "a.csv", "") == {"a": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "a.csv is missing; get it again"),
        (b"\xff\xfe\x00", "is not a csv"),
        (b"name,label\na,1\n", "columns id and label are needed, found name, label; get it again"),
        (b"id,label\na,1\nb\n", "line 3: the row is cut short"),
        (b"id,label\na,1\na,0\n", "1 ids are listed more than once"),
        (b"id,label\na,yes\n", "id a has label yes; labels are 0 or 1"),
    ],
)
def test_a_faulty_csv_of_labels_is_an_error(
    text: bytes | None, message: str, tmp_path: Path
) -> None:
    if text is not None:
        (tmp_path / "a.csv").write_bytes(text)
    with pytest.raises(DataError, match=message):
        read_labels(tmp_path / "a.csv", "get it again")


def test_labels_may_be_the_names_of_the_classes(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,label\na,Tumour\nb,normal\nc,1\n")
    assert read_labels(path, "", ("normal", "Tumour")) == {"a": 1, "b": 0, "c": 1}
    with pytest.raises(DataError, match="labels are 0 or 1 or normal or tumour"):
        read_labels(path, "", ("normal", "tumour"))
    # classes called 1 and 0, of which 0 is positive: the texts are names, not labels
    path.write_text("id,label\na,0\nb,1\n")
    assert read_labels(path, "", ("1", "0")) == {"a": 1, "b": 0}


def test_slides_are_in_the_column_wsi_or_slide(tmp_path: Path) -> None:
    path = tmp_path / "slides.csv"
    for column in ("wsi", "slide"):
        path.write_text(f"id,{column}\na,s1\n")
        assert read_slides(path) == {"a": "s1"}
    path.write_text("id,patient\na,s1\n")
    with pytest.raises(DataError, match=r"id and wsi \(or slide\) are needed, found id, patient"):
        read_slides(path)
