import math
from pathlib import Path

import pytest

from pcam.errors import RunError
from pcam.runs.files import (
    match_paths,
    read_json,
    read_metrics,
    write_csv,
    write_file,
    write_json,
)


def test_a_file_appears_as_a_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "new" / "file.txt"
    write_file(path, "first")

    def fail(self: Path, content: bytes) -> int:
        raise OSError("the disk is full")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OSError, match="full"):
        write_file(path, "second")
    assert path.read_text() == "first"


def test_not_a_number_is_null_in_json(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    write_json(path, {"auroc": math.nan, "low": [math.nan, 1.5], "high": {"value": (0, math.nan)}})
    assert read_json(path) == {"auroc": None, "low": [None, 1.5], "high": {"value": [0, None]}}
    assert read_json(tmp_path / "missing.json") is None


@pytest.mark.parametrize(
    ("content", "message"), [("[1]", "it has no keys"), ('{"a": ', "is damaged"), ("", "damaged")]
)
def test_a_damaged_json_file_is_named(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    path.write_text(content)
    with pytest.raises(RunError, match=rf"summary\.json is damaged.*{message}|{message}"):
        read_json(path)


def test_metrics_read_back(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    assert read_metrics(path) == []
    write_csv(path, ("epoch", "valid/auroc"), [(0, 0.5), (1, 0.75)])
    assert path.read_bytes() == b"epoch,valid/auroc\n0,0.5\n1,0.75\n"
    assert read_metrics(path)[1] == {"epoch": "1", "valid/auroc": "0.75"}


def test_a_path_with_special_characters_is_itself_before_it_is_a_glob(tmp_path: Path) -> None:
    for name in ("run-1", "run-2", "run-[12]"):
        (tmp_path / name).mkdir()
    assert match_paths(f"{tmp_path}/run-[12]", "runs") == [tmp_path / "run-[12]"]
    assert match_paths(f"{tmp_path}/run-?", "runs") == [tmp_path / "run-1", tmp_path / "run-2"]
    with pytest.raises(RunError, match="runs: no file or folder matches nowhere"):
        match_paths("nowhere", "runs")


def test_a_folder_with_brackets_in_its_name_is_no_glob(tmp_path: Path) -> None:
    for name in ("x[1]", "x1"):
        (tmp_path / name / "run").mkdir(parents=True)
    assert match_paths(str(tmp_path / "x[1]"), "runs") == [tmp_path / "x[1]"]
    assert match_paths(str(tmp_path / "x[1]" / "*"), "runs") == [tmp_path / "x[1]" / "run"]
    assert match_paths(str(tmp_path / "x[12]" / "*"), "runs") == [tmp_path / "x1" / "run"]
