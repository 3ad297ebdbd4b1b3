"""The report: what a person finds on the page, of sweeps whole and broken."""

import csv
import json
import re
import shlex
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from pcam.report import main
from pcam.reporting import plots
from pcam.runs.lock import lock_run
from tests.run import run_command

JOB = [
    "scale=smoke",
    "data.train=64",
    "data.valid=48",
    "data.test=60",
    "trainer.max_epochs=1",
    "trainer.progress=false",
]


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
        words = [
            *JOB,
            "recipe=resnet50,efficientnet_b0",
            "aug=dihedral,none",
            "seed=0,1",
            "hydra.sweep.dir=multirun/s",
        ]
        run_command(patch, folder, "train", "-m", *words)
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
    assert {address[1:] for address in page.addresses if address.startswith("#")} == set(
        re.findall(r'<h2 id="([^"]+)"', text)
    )
    assert "http" not in text
    assert (
        text.count('<div class="scroll"><img class="picture wide"') == 2
    )  # training, ROC and calibration
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
        assert (
            job["AUROC"] == f"{written['value']:.3f} [{written['low']:.3f}, {written['high']:.3f}]"
        )
        scored = rows(sweep / str(number) / "predictions" / "test.csv")
        label, score = ([float(row[key]) for row in scored] for key in ("label", "probability"))
        auroc.append(roc_auc_score(label, score))
        assert written["value"] == pytest.approx(auroc[-1])
    first = rows(tmp_path / "out" / "table2.csv")[0]
    assert first["network"] == "ResNet-50 (smoke: test_resnet)"
    on, off = np.array(auroc[0:2]), np.array(auroc[2:4])
    assert first["with augmentation"] == f"{on.mean():.3f} ± {on.std(ddof=1):.3f} (2 runs)"
    text = (tmp_path / "out" / "report.md").read_text()
    (line,) = [
        one
        for one in text.splitlines()
        if one.startswith("| ResNet-50 (smoke: test_resnet)") and "(2 runs)" in one
    ]
    assert line
    assert first["difference"].startswith(f"{(on - off).mean():+.4f} [")
    assert first["over seeds"].startswith(
        f"{(on - off).mean():+.4f} ["
    )  # the same mean, another interval
    assert first["difference"] != first["over seeds"]
    assert [first[f"the study, {name}"] for name in ("with", "without", "difference")] == [
        "0.8977",
        "0.836",
        "+0.0617",
    ]
    votes = {row[""]: row for row in rows(tmp_path / "out" / "table3.csv")}
    assert votes["ResNet-50 (smoke: test_resnet)"]["run"] == "recipe=resnet50 aug=dihedral seed=0"
    majority = votes["majority vote of hard labels"]
    assert majority["the study"] == "0.89"
    members = [rows(sweep / number / "predictions" / "test.csv") for number in ("0", "4")]
    called = np.array(
        [[float(row["probability"]) >= 0.5 for row in member] for member in members]
    ).mean(0)
    label = np.array([int(row["label"]) for row in members[0]])
    balanced = (
        (called[label == 1].mean() + 1 - called[label == 0].mean()) / 2
        if set(called) <= {0, 1}
        else None
    )
    assert majority["AUROC"].startswith(f"{roc_auc_score(label, called):.3f}")
    assert balanced is None or majority["AUROC of 0/1 labels"] == f"{balanced:.3f}"
    assert votes["mean rank"]["AUROC of 0/1 labels"] == ""
    assert all(row["p (Holm)"] for name, row in votes.items() if row["run"] == "")
    told = rows(tmp_path / "out" / "figures.csv")
    assert len({row["job"] for row in told}) == 8
    one = {
        (row["split"], row["figure"]): row
        for row in told
        if row["job"] == "recipe=resnet50 aug=dihedral seed=1"
    }
    written = json.loads((sweep / "1" / "summary.json").read_text())
    for split in ("valid", "test"):
        for name, known in written[split].items():
            for key in ("value", "low", "high"):
                assert one[split, name][key] == ("" if known[key] is None else repr(known[key]))
    named = [
        one["valid", "auroc"][key]
        for key in ("network", "weights", "augmentation", "finetune", "seed", "scale")
    ]
    assert named == ["resnet50", "random", "dihedral", "full", "1", "smoke"]
    assert "contradicts itself" in text


