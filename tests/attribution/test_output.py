"""What an attribution leaves in a folder."""

import csv
import json
import warnings
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from pcam.attribution import output
from pcam.attribution.output import write_attribution
from pcam.attribution.results import Attribution
from pcam.attribution.tables import format_attribution
from pcam.data.sources.synthetic.source import SyntheticSource
from tests.attribution.runs import explain
from tests.run import run_command


@dataclass(frozen=True)
class Written:
    """An attribution and the folder that it is written to."""

    folder: Path
    attribution: Attribution
    captum_warnings: list[str]

    @property
    def summary(self) -> dict[str, object]:
        return json.loads((self.folder / "summary.json").read_text())

    @property
    def rows(self) -> list[dict[str, str]]:
        with (self.folder / "faithfulness.csv").open(newline="") as file:
            return list(csv.DictReader(file))

    def row(self, measure: str, method: str) -> dict[str, str]:
        return next(
            row for row in self.rows if row["measure"] == measure and row["method"] == method
        )


@pytest.fixture(scope="module")
def written(trained_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Written:
    """The maps of two patches, measured on a few."""
    few = [
        "methods=[saliency,integrated_gradients,gradcam,deeplift]",
        "faithfulness.patches=3",
        "faithfulness.repeated=1",
        "faithfulness.resamples=100",
        "faithfulness.cell=16",
        "patches.pick=random",
    ]
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        attribution = explain(trained_run, *few)
    folder = tmp_path_factory.mktemp("attribution")
    write_attribution(folder, attribution)
    from_captum = [str(one.message) for one in warned if "captum" in one.filename]
    return Written(folder, attribution, from_captum)


def test_captum_s_warnings_are_not_shown(written: Written) -> None:
    assert written.captum_warnings == []


def test_maps_file(written: Written) -> None:
    source = SyntheticSource("test", 40)
    summary = written.summary
    with h5py.File(written.folder / "maps.h5") as file:
        ids = [name.decode() for name in file["id"][()]]
        assert ids == summary["patches"]
        places = np.array([list(source.ids).index(name) for name in ids])
        assert np.array_equal(file["patches"][()], source.read(places)[:, 16:80, 16:80])
        masks = source.masks(places)[:, 16:80, 16:80]
        assert np.array_equal(file["regions/tumour"][()], masks)
        assert file["label"][()].tolist() == source.labels[places].tolist()
        assert set(file["maps"]) == set(summary["methods"])
        assert file.attrs["network"] == "test_resnet"
        assert file.attrs["split"] == "test"
        assert file.attrs["precision"] == "32-true"


def test_maps_with_their_units_and_settings(written: Written) -> None:
    with h5py.File(written.folder / "maps.h5") as file:
        for name, maps in file["maps"].items():
            assert maps.shape == (2, 64, 64), name
            assert np.isfinite(maps[()]).all(), name
            assert maps.attrs["unit"]
            if "cam" in name:
                assert "baseline" not in maps.attrs
        attributes = file["maps/integrated_gradients"].attrs
        assert attributes["baseline"] == "white"
        assert attributes["completeness_gap"].shape == attributes["steps"].shape == (2,)
        assert file["maps/gradcam"].attrs["layer"] == written.summary["layer"]


def test_figures(written: Written) -> None:
    figures, ids = written.folder / "figures", written.summary["patches"]
    panels = sorted(path.stem for path in (figures / "panels").iterdir())
    assert panels == [f"{i:03}-{name}" for i, name in enumerate(ids, 1)]
    for name in ("sheet", "feature_maps", "faithfulness", f"panels/001-{ids[0]}"):
        assert min(Image.open(figures / f"{name}.png").size) > 200, name


def test_many_patches_are_several_sheets(
    written: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "MAPS_PER_SHEET", 1)
    output.write_sheets(tmp_path, written.attribution)
    sheets = sorted(path.name for path in tmp_path.iterdir())
    assert sheets == ["sheet-2.png", "sheet.png"]
    whole = Image.open(written.folder / "figures" / "sheet.png").size
    assert Image.open(tmp_path / "sheet-2.png").size[1] < whole[1]


def test_table_of_measures(written: Written) -> None:
    rows = written.rows
    assert {row["network"] for row in rows} == {"trained", "random weights", "none"}
    methods = {*written.summary["methods"], "centre_gaussian", "edges"}
    assert {row["method"] for row in rows} == methods
    expected = {"tumour_share", "centre_share", "deletion", "sensitivity"}
    assert expected <= {row["measure"] for row in rows}
    centre = next(row for row in rows if row["measure"] == "centre_share")
    assert float(centre["chance"]) == pytest.approx(32 * 32 / 64**2)  # of the crop
    deletion = written.row("deletion", "saliency")
    gaussian = written.row("deletion", "centre_gaussian")
    difference = float(deletion["value"]) - float(gaussian["value"])
    assert float(deletion["less_gaussian"]) == pytest.approx(difference)


def test_text(written: Written) -> None:
    verdicts = format_attribution(written.attribution)
    text = format_attribution(written.attribution, all_tables=True)
    assert text.startswith(verdicts)
    assert "| verdict " in verdicts
    assert "compared with chance" not in verdicts
    assert "Gaussian baseline" in text
    assert "compared with chance, by the interval of the difference:" in text
    assert "compared with a Gaussian over the centre, which needs no network:" in text


def test_the_command_writes_and_prints(
    trained_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = [
        f"run={trained_run}",
        "methods=[saliency]",
        "patches.pick=random",
        "patches.n=2",
        "faithfulness.patches=0",
        "feature_maps=null",
        "hydra.run.dir=out",
    ]
    run_command(monkeypatch, tmp_path, "attribute", *words)
    assert "log-odds of tumour; baseline white" in capsys.readouterr().out
    assert (tmp_path / "out" / "figures" / "sheet.png").is_file()
    assert not (tmp_path / "out" / "faithfulness.csv").exists()
    assert not (tmp_path / "out" / "figures" / "feature_maps.png").exists()
