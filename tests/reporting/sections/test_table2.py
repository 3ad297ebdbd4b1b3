"""Table 2: with and without augmentation."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tests.reporting.fakes import change_config, copy_sweep, make_report, read_rows, read_summary
from tests.run import composed_values


def auroc_of(sweep: Path, number: int) -> float:
    return read_summary(sweep / str(number))["test"]["auroc"]["value"]


def details(folder: Path) -> list[str]:
    return [row["network"].partition("), ")[2] for row in read_rows(folder / "table2.csv")]


def test_means_and_differences_by_hand(sweep: Path, tmp_path: Path) -> None:
    auroc = []
    for number in range(4):
        rows = read_rows(sweep / str(number) / "predictions" / "test.csv")
        labels = [int(row["label"]) for row in rows]
        auroc.append(roc_auc_score(labels, [float(row["probability"]) for row in rows]))
    on, off = np.array(auroc[:2]), np.array(auroc[2:])
    text = make_report(tmp_path / "out", sweep)
    first = read_rows(tmp_path / "out" / "table2.csv")[0]
    assert first["network"] == "test_resnet in place of ResNet-50 (smoke)"
    assert first["with augmentation"] == f"{on.mean():.3f} ± {on.std(ddof=1):.3f} (2 runs)"
    assert first["difference"].startswith(f"{(on - off).mean():+.4f} [")
    # the same mean, another interval
    assert first["over seeds"].startswith(f"{(on - off).mean():+.4f} [")
    assert first["difference"] != first["over seeds"]
    assert first["the study, with"] == "0.8977"
    assert first["the study, without"] == "0.836"
    assert first["the study, difference"] == "+0.0617"
    assert "contradicts itself" in text


def test_two_augmentations_are_not_pooled(sweep: Path, tmp_path: Path) -> None:
    other = copy_sweep(sweep, tmp_path / "s")
    augmentation = composed_values("aug=dihedral_color")["aug"]
    change_config(other / "1", {"aug": augmentation, "seed": 0})
    make_report(tmp_path / "out", other)
    rows = read_rows(tmp_path / "out" / "table2.csv")
    assert [row["network"] for row in rows][:2] == [
        "test_resnet in place of ResNet-50 (smoke), dihedral",
        "test_resnet in place of ResNet-50 (smoke), dihedral_color",
    ]
    assert "runs)" not in rows[0]["with augmentation"]


def test_settings_of_one_augmentation_are_not_pooled(sweep: Path, tmp_path: Path) -> None:
    other = copy_sweep(sweep, tmp_path / "s")
    for number in (1, 5):
        change_config(other / str(number), {"aug.batched": True, "seed": 0})
    make_report(tmp_path / "out", other)
    assert details(tmp_path / "out")[:2] == ["aug.batched=auto", "aug.batched=True"]
    rows = read_rows(tmp_path / "out" / "table2.csv")
    for row, number in zip(rows, (0, 1), strict=False):
        assert row["with augmentation"].startswith(f"{auroc_of(sweep, number):.3f} [")


def test_runs_with_other_settings_have_their_own_rows(sweep: Path, tmp_path: Path) -> None:
    """ResNet-50 with seed 1 has another rate; EfficientNet-B0 with seed 1 is frozen."""
    other = copy_sweep(sweep, tmp_path / "s")
    for number in (1, 3):
        change_config(other / str(number), {"optimizer.lr": 1e-5})
    for number in (5, 7):
        change_config(other / str(number), {"finetune": {"name": "frozen"}})
    (other / "0" / "predictions" / "test.csv").unlink()
    make_report(tmp_path / "out", other)
    rows = read_rows(tmp_path / "out" / "table2.csv")
    assert [row["network"] for row in rows] == [
        "test_resnet in place of ResNet-50 (smoke), optimizer.lr=0.0005",
        "test_resnet in place of ResNet-50 (smoke), optimizer.lr=1e-05",
        "test_efficientnet in place of EfficientNet-B0 (smoke), finetune=full",
        "test_efficientnet in place of EfficientNet-B0 (smoke), finetune=frozen",
    ]
    for row, number in zip(rows, (0, 1, 4, 5), strict=True):
        assert row["with augmentation"].startswith(f"{auroc_of(sweep, number):.3f} [")
        assert row["without"].startswith(f"{auroc_of(sweep, number + 2):.3f} [")
    assert rows[0]["difference"] == ""  # no predictions to compare


@pytest.mark.slow
def test_unequal_groups_are_compared_over_their_shared_seeds(sweep: Path, tmp_path: Path) -> None:
    """Without augmentation ResNet-50 has seeds 0 and 1 here, with it only 0."""
    jobs = [sweep / str(number) for number in (0, *range(2, 8))]
    text = make_report(tmp_path / "out", *jobs)
    first, second = read_rows(tmp_path / "out" / "table2.csv")
    difference = auroc_of(sweep, 0) - auroc_of(sweep, 2)
    assert "(2 runs)" in first["without"]
    assert first["difference"].startswith(f"{difference:+.4f} [")
    assert first["over seeds"] == ""
    assert second["difference"].split()[0] == second["over seeds"].split()[0]
    # below Table 2 and below the differences
    assert text.count("Differences are over the seeds that both groups have.") == 2
    assert "seeds that both" not in make_report(tmp_path / "all", sweep)


def test_a_run_on_other_patches_is_not_compared(sweep: Path, tmp_path: Path) -> None:
    other = copy_sweep(sweep, tmp_path / "s")
    path = other / "5" / "predictions" / "test.csv"
    path.write_text(path.read_text().replace("test-000001", "test-900001"))
    text = make_report(tmp_path / "out", other)
    label = "recipe=efficientnet_b0 aug=dihedral seed=1"
    assert f"Not compared with the others: {label} (other patches of test, or other labels)" in text
    make_report(tmp_path / "all", sweep)
    tables = [read_rows(tmp_path / name / "table2.csv") for name in ("out", "all")]
    assert tables[0][0]["difference"] == tables[1][0]["difference"]  # of ResNet-50
    tables = [read_rows(tmp_path / name / "table3.csv") for name in ("out", "all")]
    assert tables[0] == tables[1]
    assert "figures/operating.png" in text