def test_what_failed_and_what_is_missing_is_named_with_what_to_type(
    sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    broken = tmp_path / "multirun" / "broken"
    shutil.copytree(sweep, broken)
    (broken / "1" / "failure.json").write_text(
        json.dumps({"error": "the disk <is> full", "expected": True, "words": []})
    )
    (broken / "1" / "summary.json").unlink()
    (broken / "2" / "summary.json").unlink()
    shutil.rmtree(broken / "3")
    with lock_run(broken / "2"):
        report(monkeypatch, tmp_path, f"runs={broken}", "resamples=100", "hydra.run.dir=out")
    told = {row[""]: row for row in rows(tmp_path / "out" / "unfinished.csv")}
    assert [row["state"] for row in told.values()] == ["failed", "running", "missing"]
    assert "This does what is missing" not in (tmp_path / "out" / "report.md").read_text()
    report(monkeypatch, tmp_path, f"runs={broken}", "resamples=100", "hydra.run.dir=out")
    told = {row[""]: row for row in rows(tmp_path / "out" / "unfinished.csv")}
    assert [row["state"] for row in told.values()] == ["failed", "cut short", "missing"]
    assert told["recipe=resnet50 aug=dihedral seed=1"]["why"] == "the disk <is> full"
    page = (tmp_path / "out" / "report.html").read_text()
    assert "the disk &lt;is&gt; full" in page
    assert "8 jobs: 5 ended, 1 failed, 1 cut short, 1 missing" in page
    assert f"hydra.sweep.dir={broken}" in page


def test_one_damaged_folder_does_not_take_the_page_away(
    sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    broken = tmp_path / "a b, c" / "s"
    shutil.copytree(sweep, broken)
    (broken / "0" / "summary.json").write_text('{"test": ')
    (broken / "1" / "config.yaml").write_text("model: [")
    (broken / "2" / "metrics.csv").write_text("epoch,what\n0,1\n")
    summary = json.loads((broken / "3" / "summary.json").read_text())
    (broken / "3" / "summary.json").write_text(json.dumps({**summary, "test": {"auroc": "high"}}))
    (broken / "4" / "summary.json").write_text(
        json.dumps({**summary, "commit": "<script>alert(1)</script>"})
    )
    less = {key: value for key, value in summary["valid"].items() if key != "precision"}
    (broken / "5" / "summary.json").write_text(json.dumps({**summary, "valid": less}))
    (broken / "6" / "config.yaml").write_text(
        (broken / "6" / "config.yaml").read_text().replace("max_epochs", "epochs")
    )
    (broken / "6" / "summary.json").unlink()
    report(monkeypatch, tmp_path, f"runs='{broken}'", "resamples=100", "hydra.run.dir=out")
    told = {row[""]: row for row in rows(tmp_path / "out" / "unfinished.csv")}
    assert [row["state"] for row in told.values()] == ["broken"] * 6
    why = [row["why"] for row in told.values()]
    for line, part in zip(
        why,
        (
            "summary.json is broken",
            "config.yaml",
            "metrics.csv",
            "test.auroc",
            "lacks valid.precision",
            "trainer",
        ),
        strict=True,
    ):
        assert part in line
    assert (
        "This does what is missing" in (tmp_path / "out" / "report.md").read_text()
    )  # a summary is made again
    for name in ("report.html", "report.md"):
        text = (tmp_path / "out" / name).read_text()
        assert "<script>" not in text
        assert "&lt;script" in text
    (line,) = [
        one
        for one in (tmp_path / "out" / "report.md").read_text().splitlines()
        if one.endswith("# this page")
    ]
    words = shlex.split(line.removesuffix("# this page"))[3:]
    report(monkeypatch, tmp_path, *words, "hydra.run.dir=again")  # as it stands
    assert rows(tmp_path / "again" / "jobs.csv") == rows(tmp_path / "out" / "jobs.csv")


def test_two_recipes_are_not_pooled_and_other_patches_are_said(
    sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    other = tmp_path / "s"
    shutil.copytree(sweep, other)
    config = (other / "1" / "config.yaml").read_text()
    (other / "1" / "config.yaml").write_text(
        config.replace("name: dihedral", "name: paper").replace("seed: 1", "seed: 0")
    )
    report(monkeypatch, tmp_path, "runs=s", "resamples=100", "hydra.run.dir=out")
    names = [row["network"] for row in rows(tmp_path / "out" / "table2.csv")]
    assert names[:2] == [
        "ResNet-50 (smoke: test_resnet), dihedral",
        "ResNet-50 (smoke: test_resnet), paper",
    ]
    assert "runs)" not in rows(tmp_path / "out" / "table2.csv")[0]["with augmentation"]
    scores = (
        (other / "5" / "predictions" / "test.csv").read_text().replace("test-000001", "test-900001")
    )
    (other / "5" / "predictions" / "test.csv").write_text(scores)
    report(monkeypatch, tmp_path, "runs=s", "resamples=100", "hydra.run.dir=without")
    text = (tmp_path / "without" / "report.md").read_text()
    assert (
        "Not compared with the others: recipe=efficientnet_b0 aug=dihedral seed=1 (other patches of test)"
        in text
    )
    told = [rows(tmp_path / name / "table2.csv") for name in ("out", "without")]
    resnet = [[(row["network"], row["difference"]) for row in one[:2]] for one in told]
    assert resnet[0] == resnet[1]
    assert rows(tmp_path / "without" / "table3.csv") == rows(tmp_path / "out" / "table3.csv")
    assert "figures/operating.png" in text


def test_runs_that_differ_otherwise_stand_in_rows_of_their_own(
    sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ResNet-50 with seed 1 is another rate's here; EfficientNet-B0 with seed 1 is frozen."""
    import shutil

    other = tmp_path / "s"
    shutil.copytree(sweep, other)
    for number, word in (
        (1, "lr: 1.0e-05"),
        (3, "lr: 1.0e-05"),
        (5, "name: frozen"),
        (7, "name: frozen"),
    ):
        path = other / str(number) / "config.yaml"
        key = word.partition(":")[0]
        group = "optimizer" if key == "lr" else "finetune"
        path.write_text(
            re.sub(rf"(\n{group}:\n(?:  .*\n)*?)  {key}: .*", rf"\g<1>  {word}", path.read_text())
        )
    (other / "0" / "predictions" / "test.csv").rename(other / "unread.csv")
    report(monkeypatch, tmp_path, "runs=s", "resamples=100", "hydra.run.dir=out")
    figures = [json.loads((sweep / str(i) / "summary.json").read_text()) for i in range(8)]
    told = rows(tmp_path / "out" / "table2.csv")
    assert [row["network"] for row in told] == [
        "ResNet-50 (smoke: test_resnet), optimizer.lr=0.0005", "ResNet-50 (smoke: test_resnet), optimizer.lr=1e-05",
        "EfficientNet-B0 (smoke: test_efficientnet), finetune=full",
        "EfficientNet-B0 (smoke: test_efficientnet), finetune=frozen",
    ]  # fmt: skip
    for row, number in zip(told, (0, 1, 4, 5), strict=True):
        assert row["with augmentation"].startswith(
            f"{figures[number]['test']['auroc']['value']:.3f} ["
        )
        assert row["without"].startswith(f"{figures[number + 2]['test']['auroc']['value']:.3f} [")
    told = rows(tmp_path / "out" / "frozen.csv")
    assert [(row["network"].partition("), ")[2], row["trained"]) for row in told] == [
        ("aug=dihedral", "full"), ("aug=dihedral", "frozen"), ("aug=none", "full"), ("aug=none", "frozen"),
    ]  # fmt: skip
    for row, number in zip(told, (4, 5, 6, 7), strict=True):
        assert row["AUROC"].startswith(f"{figures[number]['valid']['auroc']['value']:.3f} [")
    for full, head in zip(told[::2], told[1::2], strict=True):
        assert full["AUROC less full's"] == full["p (Holm)"] == ""
        less = float(head["AUROC"][:5]) - float(full["AUROC"][:5])
        assert float(head["AUROC less full's"].split()[0]) == pytest.approx(less, abs=1e-3)
        assert float(head["p (Holm)"].lstrip("< ")) <= 1


def test_settings_of_one_augmentation_or_way_are_not_pooled(
    sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seed 1 was augmented more here; two of EfficientNet-B0's runs were frozen at first, one of them an epoch longer."""
    import shutil

    other = tmp_path / "s"
    shutil.copytree(sweep, other)

    def change(number: int, old: str, new: str) -> None:
        path = other / str(number) / "config.yaml"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new).replace("seed: 1", "seed: 0"))

    change(1, "name: dihedral\n", "name: dihedral\n  strength: 2\n")
    change(5, "name: dihedral\n", "name: dihedral\n  strength: 2\n")
    for number in (6, 7):
        change(number, "name: none\n", "name: dihedral\n")
        change(number, "name: full\n", f"name: frozen_then_unfrozen\n  unfreeze_epoch: {number}\n")
    report(monkeypatch, tmp_path, "runs=s", "resamples=100", "hydra.run.dir=out")
    figures = [json.loads((sweep / str(i) / "summary.json").read_text()) for i in range(8)]
    resnet = rows(tmp_path / "out" / "table2.csv")
    assert [row["network"].partition("), ")[2] for row in resnet] == ["", "aug.strength=2"]
    for row, number in zip(resnet, (0, 1), strict=True):
        assert row["with augmentation"].startswith(
            f"{figures[number]['test']['auroc']['value']:.3f} ["
        )
    ways = rows(tmp_path / "out" / "frozen.csv")
    told = [row["network"].partition("), ")[2] + " " + row["trained"] for row in ways]
    assert told == [
        " full", "finetune.unfreeze_epoch=6 frozen then unfrozen", "finetune.unfreeze_epoch=7 frozen then unfrozen",
    ]  # fmt: skip
    for row, number in zip(ways, (4, 6, 7), strict=True):
        assert row["AUROC"].startswith(f"{figures[number]['valid']['auroc']['value']:.3f} [")


def test_only_seeds_are_pooled_each_run_once(
    sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ResNet-50's seed 1 saw other patches here; EfficientNet-B0's began from ImageNet; one more path names all again."""
    import shutil

    other = tmp_path / "s"
    shutil.copytree(sweep, other)
    (tmp_path / "again").symlink_to(other)
    for number in (1, 3, 5, 7):
        path = other / str(number) / "summary.json"
        summary = json.loads(path.read_text())
        if number < 4:
            summary["data"]["test"]["sha256"] = "0" * 64
        else:
            summary["weights"]["origin"] = "imagenet"
        path.write_text(json.dumps(summary))
    report(monkeypatch, tmp_path, "runs=[s,again,s/0,s/../s]", "resamples=100", "hydra.run.dir=out")
    assert len(rows(tmp_path / "out" / "jobs.csv")) == 8
    told = [row["network"].partition("), ")[2] for row in rows(tmp_path / "out" / "table2.csv")]
    assert told[0].startswith("test patches=")
    assert told[1:] == ["test patches=00000000", "weights=random", "weights=imagenet"]
    text = (tmp_path / "out" / "report.md").read_text()
    assert "seeds)" not in text
    assert (
        "Not compared with the others: recipe=resnet50 aug=dihedral seed=1, recipe=resnet50 aug=none seed=1 (other"
        in text
    )
    assert (
        "16 pairs of 8 groups" in text
    )  # 15 of the six on the same patches, 1 of the two on others


def test_what_was_pruned_is_said_and_a_job_named_alone_knows_its_sweep(
    sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    other = tmp_path / "s"
    shutil.copytree(sweep, other)
    path = other / "1" / "summary.json"
    pruned = {"epoch": 0, "auroc": 0.4, "median": 0.5, "jobs": 4}
    path.write_text(json.dumps({**json.loads(path.read_text()), "pruned": pruned}))
    shutil.rmtree(other / "2")
    (other / "2").mkdir()
    (other / "2" / "failure.json").write_text(
        json.dumps({"error": "full", "expected": True, "words": ["a=b"]})
    )
    report(monkeypatch, tmp_path, "runs=[s/0,s/1,s/2]", "resamples=100", "hydra.run.dir=out")
    told = {row["state"]: row for row in rows(tmp_path / "out" / "unfinished.csv")}
    assert (
        told["pruned"]["why"]
        == "after epoch 1: valid AUROC 0.4000 is below 0.5000, the median of 4 jobs"
    )
    assert told["failed"][""] == "aug=none seed=0"
    text = (tmp_path / "out" / "report.md").read_text()
    assert "Pruned, and so in no table but the first: aug=dihedral seed=1" in text
    assert f"hydra.sweep.dir={other}" in text
    assert "resume=" not in text


def test_a_report_leaves_nothing_of_an_earlier_one(
    sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report(monkeypatch, tmp_path, f"runs={sweep}", "resamples=100", "hydra.run.dir=out")
    assert (tmp_path / "out" / "table2.csv").is_file()
    (tmp_path / "out" / "notes.csv").write_text("mine")
    summary = json.loads((sweep / "1" / "summary.json").read_text())
    run = tmp_path / "run"
    run.mkdir()
    for name in ("config.yaml", "metrics.csv"):
        (run / name).write_text((sweep / "1" / name).read_text())
    (run / "summary.json").write_text(
        json.dumps({key: value for key, value in summary.items() if key != "test"})
    )
    report(monkeypatch, tmp_path, f"runs=[run,{sweep}/0]", "resamples=100", "hydra.run.dir=out")
    assert sorted(path.name for path in (tmp_path / "out").glob("*.csv")) == [
        "figures.csv",
        "jobs.csv",
        "notes.csv",
    ]
    assert (
        f"No figures of test: {tmp_path.name}/run" in (tmp_path / "out" / "report.md").read_text()
    )


def test_groups_of_unequal_seeds_are_compared_over_those_in_common(
    sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without augmentation ResNet-50 has seeds 0 and 1 here, with it 0 alone."""
    import shutil

    other = tmp_path / "s"
    shutil.copytree(sweep, other)
    shutil.rmtree(other / "1")
    report(monkeypatch, tmp_path, "runs=s", "resamples=100", "hydra.run.dir=out")
    auroc = [
        json.loads((sweep / str(i) / "summary.json").read_text())["test"]["auroc"]["value"]
        for i in (0, 2)
    ]
    first, second = rows(tmp_path / "out" / "table2.csv")
    assert "(2 runs)" in first["without"]
    assert first["difference"].startswith(f"{auroc[0] - auroc[1]:+.4f} [")
    assert first["over seeds"] == ""
    assert second["difference"].split()[0] == second["over seeds"].split()[0]
    text = (tmp_path / "out" / "report.md").read_text()
    assert (
        text.count("Differences are over the seeds that both have.") == 2
    )  # Table 2, and all differences
    report(monkeypatch, tmp_path, f"runs={sweep}", "resamples=100", "hydra.run.dir=all")
    assert "seeds that both have" not in (tmp_path / "all" / "report.md").read_text()


def test_a_run_that_repeats_another_counts_once(
    sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    shutil.copytree(sweep / "1", tmp_path / "twice")
    for name, words in (("once", f"runs={sweep}"), ("out", f"runs=[{sweep},twice]")):
        report(monkeypatch, tmp_path, words, "resamples=100", f"hydra.run.dir={name}")
    once, twice = (tmp_path / name for name in ("once", "out"))
    for name in ("table2", "table3", "figures"):
        figures = [
            [[*row.values()][1:-1] for row in rows(folder / f"{name}.csv")]
            for folder in (once, twice)
        ]
        assert figures[0] == figures[1]
    assert len(rows(twice / "jobs.csv")) == 9
    (line,) = [
        one
        for one in (twice / "report.md").read_text().splitlines()
        if one.startswith("**Counted once")
    ]
    assert " repeats " in line
    assert (once / "figures" / "training.png").read_bytes() != b""


def test_a_run_has_one_colour_in_all_pictures(
    sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first group has no figures here, so that ROC has a group less; of the second one seed has none."""
    import shutil

    other, drawn = tmp_path / "s", []
    shutil.copytree(sweep, other)
    for number in (0, 1, 3):
        (other / str(number) / "summary.json").unlink()
    for name in ("training", "operating"):
        whole = getattr(plots, name)
        monkeypatch.setattr(
            plots,
            name,
            lambda groups, title, whole=whole: drawn.append(groups) or whole(groups, title),
        )
    report(monkeypatch, tmp_path, "runs=s", "resamples=100", "hydra.run.dir=out")
    training, operating = (
        {name: number for name, (number, _) in groups.items()} for groups in drawn
    )
    assert len(operating) == 3
    assert operating == {name: training[name] for name in operating}
    assert len(set(training.values())) == len(training)


def test_the_loss_beside_the_study_s_is_the_plain_cross_entropy(
    sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    shutil.copytree(sweep / "0", tmp_path / "run")
    path = tmp_path / "run" / "config.yaml"
    path.write_text(path.read_text().replace("resnet50", "vgg16"))
    report(monkeypatch, tmp_path, "runs=run", "resamples=100", "hydra.run.dir=out")
    valid = json.loads((tmp_path / "run" / "summary.json").read_text())["valid"]
    ours, study = rows(tmp_path / "out" / "table1.csv")
    assert ours["loss"].startswith(f"{valid['nll']['value']:.3f} [")
    assert study["loss"] == "0.5159"
    text = (tmp_path / "out" / "report.md").read_text()
    assert "plain cross entropy" in text
    assert "1 job: 1 ended" in text


def test_networks_that_the_study_has_not_stand_beside_none_of_its_figures(
    sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    other = tmp_path / "s"
    shutil.copytree(sweep, other)
    for path in other.glob("*/config.yaml"):
        path.write_text(
            path.read_text()
            .replace("resnet50", "resnet26")
            .replace("efficientnet_b0", "efficientnet_b1")
        )
    report(monkeypatch, tmp_path, "runs=s", "resamples=100", "hydra.run.dir=out")
    for name in ("table2", "table3"):
        assert not [key for key in rows(tmp_path / "out" / f"{name}.csv")[0] if "the study" in key]
    text = (tmp_path / "out" / "report.md").read_text()
    assert "majority vote" in text
    assert "The study's figures" not in text
    assert "contradicts" not in text


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
        report(
            monkeypatch,
            tmp_path,
            *(word.format(sweep=sweep) for word in words),
            "hydra.run.dir=out",
        )
    assert caught.value.code == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ")
    assert said in error
    assert not (tmp_path / "out").exists()


def test_a_search_s_best_is_valid_s_of_its_own_trials(
    sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [
        *JOB, "recipe=resnet50", "aug=none", "hydra/sweeper=random", "hydra.sweeper.n_trials=3",
        "optimizer.lr=tag(log,interval(1e-5,1e-2))", "hydra.sweep.dir=multirun/search",
    ]  # fmt: skip
    run_command(monkeypatch, tmp_path, "train", "-m", *words)
    report(
        monkeypatch,
        tmp_path,
        f"runs=[multirun/search,{sweep}]",
        "resamples=100",
        "hydra.run.dir=out",
    )
    jobs = [
        json.loads((tmp_path / f"multirun/search/{number}/summary.json").read_text())
        for number in range(3)
    ]
    best = max(range(3), key=lambda number: jobs[number]["valid"]["auroc"]["value"])
    (line,) = [
        one
        for one in (tmp_path / "out" / "report.md").read_text().splitlines()
        if one.startswith("Best by valid")
    ]
    config = (tmp_path / f"multirun/search/{best}/config.yaml").read_text()
    again = (tmp_path / "out" / "report.md").read_text().partition("To make each part again")[2]
    for name in ("evaluate", "attribute", "bias"):
        for folder in (sweep / "0", tmp_path / "multirun" / "search" / str(best)):
            assert f"python -m pcam.{name} run={folder}\n" in again
    rate = re.search(r"\n  lr: (\S+)", config)
    assert rate
    assert f"trial {best}: optimizer.lr={float(rate[1]):.3g}" in line
    assert (tmp_path / "out" / "figures" / "search-0.png").stat().st_size > 10_000
