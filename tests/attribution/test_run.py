"""Maps of a run: what lies in the folder, what is said of it, and what is refused."""

import csv
import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from pcam.data.sources.synthetic.source import SyntheticSource
from tests.conftest import SMALL, TINY
from tests.run import run_command, train

QUICK = ["samples=4", "steps=8", "max_steps=64", "window=16", "stride=16", "patches.n=2"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    train(folder, *TINY, *SMALL, "trainer.max_epochs=2", "crop=center", "crop.size=64")
    return folder


def test_what_lies_in_the_folder(
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    recwarn: pytest.WarningsRecorder,
) -> None:
    few = [
        "faithfulness.patches=6",
        "faithfulness.repeated=2",
        "faithfulness.resamples=100",
        "faithfulness.cell=16",
    ]
    run_command(
        monkeypatch,
        tmp_path,
        "attribute",
        f"run={run}",
        *QUICK,
        *few,
        "hydra.run.dir=out",
        "patches.pick=random",
    )
    said, out = capsys.readouterr().out, tmp_path / "out"
    assert not [warning.message for warning in recwarn if "captum" in warning.filename]
    summary = json.loads((out / "summary.json").read_text())
    source = SyntheticSource("test", 40)
    with h5py.File(out / "maps.h5") as file:
        ids = [name.decode() for name in file["id"][()]]
        assert ids == summary["patches"]
        place = [list(source.ids).index(name) for name in ids]
        assert np.array_equal(file["patches"][()], source.read(np.array(place))[:, 16:80, 16:80])
        assert np.array_equal(
            file["regions/tumour"][()], source.masks(np.array(place))[:, 16:80, 16:80]
        )
        assert file["label"][()].tolist() == source.labels[place].tolist()
        assert set(file["maps"]) == set(summary["methods"])
        for name, maps in file["maps"].items():
            assert maps.shape == (2, 64, 64), name
            assert np.isfinite(maps[()]).all(), name
            assert maps.attrs["unit"]
        assert file.attrs["network"] == "test_resnet"
        assert file.attrs["split"] == "test"
        assert file.attrs["precision"] == "32-true"
        assert {
            "baseline" in maps.attrs for name, maps in file["maps"].items() if "cam" in name
        } == {False}
        held = file["maps/integrated_gradients"].attrs
        assert held["baseline"] == "white"
        assert held["completeness_gap"].shape == held["steps"].shape == (2,)
        assert file["maps/gradcam"].attrs["layer"] == summary["layer"]
    panels = sorted(path.stem for path in (out / "figures" / "panels").iterdir())
    assert panels == [f"{i:03}-{name}" for i, name in enumerate(ids, 1)]
    for name in ("sheet", "feature_maps", "faithfulness", f"panels/001-{ids[0]}"):
        assert min(Image.open(out / "figures" / f"{name}.png").size) > 200, name
    with (out / "faithfulness.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["network"] for row in rows} == {"trained", "random weights", "none"}
    assert {row["method"] for row in rows} == {*summary["methods"], "centre_gaussian", "edges"}
    assert {"tumour_share", "centre_share", "deletion", "sensitivity"} <= {
        row["measure"] for row in rows
    }
    centre = next(row for row in rows if row["measure"] == "centre_share")
    assert float(centre["chance"]) == pytest.approx(32 * 32 / 64**2)  # of the crop
    assert "bell over the centre" in said
    assert "against chance, by the interval of the difference:" in said
    assert "against a bell over the centre" in said
    deletion = next(
        row for row in rows if row["measure"] == "deletion" and row["method"] == "saliency"
    )
    bell = next(
        row for row in rows if row["measure"] == "deletion" and row["method"] == "centre_gaussian"
    )
    assert float(deletion["less_bell"]) == pytest.approx(
        float(deletion["value"]) - float(bell["value"])
    )


def test_twice_the_same_and_another_batch_size(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [
        f"run={run}",
        *QUICK,
        "faithfulness.patches=0",
        "feature_maps=null",
        "patches.pick=certain",
    ]
    for out, batch in (("a", 32), ("b", 3)):
        run_command(
            monkeypatch,
            tmp_path,
            "attribute",
            *words,
            f"data.batch_size={batch}",
            f"hydra.run.dir={out}",
        )
    with (
        h5py.File(tmp_path / "a" / "maps.h5") as one,
        h5py.File(tmp_path / "b" / "maps.h5") as other,
    ):
        for name, maps in one["maps"].items():
            scale = np.abs(maps[()]).max()
            np.testing.assert_allclose(
                maps[()], other[f"maps/{name}"][()], atol=1e-4 * scale, err_msg=name
            )
    assert not (tmp_path / "a" / "figures" / "feature_maps.png").exists()
    assert not (tmp_path / "a" / "faithfulness.csv").exists()


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("methods=[gradcan]", "gradcam"),
        ("methods=[]", "at least one"),
        ("layer=stages.00", "stages.0"),
        ("feature_maps=stem.conv9", "stem.conv"),
        ("patches.pick=outcome", "outcomes"),
        ("patches.ids=[test-000099]", "none of this split's 40 patches"),
        ("baseline=grey", "baseline=grey is not known"),
        ("precision=16-mixed", "bf16-mixed"),
        ("steps=0", "steps=0"),
        ("patches.n=none", "patches.n=none"),
        ("faithfulness.cell=0", "faithfulness.cell=0"),
        ("data.batch_size=0", "data.batch_size=0"),
        ("patches.ids=[]", "patches.ids is empty"),
        ("faithfulness.cell=33", "half a patch"),
        ("window=40", "window=40 is more than half a patch"),
        ("layer=null", "layer=null"),
        ("methods=[saliency,gradcam,saliency]", "methods: saliency more than once"),
        ("patches.ids=[[test-000001]]", "none of this split's 40 patches"),
        ("patches.ids=[test-000001,test-000001]", "patches.ids: test-000001 more than once"),
    ],
)
def test_bad_input_is_one_line(
    word: str,
    said: str,
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as caught:
        run_command(
            monkeypatch,
            tmp_path,
            "attribute",
            f"run={run}",
            *QUICK,
            "faithfulness.patches=0",
            word,
            "hydra.run.dir=out",
        )
    assert caught.value.code == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ")
    assert said in error
    assert not (tmp_path / "out" / "summary.json").exists()


def test_many_patches_are_several_sheets(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [
        "methods=[saliency]",
        "patches.pick=random",
        "patches.n=30",
        "faithfulness.patches=0",
        "feature_maps=null",
    ]
    run_command(monkeypatch, tmp_path, "attribute", f"run={run}", *words, "hydra.run.dir=out")
    first, second = (
        Image.open(tmp_path / "out" / "figures" / name).size
        for name in ("sheet.png", "sheet-2.png")
    )
    assert second[1] < first[1] / 2  # 24 rows, and 6


def test_where_no_method_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "model=timm",
        "model.name=test_efficientnet",
        "model.weights=none",
        "model.input_size=32",
    ]
    train(tmp_path / "run", *words, *SMALL, "trainer.max_epochs=1")
    with pytest.raises(SystemExit):
        run_command(
            monkeypatch,
            tmp_path,
            "attribute",
            "run=run",
            "methods=[guided_backprop]",
            "hydra.run.dir=out",
        )
    told = capsys.readouterr()
    assert "guided_backprop is left out: its rule is for ReLU alone" in told.out
    assert "none of guided_backprop holds for test_efficientnet" in told.err


def test_a_transformer_has_no_map_for_gradcam(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["model=timm", "model.name=test_vit", "model.weights=none", "model.input_size=160"]
    train(tmp_path / "run", *words, *SMALL, "trainer.max_epochs=1", "data.limit=16")
    few = [
        "methods=[saliency,gradcam,hirescam]",
        "patches.pick=random",
        "patches.n=2",
        "faithfulness.patches=2",
    ]
    run_command(
        monkeypatch,
        tmp_path,
        "attribute",
        "run=run",
        *few,
        "faithfulness.repeated=0",
        "hydra.run.dir=out",
    )
    said = capsys.readouterr().out
    for method in ("gradcam", "hirescam"):
        assert (
            f"{method} is left out: the network has no convolution after which its map ends" in said
        )
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["methods"] == ["saliency"]
    assert summary["layer"] is None
    with pytest.raises(SystemExit):
        run_command(
            monkeypatch, tmp_path, "attribute", "run=run", *few, "layer=last", "hydra.run.dir=named"
        )
    assert "patch_embed.proj alone is a convolution" in capsys.readouterr().err
