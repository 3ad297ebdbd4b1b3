import csv
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from pcam.runs.predictions import write_predictions, write_splits


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_probabilities_read_back_to_the_bit(tmp_path: Path) -> None:
    probability = np.array([1 / 3, 1e-17, 1.0])
    labels = np.array([0, 1, 1], np.uint8)
    write_predictions(tmp_path, "test", ["a", "b", "c"], labels, probability, ["s", "s", "t"])
    table = rows(tmp_path / "predictions" / "test.csv")
    assert [float(row["probability"]) for row in table] == probability.tolist()
    assert [row["label"] for row in table] == ["0", "1", "1"]
    assert list(table[0]) == ["id", "label", "probability", "slide"]


def test_the_positive_class_is_a_column(tmp_path: Path) -> None:
    write_predictions(tmp_path, "test", ["a", "b"], [0, 1], [0.1, 0.9], None, "tumour")
    table = rows(tmp_path / "predictions" / "test.csv")
    assert [row["positive"] for row in table] == ["tumour", "tumour"]


def test_unknown_columns_are_left_out(tmp_path: Path) -> None:
    write_predictions(tmp_path, "predict", ["a"], None, [0.5], None)
    assert rows(tmp_path / "predictions" / "predict.csv") == [{"id": "a", "probability": "0.5"}]


def test_splits_list_each_patch(tmp_path: Path) -> None:
    splits = {"train": SimpleNamespace(ids=["a", "b"]), "valid": SimpleNamespace(ids=["c"])}
    write_splits(tmp_path, splits)
    assert [tuple(row.values()) for row in rows(tmp_path / "splits.csv")] == [
        ("a", "train"),
        ("b", "train"),
        ("c", "valid"),
    ]
