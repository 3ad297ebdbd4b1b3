"""Folders and files of somebody who means harm: nothing is executed, or reached outside of them."""

import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from pcam.api.run import load_run
from pcam.cli.console import show
from pcam.data.sources.folder import FolderSource
from pcam.data.sources.kaggle_files import COMPETITION, _unpack
from pcam.data.storage.csv import read_slides
from pcam.errors import AccessError, DataError, PcamError, RunError, WeightsError
from pcam.models.weights import read_weights
from pcam.reporting.html import render_html
from pcam.reporting.markdown import render_markdown
from pcam.reporting.output import quote_formula
from pcam.reporting.page import Code, Picture, Section, Table, Text
from pcam.runs.files import read_json, write_file
from pcam.runs.folder import read_config
from pcam.runs.lock import lock_results
from pcam.sweeps.jobs import find_jobs
from pcam.sweeps.state import read_sweep, resume_command
from tests.run import composed, summary_with

ESCAPE = "\x1b]0;owned\x07\x1b[31m"
HOSTILE = f"<script>alert(1)</script>{ESCAPE}\nerror: none\u202e"


# Pickles ------------------------------------------------------------------------------------------


class Reduced:
    """Calls a function when it is read."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.marker),)


class Stateful:
    """Sets its state when it is read."""

    def __init__(self, marker: Path) -> None:
        self.marker = str(marker)

    def __setstate__(self, state: dict[str, str]) -> None:
        os.mkdir(state["marker"])


def _mkdir(marker: Path) -> bytes:
    return str(marker).encode()


PICKLES: dict[str, Callable[[Path], bytes]] = {
    "reduce": lambda marker: pickle.dumps(Reduced(marker), 2),
    "state": lambda marker: pickle.dumps(Stateful(marker), 2),
    "global": lambda marker: b"cposix\nmkdir\n(S'" + _mkdir(marker) + b"'\ntR.",
    "inst": lambda marker: b"(S'" + _mkdir(marker) + b"'\niposix\nmkdir\n.",
    "obj": lambda marker: b"(cposix\nmkdir\nS'" + _mkdir(marker) + b"'\no.",
    "eval": lambda marker: (
        b'cbuiltins\neval\n(S\'__import__("os").mkdir("' + _mkdir(marker) + b"\")'\ntR."
    ),
}


def write_hostile(path: Path, content: bytes, zipped: bool) -> None:
    """Write a pickle as a file of torch's: a zip, or as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not zipped:
        path.write_bytes(content)
        return
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/version", "3\n")
        archive.writestr("archive/byteorder", "little")


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("kind", PICKLES)
def test_no_pickle_runs(kind: str, zipped: bool, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    content = PICKLES[kind](marker)
    write_hostile(tmp_path / "weights.pth", content, zipped)
    with pytest.raises(WeightsError, match=r"cannot be read safely"):
        read_weights(tmp_path / "weights.pth")
    write_run(tmp_path / "run")
    write_hostile(tmp_path / "run/checkpoints/best.ckpt", content, zipped)
    with pytest.raises(RunError, match=r"cannot be read safely"):
        load_run(tmp_path / "run")
    assert not marker.exists()


def test_a_tensor_file_that_was_changed_is_refused_by_its_checksum(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"weight": torch.zeros(4000)}, path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="checksum"):
        read_weights(path)


# Configs ------------------------------------------------------------------------------------------


def write_run(folder: Path, **changes: object) -> Path:
    """Write a run folder without a checkpoint."""
    values = composed().model_dump(mode="json") | changes
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(values))
    (folder / "summary.json").write_text(json.dumps(summary_with(0.9)))
    return folder


YAMLS = {
    "an object": "further: !!python/object/apply:os.mkdir [MARKER]\n",
    "a module": "further: !!python/module:antigravity\n",
    "a name": "further: !!python/name:os.mkdir\n",
    "a tag": "further: !owned 1\n",
    "an alias": "further: &a [1]\nmore: *a\n",
    "laughs": "a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
    "a target": "loss: {_target_: os.mkdir, path: MARKER}\n",
}


