"""The report: what a person finds on the page, of sweeps whole and broken."""

import csv
import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from pcam.report.__main__ import main
from tests.run import door

JOB = ["scale=smoke", "data.train=64", "data.valid=48", "data.test=60", "trainer.max_epochs=1", "trainer.progress=false"]


def report(monkeypatch: pytest.MonkeyPatch, folder: Path, *words: str) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["pcam.report", *words])
    main()


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


class Page(HTMLParser):
    """What a browser would ask for, and what opens and closes."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two networks with and without augmentation over two seeds."""
    folder = tmp_path_factory.mktemp("sweep")
    with pytest.MonkeyPatch.context() as patch:
        words = [*JOB, "recipe=resnet50,efficientnet_b0", "aug=dihedral,none", "seed=0,1", "hydra.sweep.dir=multirun/s"]
        door(patch, folder, "train", "-m", *words)
    return folder / "multirun" / "s"


def test_the_page_needs_nothing_but_itself(
    sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report(monkeypatch, tmp_path, f"runs={sweep}", "resamples=100", "hydra.run.dir=out")
    out = tmp_path / "out"
    text = (out / "report.html").read_text()
    page = Page()
    page.feed(text)
    assert page.open == []
    pictures = [address for address in page.addresses if not address.startswith("#")]
    assert pictures
    assert all(address.startswith("data:image/png;base64,") for address in pictures)
    assert {address[1:] for address in page.addresses if address.startswith("#")} == set(re.findall(r'<h2 id="([^"]+)"', text))
    assert "http" not in text
    assert "<script" not in text
    assert "scale=smoke" in text
    assert "Made patches: these figures say nothing of tissue." in text
    said = capsys.readouterr().out
    assert said.strip().endswith("report.html")
    markdown = (out / "report.md").read_text()
    for name in re.findall(r"\(figures/([^)]+)\)", markdown):
        assert (out / "figures" / name).is_file()


def test_tables_by_hand(sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report(monkeypatch, tmp_path, f"runs={sweep}", "resamples=200", "hydra.run.dir=out")
    jobs = rows(tmp_path / "out" / "jobs.csv")
    assert [job[""] for job in jobs][:3] == [
        "recipe=resnet50 aug=dihedral seed=0", "recipe=resnet50 aug=dihedral seed=1", "recipe=resnet50 aug=none seed=0",
    ]  # fmt: skip
    auroc = []
    for number, job in enumerate(jobs):
        written = json.loads((sweep / str(number) / "summary.json").read_text())["test"]["auroc"]
        assert job["AUROC"] == f"{written['value']:.3f} [{written['low']:.3f}, {written['high']:.3f}]"
        scored = rows(sweep / str(number) / "predictions" / "test.csv")
        label, score = ([float(row[key]) for row in scored] for key in ("label", "probability"))
        auroc.append(roc_auc_score(label, score))
        assert written["value"] == pytest.approx(auroc[-1])
    first = rows(tmp_path / "out" / "table2.csv")[0]
    assert first["network"] == "ResNet-50 (smoke: test_resnet)"
    on, off = np.array(auroc[0:2]), np.array(auroc[2:4])
    assert first["with augmentation"] == f"{on.mean():.3f} ± {on.std(ddof=1):.3f} (2 runs)"
    text = (tmp_path / "out" / "report.md").read_text()
    (line,) = [one for one in text.splitlines() if one.startswith("| ResNet-50 (smoke: test_resnet)") and "(2 runs)" in one]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[3].startswith(f"{(on - off).mean():+.4f} [")
    assert cells[5].startswith(f"{(on - off).mean():+.4f} [")  # over seeds: the same mean, another interval
    assert cells[3] != cells[5]
    assert cells[7:] == ["0.8977", "0.836", "+0.0617"]
    votes = {row[""]: row for row in rows(tmp_path / "out" / "table3.csv")}
    assert votes["ResNet-50 (smoke: test_resnet)"]["run"] == "recipe=resnet50 aug=dihedral seed=0"
    assert votes["majority vote of hard labels"]["the study"] == "0.89"
    assert "contradicts itself" in text


def test_what_failed_and_what_is_missing_is_named_with_what_to_type(
    sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    broken = tmp_path / "multirun" / "broken"
    shutil.copytree(sweep, broken)
    (broken / "1" / "failure.json").write_text(json.dumps({"error": "the disk <is> full", "expected": True, "words": []}))
    (broken / "1" / "summary.json").unlink()
    (broken / "2" / "summary.json").unlink()
    shutil.rmtree(broken / "3")
    report(monkeypatch, tmp_path, f"runs={broken}", "resamples=100", "hydra.run.dir=out")
    told = {row[""]: row for row in rows(tmp_path / "out" / "unfinished.csv")}
    assert [row["state"] for row in told.values()] == ["failed", "cut short", "missing"]
    assert told["recipe=resnet50 aug=dihedral seed=1"]["why"] == "the disk <is> full"
    page = (tmp_path / "out" / "report.html").read_text()
    assert "the disk &lt;is&gt; full" in page
    assert "8 jobs: 5 ended, 1 failed, 1 cut short, 1 missing" in page
    assert f"hydra.sweep.dir={broken}" in page


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["runs=nowhere"], "nothing is called nowhere"),
        (["runs=."], "neither a sweep nor a run"),
        (["runs=[]"], "must be given"),
        (["runs={sweep}", "split=train"], "split=train; it is valid or test"),
        (["runs={sweep}", "also=[nowhere]"], "nothing is called nowhere"),
        (["runs={sweep}", "resamples=5"], "at least 100"),
    ],
)
def test_bad_input_is_one_line(
    words: list[str], said: str, sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    with pytest.raises(SystemExit) as caught:
        report(monkeypatch, tmp_path, *(word.format(sweep=sweep) for word in words), "hydra.run.dir=out")
    assert caught.value.code == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ")
    assert said in error
    assert not (tmp_path / "out").exists()


def test_a_search_s_best_is_valid_s_and_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [
        *JOB, "recipe=resnet50", "aug=none", "hydra/sweeper=random", "hydra.sweeper.n_trials=3",
        "optimizer.lr=tag(log,interval(1e-5,1e-2))", "hydra.sweep.dir=multirun/search",
    ]  # fmt: skip
    door(monkeypatch, tmp_path, "train", "-m", *words)
    report(monkeypatch, tmp_path, "runs=multirun/search", "resamples=100", "hydra.run.dir=out")
    jobs = [json.loads((tmp_path / f"multirun/search/{number}/summary.json").read_text()) for number in range(3)]
    best = max(range(3), key=lambda number: jobs[number]["valid"]["auroc"]["value"])
    (line,) = [one for one in (tmp_path / "out" / "report.md").read_text().splitlines() if one.startswith("Best by valid")]
    config = (tmp_path / f"multirun/search/{best}/config.yaml").read_text()
    rate = re.search(r"\n  lr: (\S+)", config)
    assert rate
    assert f"optimizer.lr={float(rate[1])}" in line
    assert (tmp_path / "out" / "figures" / "search.png").stat().st_size > 10_000
