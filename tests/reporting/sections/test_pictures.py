"""Pictures of trainings and of other commands."""

import json
from pathlib import Path

import pytest

from pcam.errors import RunError
from pcam.runs.figures import canvas, png
from tests.reporting.fakes import copy_sweep, make_report


def write_picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(canvas(1, 1, 50)))


def test_the_last_maps_of_each_training_are_shown(sweep: Path, tmp_path: Path) -> None:
    run = copy_sweep(sweep / "0", tmp_path / "run")
    for epoch in (1, 2):
        write_picture(run / "figures" / "attribution" / f"epoch-{epoch:03d}.png")
    text = make_report(tmp_path / "out", run)
    assert "## Maps at the end of training" in text
    assert "epoch-002*" in text
    assert "epoch-001" not in text
    assert (tmp_path / "out" / "figures" / "maps-0.png").is_file()


def test_pictures_of_other_commands_are_shown(sweep: Path, tmp_path: Path) -> None:
    write_picture(tmp_path / "attribute" / "figures" / "patch_maps.png")
    (tmp_path / "attribute" / "summary.json").write_text(json.dumps({"run": "/runs/mine"}))
    write_picture(tmp_path / "bias" / "1-run" / "figures" / "views.png")
    text = make_report(tmp_path / "out", sweep / "0", also=[str(tmp_path / "*i*")])
    assert "## From other commands" in text
    assert "attribute: of mine" in text
    assert "![patch maps](figures/also-1-patch_maps.png)" in text
    assert "![views](figures/also-3-views.png)" in text


def test_a_folder_without_figures_is_an_error(sweep: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="has no figures"):
        make_report(tmp_path / "out", sweep / "0", also=[str(sweep)])


def test_what_is_no_picture_of_the_folder_is_left_out(sweep: Path, tmp_path: Path) -> None:
    """A folder may be somebody else's, and a report be handed on."""
    secret = tmp_path / "secret.png"
    write_picture(secret)
    run = copy_sweep(sweep / "0", tmp_path / "run")
    maps, figures = run / "figures" / "attribution", tmp_path / "other" / "figures"
    maps.mkdir(parents=True)
    figures.mkdir(parents=True)
    (maps / "epoch-003.png").symlink_to("/etc/passwd")
    (figures / "a.png").symlink_to(secret)
    (figures / "b.png").write_text("root:x:0:0")
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "figures").symlink_to(tmp_path / "pictures")
    write_picture(tmp_path / "pictures" / "c.png")
    also = [str(tmp_path / "other"), str(tmp_path / "linked")]
    text = make_report(tmp_path / "out", run, also=also)
    for name in ("attribution/epoch-003", "a", "b", "c"):
        assert f"figures/{name}.png is left out: it is not a PNG of this folder" in text
    written = {path.name for path in (tmp_path / "out" / "figures").iterdir()}
    assert not [name for name in written if name.startswith(("maps", "also"))]