@pytest.mark.parametrize("kind", YAMLS)
def test_no_yaml_runs(kind: str, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    marker = tmp_path / "ran"
    with (run / "config.yaml").open("a") as file:
        file.write(YAMLS[kind].replace("MARKER", str(marker)))
    with pytest.raises(RunError) as caught:
        read_config(run)
    assert len(str(caught.value).splitlines()) == 1
    assert not marker.exists()


def test_interpolations_of_a_run_folder_are_text(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", scale="${oc.env:HOME}")
    assert read_config(run).scale == "${oc.env:HOME}"
    write_run(tmp_path / "other", seed="${oc.env:HOME}")
    with pytest.raises(RunError, match=r"seed=\$\{oc.env:HOME\} must be an integer"):
        read_config(tmp_path / "other")


def test_a_sweeps_command_line_is_quoted_for_the_shell(tmp_path: Path) -> None:
    record = {"command": "train", "words": ["seed=0; touch ran", "a=$(touch ran)"], "jobs": None}
    (tmp_path / "sweep.json").write_text(json.dumps(record))
    line = resume_command(tmp_path, read_sweep(tmp_path))
    assert "'seed=0; touch ran' 'a=$(touch ran)'" in line
    record["command"] = "train; touch ran"
    (tmp_path / "sweep.json").write_text(json.dumps(record))
    with pytest.raises(RunError, match=r"damaged: missing or wrong: command"):
        read_sweep(tmp_path)


DAMAGED_JSON = {
    "too deep": "[" * 100_000,
    "a key twice": '{"words": [], "words": ["a"]}',
    "infinite": '{"words": [], "started": 1e999}',
    "no number": '{"words": [], "started": NaN}',
}


@pytest.mark.parametrize("kind", DAMAGED_JSON)
def test_json_beyond_its_limits_is_one_line(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "sweep.json"
    path.write_text(DAMAGED_JSON[kind])
    with pytest.raises(RunError, match="is damaged") as caught:
        read_json(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [5, True, -0.1, "0.9"])
def test_a_figure_out_of_its_range_is_no_figure(value: object, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    summary = summary_with(0.9)
    summary["valid"]["auroc"]["value"] = value
    (run / "summary.json").write_text(json.dumps(summary))
    job = find_jobs(str(run))[0]
    assert job.state == "damaged"
    assert "valid.auroc.value" in job.reason


# Links --------------------------------------------------------------------------------------------

WRITTEN = (
    *("config.yaml", "summary.json", "metrics.csv", "splits.csv", "report.html", "failure.json"),
    *("predictions/test.csv", "checkpoints/last.ckpt", "figures/curves.png", "checkpoints"),
    *(".config.yaml.0123456789abcdef.part", ".lock", "figures", "predictions"),
)


@pytest.mark.parametrize("name", WRITTEN)
def test_nothing_is_written_through_a_link(name: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "bashrc").write_text("mine")
    link = tmp_path / "results" / name
    link.parent.mkdir(parents=True)
    link.symlink_to(outside if "." not in name else outside / "bashrc")
    with pytest.raises(RunError), lock_results(tmp_path / "results"):
        pass
    assert (outside / "bashrc").read_text() == "mine"
    assert [path.name for path in outside.iterdir()] == ["bashrc"]


def test_a_file_replaces_a_link_and_leaves_its_target(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "file").symlink_to(tmp_path / "mine")
    write_file(tmp_path / "file", "new")
    assert (tmp_path / "mine").read_text() == "mine"
    assert not (tmp_path / "file").is_symlink()


@pytest.mark.parametrize("name", ["config.yaml", "summary.json", "metrics.csv", "failure.json"])
def test_nothing_is_read_through_a_link_of_a_run_folder(name: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("root:x:0:0\n")
    run = write_run(tmp_path / "run")
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to(secret)
    job = find_jobs(str(run))[0]
    assert job.state == "unreadable"
    assert "is a link" in job.reason
    assert "root:x" not in job.reason


@pytest.mark.parametrize("kind", ["external link", "external values", "virtual"])
def test_hdf5_reads_no_other_file(kind: str, tmp_path: Path) -> None:
    from pcam.data.storage.hdf5 import open_dataset

    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["x"] = np.zeros((2, 4, 4, 3), np.uint8)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        if kind == "external link":
            file["x"] = h5py.ExternalLink("secret.h5", "x")
        elif kind == "external values":
            external = [("/etc/passwd", 0, 96)]
            file.create_dataset("x", (2, 4, 4, 3), np.uint8, external=external)
        else:
            layout = h5py.VirtualLayout((2, 4, 4, 3), np.uint8)
            layout[...] = h5py.VirtualSource("secret.h5", "x", (2, 4, 4, 3))
            file.create_virtual_dataset("x", layout)
    with pytest.raises(DataError, match="other file|another file"):
        open_dataset(tmp_path / "x.h5", "x", "get it again")


def test_pipes_and_devices_are_no_csv(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "zero.json").symlink_to("/dev/zero")
    for name in ("pipe.json", "zero.json"):
        with pytest.raises(AccessError, match="not a regular file"):
            read_json(tmp_path / name)


def test_an_archive_is_unpacked_into_its_folder_alone(tmp_path: Path) -> None:
    root = tmp_path / "a" / "root"
    root.mkdir(parents=True)
    archive = root / f"{COMPETITION}.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("../../slipped", "1")
        file.writestr(f"{tmp_path}/absolute", "1")
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        file.writestr(link, "/etc/passwd")
        file.writestr("train_labels.csv", "id,label\n")
    _unpack(root, archive)
    outside = [path for path in tmp_path.rglob("*") if root not in path.parents and path != root]
    assert outside == [tmp_path / "a"]
    assert not any(path.is_symlink() for path in root.rglob("*"))


# Text ---------------------------------------------------------------------------------------------


def test_names_cannot_steer_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("normal", "tumour\x1b[2J\nerror: none"):
        (tmp_path / "train" / name).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "train" / name / "a.png")
    (tmp_path / "train" / "normal" / "b.png").write_text("no picture")
    with pytest.raises(PcamError) as caught:
        FolderSource("train", str(tmp_path))
    show(str(caught.value), f"class {ESCAPE}")
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert len(shown.splitlines()) == 2


def test_cells_cannot_break_a_message(tmp_path: Path) -> None:
    (tmp_path / "slides.csv").write_text('id,wsi\n"a\x1b[2J\nb",one\n"a\x1b[2J\nb",two\n')
    with pytest.raises(DataError) as caught:
        read_slides(tmp_path / "slides.csv")
    assert r"id a\x1b[2J\nb is listed with two slides" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_report_shows_names_as_text() -> None:
    fence = "```\n# owned"
    image = "![x](http://host/y) `code`"
    parts = [
        Text(HOSTILE),
        Table([HOSTILE], [[image]]),
        Code([fence]),
        Picture("a.png", b"", "c](x) ![d](y)"),
    ]
    markdown = render_markdown(HOSTILE, [], [Section(HOSTILE, parts)])
    html = render_html(HOSTILE, [], [Section(HOSTILE, parts[:3])])
    for page in (markdown, html):
        assert "\x1b" not in page
        assert "\u202e" not in page
        assert "<script" not in page
    assert "\nerror: none" not in markdown
    assert "![x](" not in markdown
    assert "````sh" in markdown
    assert "\n# owned" not in markdown


@pytest.mark.parametrize("cell", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1"])
def test_formulas_are_quoted_for_spreadsheets(cell: str) -> None:
    assert quote_formula(cell) == f"'{cell}"


@pytest.mark.parametrize(
    "cell", ["-0.5", "+0.0112 [-0.0031, +0.0255]", "0.9", -0.5, None, "-1e-05", "resnet50", "-"]
)
def test_numbers_are_not_quoted(cell: object) -> None:
    assert quote_formula(cell) == cell


def test_a_copied_run_is_read_as_before(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    shutil.copytree(run, tmp_path / "copy")
    (tmp_path / "linked").symlink_to(tmp_path / "copy")  # a link of one's own to a whole run
    assert find_jobs(str(tmp_path / "linked"))[0].state == "finished"
