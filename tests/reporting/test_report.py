"""The report as a whole: which runs count, what is said of them, and the command."""

import json
import shlex
from pathlib import Path

import pytest

from pcam.reporting.sections import curves
from pcam.runs.identity import Relation
from pcam.runs.lock import lock_folder
from tests.reporting.fakes import (
    change_config,
    change_summary,
    copy_sweep,
    make_report,
    read_rows,
    read_summary,
    write_run,
)
from tests.run import run_command
from tests.runs.pairs import COMMON, PAIRS


@pytest.mark.usefixtures("real_figures")
def test_the_command_prints_the_tables_and_the_page(
    sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [f"runs={sweep}", "resamples=100", "hydra.run.dir=out"]
    run_command(monkeypatch, tmp_path, "report", *words)
    printed = capsys.readouterr().out
    assert "majority vote of hard labels" in printed
    assert printed.strip().endswith("report.html")
    assert (tmp_path / "out" / "report.html").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["runs=nowhere"], "nowhere"),
        (["runs=."], "neither a sweep nor a run"),
        (["runs=[]"], "must be given"),
        (["runs={sweep}", "split=train"], "split"),
        (["runs={sweep}", "also=[nowhere]"], "nowhere"),
        (["runs={sweep}", "resamples=5"], "100"),
    ],
)
def test_bad_input_is_one_line(
    words: list[str],
    message: str,
    sweep: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    typed = [word.format(sweep=sweep) for word in words]
    with pytest.raises(SystemExit) as caught:
        run_command(monkeypatch, tmp_path, "report", *typed, "hydra.run.dir=out")
    assert caught.value.code == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ")
    assert message in error
    assert not (tmp_path / "out").exists()


def test_jobs_have_the_figures_of_their_summaries(sweep: Path, tmp_path: Path) -> None:
    make_report(tmp_path / "out", sweep)
    jobs = read_rows(tmp_path / "out" / "jobs.csv")
    assert [job[""] for job in jobs][:3] == [
        "recipe=resnet50 aug=dihedral seed=0",
        "recipe=resnet50 aug=dihedral seed=1",
        "recipe=resnet50 aug=none seed=0",
    ]
    for number, job in enumerate(jobs):
        auroc = read_summary(sweep / str(number))["test"]["auroc"]
        interval = f"[{auroc['low']:.3f}, {auroc['high']:.3f}]"
        assert job["AUROC"] == f"{auroc['value']:.3f} {interval}"


def test_figures_csv_has_each_figure_of_each_job(sweep: Path, tmp_path: Path) -> None:
    make_report(tmp_path / "out", sweep)
    rows = read_rows(tmp_path / "out" / "figures.csv")
    assert len({row["job"] for row in rows}) == 8
    mine = [row for row in rows if row["job"] == "recipe=resnet50 aug=dihedral seed=1"]
    summary = read_summary(sweep / "1")
    for row in mine:
        figure = summary[row["split"]][row["figure"]]
        for key in ("value", "low", "high"):
            assert row[key] == ("" if figure[key] is None else repr(figure[key]))
    assert {row["split"] for row in mine} == {"valid", "test"}
    settings = ("network", "weights", "augmentation", "finetune", "seed", "scale")
    values = [mine[0][key] for key in settings]
    assert values == ["resnet50", "random", "dihedral", "full", "1", "smoke"]


def test_one_damaged_folder_does_not_prevent_the_report(sweep: Path, tmp_path: Path) -> None:
    damaged = copy_sweep(sweep, tmp_path / "a b, c" / "s")
    (damaged / "0" / "summary.json").write_text('{"test": ')
    (damaged / "1" / "config.yaml").write_text("model: [")
    (damaged / "2" / "metrics.csv").write_text("epoch,what\n0,1\n")
    change_summary(damaged / "3", {"test": {"auroc": "high"}})
    change_summary(damaged / "4", {"commit": "<script>alert(1)</script>"})
    valid = read_summary(damaged / "5")["valid"]
    del valid["precision"]
    change_summary(damaged / "5", {"valid": valid})
    config = (damaged / "6" / "config.yaml").read_text()
    (damaged / "6" / "config.yaml").write_text(config.replace("max_epochs", "epochs"))
    (damaged / "6" / "summary.json").unlink()
    text = make_report(tmp_path / "out", damaged)
    rows = read_rows(tmp_path / "out" / "unfinished.csv")
    assert [row["state"] for row in rows] == ["damaged"] * 6
    causes = (
        "summary.json",
        "config.yaml",
        "metrics.csv",
        "test.auroc",
        "valid.precision",
        "epochs",
    )
    for row, cause in zip(rows, causes, strict=True):
        assert cause in row["why"]
    assert "To run what is missing" in text
    html = (tmp_path / "out" / "report.html").read_text()
    for page in (html, text):
        assert "<script>" not in page
        assert "&lt;script" in page


@pytest.mark.slow
def test_the_printed_command_makes_the_same_report(
    sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spaced = copy_sweep(sweep, tmp_path / "a b, c" / "s")
    text = make_report(tmp_path / "out", spaced, title="A, b and 'c'")
    (line,) = [line for line in text.splitlines() if line.endswith("# this page")]
    words = shlex.split(line.removesuffix("# this page"))[3:]
    run_command(monkeypatch, tmp_path, "report", *words, "hydra.run.dir=again")
    for name in ("report.md", "jobs.csv", "table2.csv", "differences.csv"):
        first, again = tmp_path / "out" / name, tmp_path / "again" / name
        assert first.exists() == again.exists()
        assert not first.exists() or first.read_text() == again.read_text()


def test_only_seeds_are_pooled_and_each_run_counts_once(sweep: Path, tmp_path: Path) -> None:
    """ResNet-50's seed 1 has other patches; EfficientNet-B0's starts from ImageNet weights."""
    other = copy_sweep(sweep, tmp_path / "s")
    (tmp_path / "link").symlink_to(other)
    for number in (1, 3):
        change_summary(other / str(number), {"data.test.sha256": "f" * 64})
    for number in (5, 7):
        change_summary(other / str(number), {"weights.origin": "imagenet"})
    paths = [other, tmp_path / "link", other / "0", other / ".." / "s"]
    text = make_report(tmp_path / "out", *paths)
    assert len(read_rows(tmp_path / "out" / "jobs.csv")) == 8
    table = read_rows(tmp_path / "out" / "table2.csv")
    details = [row["network"].partition("), ")[2] for row in table]
    assert details == [
        "test patches=11111111",
        "test patches=ffffffff",
        "model.weights=random",
        "model.weights=imagenet",
    ]
    assert "seeds)" not in text
    assert (
        "Not compared with the others: recipe=resnet50 aug=dihedral seed=1, "
        "recipe=resnet50 aug=none seed=1 (other patches of test, or other labels)"
    ) in text
    # 15 pairs of the six groups on the same patches, one of the two on others
    assert "16 pairs of 8 groups" in text


def test_a_run_that_repeats_another_counts_once(sweep: Path, tmp_path: Path) -> None:
    twice = copy_sweep(sweep / "1", tmp_path / "twice")
    make_report(tmp_path / "once", sweep)
    text = make_report(tmp_path / "out", sweep, twice)
    for name in ("table2", "table3", "figures"):
        once = read_rows(tmp_path / "once" / f"{name}.csv")
        out = read_rows(tmp_path / "out" / f"{name}.csv")
        # labels name the sweep when there is a run outside of it
        assert [[*row.values()][1:-1] for row in out] == [[*row.values()][1:-1] for row in once]
    assert len(read_rows(tmp_path / "out" / "jobs.csv")) == 9
    (line,) = [line for line in text.splitlines() if line.startswith("**Counted once")]
    assert " repeats " in line


def test_jobs_that_did_not_finish_are_named(sweep: Path, tmp_path: Path) -> None:
    broken = copy_sweep(sweep, tmp_path / "broken")
    for number in (1, 2):
        (broken / str(number) / "summary.json").unlink()
    failure = {"error": "the disk <is> full", "expected": True, "words": []}
    (broken / "1" / "failure.json").write_text(json.dumps(failure))
    text = make_report(tmp_path / "out", broken)
    assert "8 jobs: 6 finished, 1 failed, 1 interrupted" in text.replace("\n", " ")
    assert "the disk &lt;is&gt; full" in (tmp_path / "out" / "report.html").read_text()
    with lock_folder(broken / "2"):
        text = make_report(tmp_path / "out", broken)
    assert "1 running" in text


def test_pruned_jobs_are_only_in_the_first_table(sweep: Path, tmp_path: Path) -> None:
    other = copy_sweep(sweep, tmp_path / "s")
    pruned = {"epoch": 0, "auroc": 0.4, "median": 0.5, "jobs": 4}
    change_summary(other / "1", {"pruned": pruned})
    text = make_report(tmp_path / "out", other / "0", other / "1")
    rows = read_rows(tmp_path / "out" / "unfinished.csv")
    assert [row["state"] for row in rows] == ["pruned"]
    assert "0.4000" in rows[0]["why"]
    assert "Pruned, so only in the first table: seed=1" in text
    assert {row["job"] for row in read_rows(tmp_path / "out" / "figures.csv")} == {"seed=0"}


def test_a_report_deletes_an_earlier_one_and_nothing_else(sweep: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    make_report(out, sweep)
    assert (out / "table2.csv").is_file()
    (out / "notes.csv").write_text("mine")
    run = copy_sweep(sweep / "1", tmp_path / "run")
    summary = json.loads((run / "summary.json").read_text())
    del summary["test"]
    (run / "summary.json").write_text(json.dumps(summary))
    text = make_report(out, run, sweep / "0")
    names = sorted(path.name for path in out.glob("*.csv"))
    assert names == ["figures.csv", "jobs.csv", "notes.csv"]
    assert f"No figures of test: {tmp_path.name}/run" in text


def test_without_labels_of_test_the_figures_are_of_valid(sweep: Path, tmp_path: Path) -> None:
    run = copy_sweep(sweep / "0", tmp_path / "run")
    summary = json.loads((run / "summary.json").read_text())
    del summary["test"]
    (run / "summary.json").write_text(json.dumps(summary))
    text = make_report(tmp_path / "out", run)
    assert "figures of valid" in text
    assert "python -m pcam.evaluate" in text
    assert "split=valid" in text


def test_a_run_has_one_colour_in_all_figures(
    sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here the first group has no figures, so ROC has a group less; one of the second has none."""
    other = copy_sweep(sweep, tmp_path / "s")
    for number in (0, 1, 3):
        (other / str(number) / "summary.json").unlink()
    drawn = {}
    for name in ("plot_training", "plot_operating"):

        def record(groups: dict[str, object], title: str, name: str = name) -> bytes:
            drawn[name] = {label: lines.colour for label, lines in groups.items()}  # type: ignore[attr-defined]
            return b""

        monkeypatch.setattr(curves.plots, name, record)
    make_report(tmp_path / "out", other)
    training, operating = drawn["plot_training"], drawn["plot_operating"]
    assert len(operating) == 3
    assert operating == {name: training[name] for name in operating}
    assert len(set(training.values())) == len(training)


def test_the_title_names_the_scale(sweep: Path, tmp_path: Path) -> None:
    text = make_report(tmp_path / "out", sweep, title="Augmentation")
    assert text.startswith("# Augmentation (smoke)")
    assert "scale=smoke: smaller networks" in text
    assert "Synthetic patches: these figures do not apply to real tissue." in text


def test_networks_without_figures_of_the_study(sweep: Path, tmp_path: Path) -> None:
    other = copy_sweep(sweep, tmp_path / "s")
    for job in other.glob("[0-9]"):
        name = "resnet26" if int(job.name) < 4 else "efficientnet_b1"
        change_config(job, {"model.at_scale.full": name})
    text = make_report(tmp_path / "out", other)
    for name in ("table2", "table3"):
        columns = read_rows(tmp_path / "out" / f"{name}.csv")[0]
        assert not [column for column in columns if "the study" in column]
    assert "majority vote" in text
    assert "The study's figures" not in text
    assert "contradicts" not in text


@pytest.mark.slow
@pytest.mark.parametrize(("word", "relation"), PAIRS.items())
def test_the_page_relates_two_runs_as_their_identity_does(
    word: str, relation: Relation, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    write_run(first, *COMMON)
    write_run(second, *COMMON, word, draw=1)
    key, _, value = word.partition("=")
    if key == "trainer.precision":  # "auto" is resolved when a run starts
        change_summary(second, {"precision": value})
    text = make_report(tmp_path / "out", first, second)
    assert ("## Differences" in text) == (relation is Relation.DIFFERENT)
    assert ("Counted once" in text) == (relation is Relation.SAME)
