import math
import os
from pathlib import Path

import pytest

from pcam.errors import RunError
from pcam.runs.files import (
    match_paths,
    read_json,
    read_metrics,
    replaced_file,
    write_csv,
    write_file,
    write_json,
)


def test_a_file_appears_as_a_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "new" / "file.txt"
    write_file(path, "first")

    def fail(descriptor: int) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="full"):
        write_file(path, "second")
    assert path.read_text() == "first"
    assert [one.name for one in path.parent.iterdir()] == ["file.txt"]


def test_a_file_is_on_the_disk_before_it_appears(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file.txt"
    calls: list[str] = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (calls.append("fsync"), fsync(fd))[1])
    monkeypatch.setattr(os, "replace", lambda a, b: (calls.append("replace"), replace(a, b))[1])
    write_file(path, "first")
    assert calls == ["fsync", "replace", "fsync"]  # the file, its name, the folder


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".a.txt.0123.part").write_text("half")
    (tmp_path / ".b.txt.0123.part").write_text("of another file")
    write_file(tmp_path / "a.txt", "whole")
    assert {path.name for path in tmp_path.iterdir()} == {"a.txt", ".b.txt.0123.part"}


def test_the_file_before_is_kept_at_any_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, keep = tmp_path / "last", tmp_path / "previous"
    write_file(path, "1")
    for links in (True, False):
        if not links:  # a file system without hard links
            monkeypatch.setattr(os, "link", raise_os_error)
        content = "2" if links else "3"
        with replaced_file(path, keep) as file:
            file.write(content.encode())
        assert path.read_text() == content
        assert keep.read_text() == str(int(content) - 1)


def raise_os_error(*_: object) -> None:
    raise OSError("not supported")


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    for name in ("summary.json", ".summary.json.part"):
        (tmp_path / name).symlink_to(victim)
    write_json(tmp_path / "summary.json", {"a": 1})
    assert victim.read_text() == "mine"
    assert not (tmp_path / "summary.json").is_symlink()


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
