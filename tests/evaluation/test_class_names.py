"""A run keeps which class is positive: no figure is ever flipped by the names of folders."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import pcam
from pcam.evaluation.alignment import align_predictions
from pcam.evaluation.predictions import read_predictions
from pcam.runs.predictions import write_predictions
from tests.conftest import TINY
from tests.run import run_command, train

# (negative, positive): half of them in an order that is not that of the alphabet.
PAIRS = (
    ("normal", "tumour"),
    ("normal", "Tumour"),
    ("healthy", "cancer"),
    ("benign", "MALIGNANT"),
    ("0", "1"),
    ("negative", "positive"),
    ("stroma", "Metastasis"),
    ("b", "a"),
    ("tumour", "normal "),
    ("gut und böse", "Läsion=2"),
)
SAID = 7  # pairs whose names say which is positive
ONE_EPOCH = ("trainer.max_epochs=1", "trainer.progress=false", "data.batch_size=8")


def write_pictures(root: Path, classes: Sequence[str], splits: Sequence[str]) -> Path:
    """Write eight dark pictures of the first class and eight light ones of the second."""
    for split in splits:
        rng = np.random.default_rng(len(split))
        for label, name in enumerate(classes):
            folder = root / split / name
            folder.mkdir(parents=True, exist_ok=True)
            for number in range(8):
                pixels = rng.integers(60 * label, 196 + 60 * label, (16, 16, 3), np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    return root


def train_on(folder: Path, root: Path, *words: str) -> pcam.Run:
    train(folder, *TINY, *ONE_EPOCH, "data=folder", f"data.root={root}", "aug=none", *words)
    return pcam.load_run(folder)


def auroc(run: pcam.Run, root: Path, positive: str | None = None) -> float:
    data = {"name": "folder", "root": str(root), "positive": positive}
    return run.evaluate("test", data=data, resamples=100).metrics["auroc"]["value"]


@pytest.fixture(scope="module")
def named_run(tmp_path_factory: pytest.TempPathFactory) -> pcam.Run:
    folder = tmp_path_factory.mktemp("named")
    root = write_pictures(folder / "data", ("normal", "tumour"), ("train", "valid", "test"))
    return train_on(folder / "run", root)


def test_a_run_is_evaluated_on_other_names_only_if_it_is_said_which_is_positive(
    named_run: pcam.Run, tmp_path: Path
) -> None:
    assert named_run.classes == ("normal", "tumour")
    own = Path(named_run.config.data.root)
    expected = auroc(named_run, own)
    assert abs(expected - 0.5) > 0.1  # a flipped figure would be seen
    other = write_pictures(tmp_path, ("healthy", "cancer"), ("test",))
    with pytest.raises(pcam.ConfigError, match="say which is positive: data.positive=cancer"):
        auroc(named_run, other)
    assert auroc(named_run, other, "cancer") == expected
    with pytest.raises(pcam.ConfigError, match="its probabilities are of tumour"):
        auroc(named_run, own, "normal")


def test_a_positive_class_that_looks_like_a_slip_is_warned_of(
    named_run: pcam.Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = write_pictures(tmp_path / "data", ("healthy", "cancer"), ("test",))
    auroc(named_run, root, "cancer")
    assert "flipped" not in caplog.text
    auroc(named_run, root, "healthy")
    assert "set data.positive=cancer" in " ".join(caplog.text.split())


def test_names_that_do_not_say_it_are_asked_for_before_training(tmp_path: Path) -> None:
    root = write_pictures(tmp_path / "data", ("a", "b"), ("train", "valid"))
    with pytest.raises(pcam.ConfigError, match="set data.positive=a or data.positive=b"):
        train_on(tmp_path / "run", root)


def test_runs_of_earlier_versions_keep_the_second_name_as_the_positive_class(
    tmp_path: Path,
) -> None:
    root = write_pictures(tmp_path / "data", ("tumour", "zz"), ("train", "valid", "test"))
    folder = tmp_path / "run"
    run = train_on(folder, root, "data.positive=zz")
    expected = auroc(run, root)
    forget_classes(folder)
    earlier = pcam.load_run(folder)
    assert earlier.classes == ("tumour", "zz")
    assert auroc(earlier, root) == expected
    words = (*TINY, *ONE_EPOCH, "data=folder", f"data.root={root}", "aug=none")
    train(folder, *words, "trainer.max_epochs=2", resume=True)
    assert pcam.load_run(folder).config.data.positive == "zz"
    assert pcam.load_run(folder).classes == ("tumour", "zz")
    with pytest.raises(
        pcam.RunError, match=r"trained on tumour and zz \(positive\); the data has zz"
    ):
        train(folder, *words, "trainer.max_epochs=3", resume=True)


def forget_classes(folder: Path) -> None:
    """Make a run folder what an earlier version would have written."""
    for path in (folder / "checkpoints").glob("*.ckpt"):
        state = torch.load(path, weights_only=True)
        del state["patches"]
        torch.save(state, path)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["data"]["positive"] = None
    (folder / "config.yaml").write_text(yaml.safe_dump(config))


def test_data_with_fixed_classes_is_not_evaluated_the_other_way_round(
    pcam_root: Path, tmp_path: Path
) -> None:
    root = write_pictures(tmp_path / "data", ("tumour", "normal"), ("train", "valid", "test"))
    run = train_on(tmp_path / "run", root, "data.positive=normal")
    data: dict[str, object] = {"name": "pcam", "root": str(pcam_root)}
    with pytest.raises(pcam.ConfigError, match="data=pcam: its positive class is tumour, not nor"):
        run.evaluate("test", data=data, resamples=100)


def test_unlabelled_pictures_right_in_a_folder_are_predicted(
    named_run: pcam.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_pictures(tmp_path / "labelled", ("x", "y"), ("test",)) / "test" / "y"
    words = (f"run={named_run.folder}", "data=folder", f"data.root={source}")
    run_command(monkeypatch, tmp_path, "predict", *words, "hydra.run.dir=out")
    predictions = read_predictions(tmp_path / "out" / "predictions" / "predict.csv")
    assert sorted(predictions.ids) == [f"{number}.png" for number in range(8)]
    assert predictions.positive == "tumour"
    labels = [f"{name},{['normal', 'tumour'][i % 2]}" for i, name in enumerate(predictions.ids)]
    (tmp_path / "labels.csv").write_text("\n".join(["id,label", *labels]) + "\n")
    run_command(monkeypatch, tmp_path, "predict", *words, "labels=labels.csv", "hydra.run.dir=two")
    labelled = read_predictions(tmp_path / "two" / "predictions" / "predict.csv")
    assert labelled.label is not None
    assert labelled.label.tolist() == [0, 1] * 4


def test_probabilities_of_different_classes_are_not_combined(tmp_path: Path) -> None:
    for name in ("normal", "tumour"):
        write_predictions(tmp_path / name, "test", ["a", "b"], None, [0.2, 0.7], None, name)
    paths = [tmp_path / name / "predictions" / "test.csv" for name in ("normal", "tumour")]
    with pytest.raises(pcam.DataError, match="has probabilities of tumour, .* of normal; if both"):
        align_predictions([read_predictions(path) for path in paths])


def test_patches_of_another_size_than_in_training_are_reported(
    named_run: pcam.Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "test" / "tumour" / "a.png"
    path.parent.mkdir(parents=True)
    (tmp_path / "test" / "normal").mkdir()
    for name in ("normal", "tumour"):
        Image.new("RGB", (24, 20)).save(tmp_path / "test" / name / "a.png")
    data: dict[str, object] = {"name": "folder", "root": str(tmp_path)}
    named_run.evaluate("test", data=data, resamples=100)
    named_run.predict(str(path))
    named_run.explain(str(path), method="saliency")
    lines = " ".join(caplog.text.replace("!", " ").split())
    message = "the patches are 24x20 pixels, the run was trained on 16x16"
    assert lines.count(message) == 3
    caplog.clear()
    named_run.predict(np.full((1, 16, 16, 3), 128, np.uint8))
    assert not caplog.records


@pytest.mark.slow
def test_ten_pairs_of_names_either_way_round_never_flip_a_figure(tmp_path: Path) -> None:
    roots, runs, own = [], [], []
    for number, pair in enumerate(PAIRS):
        root = write_pictures(tmp_path / f"{number}", pair, ("train", "valid", "test"))
        words = () if number < SAID else (f'data.positive="{pair[1]}"',)
        runs.append(train_on(tmp_path / f"run{number}", root, *words))
        roots.append(root)
        own.append(auroc(runs[-1], root))
        assert runs[-1].classes == pair
        assert abs(own[-1] - 0.5) > 0.1  # a flipped figure would be seen
    for number, run in enumerate(runs):
        for other, root in enumerate(roots):
            evaluate_either_way(run, root, PAIRS[number], PAIRS[other], own[number])


def evaluate_either_way(
    run: pcam.Run,
    root: Path,
    trained: tuple[str, str],
    found: tuple[str, str],
    expected: float,
) -> None:
    """Evaluate a run on the same pictures under other names: right, or refused."""
    if found == trained:
        assert auroc(run, root) == expected
        return
    with pytest.raises(pcam.ConfigError, match="positive"):
        auroc(run, root)
    if found[1] == trained[0] or found[0] == trained[1]:
        with pytest.raises(pcam.ConfigError, match="its probabilities are of"):
            auroc(run, root, found[1])
        return
    assert auroc(run, root, found[1]) == expected
