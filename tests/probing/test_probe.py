"""python -m pcam.probe, as a user starts it."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from pcam.data.features import FeatureFile
from pcam.data.sources.synthetic.source import SyntheticSource
from pcam.runs.pages import data_uri
from pcam.stats.formatting import format_interval
from tests.conftest import TINY, Terminal
from tests.run import train

DATA = ["data=synthetic", "data.train=64", "data.valid=32", "data.test=40"]
QUICK = [*DATA, "data.batch_size=16", "resamples=100", "draws=3", "shots=[1,5]", "neighbours=5"]
RUN = Path(__file__).parents[1] / "fixtures" / "run-0.1.0"
RESNET = "resnet:{name:test_resnet,weights:none,input_size:32}"
EFFICIENTNET = "efficientnet:{name:test_efficientnet,weights:none,input_size:32}"


def read(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_two_backbones_side_by_side(terminal: Terminal, tmp_path: Path) -> None:
    words = [*QUICK, f"backbones={{{RESNET},{EFFICIENTNET}}}", "hydra.run.dir=out"]
    answer = terminal("probe", *words)
    assert answer.status == 0, answer.err
    rows = read(tmp_path / "out" / "probes.csv")
    probes = ["linear", "5 neighbours", "class means", "1 per class", "5 per class"]
    assert [row["probe"] for row in rows[::3]] == probes * 2
    assert {row["backbone"] for row in rows} == {"resnet", "efficientnet"}
    for row in rows:
        assert float(row["low"]) <= float(row["value"]) <= float(row["high"])
        assert (row["sd"] != "nan") == ("per class" in row["probe"])
    pairs = read(tmp_path / "out" / "differences.csv")
    assert [pair["probe"] for pair in pairs] == probes[:3]
    assert "| resnet       | linear" in answer.out
    assert "bootstrap over slides of test" in answer.out
    assert "slide: left out (fewer than two slides have 10 patches)" in answer.out
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["backbones"]["resnet"]["features"] == 96
    linear = summary["backbones"]["resnet"]["probes"]["linear"]["auroc"]["value"]
    assert linear == float(rows[0]["value"])
    # the files of features are there, and the second start computes none
    assert len(list(tmp_path.glob("features/*/features.h5"))) == 6
    again = terminal("probe", *words[:-1], "probes=[linear]", "hydra.run.dir=again")
    assert "64 x" not in again.out
    linear_rows = [row for row in rows if row["probe"] == "linear"]
    assert read(tmp_path / "again" / "probes.csv") == linear_rows


@pytest.mark.slow
def test_the_slide_probe_and_the_page(terminal: Terminal, tmp_path: Path) -> None:
    figures = tmp_path / "out" / "figures"
    figures.mkdir(parents=True)
    (figures / "features-3-earlier.png").touch()
    (figures / "mine.png").touch()
    (tmp_path / "out" / "probes.csv").touch()  # earlier probes
    slides = ["data.test=60", "data.slides=3", "probes=[mean,slide]"]
    backbones = f"backbones={{{RESNET},{EFFICIENTNET}}}"
    answer = terminal("probe", *QUICK, *slides, backbones, "hydra.run.dir=out")
    assert answer.status == 0, answer.err
    assert str(Path("out", "index.html")) in answer.out
    rows = [row for row in read(tmp_path / "out" / "probes.csv") if row["probe"] == "slide"]
    assert [row["backbone"] for row in rows] == ["resnet", "efficientnet"]
    for row in rows:
        assert (row["metric"], row["detail"]) == ("balanced_accuracy", "chance 0.3333, 3 slides")
        assert float(row["low"]) < float(row["value"]) < float(row["high"])
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["slides"] == {"slides": 3, "patches": 60, "chance": 1 / 3, "folds": 5}
    assert 0 < sum(summary["backbones"]["resnet"]["component_variance"]) <= 1
    drawn = ["features-1-resnet.png", "features-2-efficientnet.png"]
    assert sorted(path.name for path in figures.iterdir()) == [*drawn, "mine.png"]
    html = (tmp_path / "out" / "index.html").read_text()
    markdown = (tmp_path / "out" / "report.md").read_text()
    for name in drawn:
        content = (figures / name).read_bytes()
        assert data_uri(content, "png") in html
        assert f"(figures/{name})" in markdown
    for title in ("Probes of features", "Differences between backbones", "Features"):
        assert title in html
        assert title in markdown
    interval = {name: float(rows[0][name]) for name in ("value", "low", "high")}
    for text in (format_interval(interval), "chance 0.3333, 3 slides", "class means"):
        assert f">{text}</td>" in html
        assert f" {text} " in markdown


def test_figures_are_those_of_the_kept_features(terminal: Terminal, tmp_path: Path) -> None:
    words = [*QUICK, "probes=[mean]", "model=timm", *TINY[1:]]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "differences.csv").write_text("of a report")
    assert terminal("probe", *words, "hydra.run.dir=out").status == 0
    assert (tmp_path / "out" / "differences.csv").read_text() == "of a report"
    files = [FeatureFile(path) for path in tmp_path.glob("features/*/features.h5")]
    train, test = (
        next(file.read_all() for file in files if len(file) == size) for size in (64, 40)
    )
    label = SyntheticSource("train", 64).labels
    centred = [part - train.mean(0) for part in (train, test)]
    train, test = (part / np.linalg.norm(part, axis=1, keepdims=True) for part in centred)
    means = [train[label == value].mean(0) for value in (0, 1)]
    distances = [((test - mean) ** 2).sum(1) for mean in means]
    expected = roc_auc_score(SyntheticSource("test", 40).labels, distances[0] - distances[1])
    (row, *_) = read(tmp_path / "out" / "probes.csv")
    assert float(row["value"]) == pytest.approx(expected, abs=1e-3)


@pytest.mark.slow
def test_a_run_is_probed_on_its_own_data(terminal: Terminal, tmp_path: Path) -> None:
    words = [*TINY, *DATA, "data.batch_size=16", "trainer.max_epochs=1", "trainer.progress=false"]
    features = f"features.cache={tmp_path / 'features'}"
    frozen = ["aug=none", "finetune=frozen", "features.use=true", features]
    train(tmp_path / "run", *words, *frozen)
    answer = terminal("probe", "runs=[run]", "probes=[mean]", features, "hydra.run.dir=out")
    assert answer.status == 0, answer.err
    assert "test_resnet (run)" in answer.out
    assert len(list(tmp_path.glob("features/*/features.h5"))) == 3  # those of the training


@pytest.mark.slow
def test_runs_of_one_folder_name_are_told_apart_by_their_paths(
    terminal: Terminal, tmp_path: Path
) -> None:
    for folder in ("first/0", "second/0", "second/1"):
        shutil.copytree(RUN, tmp_path / folder)
    words = ["probes=[mean]", "resamples=100", "hydra.run.dir=out"]
    answer = terminal("probe", "runs=[first/0,'second/*']", *words)
    assert answer.status == 0, answer.err
    names = {row["backbone"].rpartition(" ")[2] for row in read(tmp_path / "out" / "probes.csv")}
    assert names == {"(first/0)", "(second/0)", "(1)"}
    assert (tmp_path / "out" / "differences.csv").exists()
    # one backbone has no differences, so those of before go
    assert terminal("probe", "runs=[first/0]", *words).status == 0
    assert not (tmp_path / "out" / "differences.csv").exists()


def test_a_run_that_is_named_twice_is_refused(terminal: Terminal, tmp_path: Path) -> None:
    shutil.copytree(RUN, tmp_path / "runs" / "0")
    (fault,) = terminal("probe", "runs=[runs/0,'runs/*']").faults
    assert fault == f"runs: {tmp_path / 'runs' / '0'} is named more than once"


def test_a_name_of_two_backbones_is_refused(terminal: Terminal) -> None:
    model = ["model=timm", *TINY[1:-1]]
    other = "backbones={test_resnet:{name:test_efficientnet,weights:none}}"
    (fault,) = terminal("probe", *QUICK, *model, other).faults
    assert fault == "two backbones are called test_resnet"


@pytest.mark.slow
def test_settings_of_the_head_are_said_to_have_no_effect(
    terminal: Terminal, tmp_path: Path
) -> None:
    words = [*QUICK, "probes=[mean]", "model=timm", *TINY[1:]]
    plain = terminal("probe", *words, "hydra.run.dir=plain")
    assert "no effect" not in plain.out + plain.err
    settings = ["model.head.hidden=8", "model.head.dropout=0.5", "model.head.batch_norm=true"]
    answer = terminal("probe", *words, *settings, "hydra.run.dir=head")
    lines = [line for line in (answer.out + answer.err).splitlines() if "no effect" in line]
    assert len(lines) == 1
    typed = "model.head.hidden=8 model.head.dropout=0.5 model.head.batch_norm=True has no effect"
    assert typed in lines[0]
    rows = [read(tmp_path / name / "probes.csv") for name in ("plain", "head")]
    assert rows[0] == rows[1]


@pytest.mark.parametrize(
    ("words", "faults"),
    [
        ([], ["give data=NAME, or runs=[FOLDER, ...], whose data is used"]),
        (["data=synthetic"], ["give runs=[FOLDER, ...], model=NAME, or backbones="]),
        (
            [*DATA, "probes=[lineal,knn]", "shots=[5,5]", "backbones={a:{name:test_resnet,x:1}}"],
            [
                "probes.0=lineal must be",
                "shots: 5 is named more than once",
                "unknown key backbones.a.x",
            ],
        ),
        ([*DATA, "backbones={a:{name:test_resnett}}"], ["model.name=test_resnett is not a"]),
        (
            [*DATA, f"backbones={{{RESNET}}}", "shots=[100]", "neighbours=65"],
            ["shots=100 must be at most", "neighbours=65 must be at most 64"],
        ),
        (["runs=[nowhere]"], ["runs: no file or folder matches nowhere"]),
    ],
)
def test_faults_are_told_together(terminal: Terminal, words: list[str], faults: list[str]) -> None:
    found = terminal("probe", *words).faults
    assert len(found) == len(faults), found
    for line, fault in zip(sorted(found), sorted(faults), strict=True):
        assert fault in line
