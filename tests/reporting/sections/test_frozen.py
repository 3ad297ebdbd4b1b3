"""Frozen backbones against training of all layers."""

from pathlib import Path

import pytest

from tests.reporting.fakes import change_config, copy_sweep, make_report, read_rows, read_summary


def valid_auroc(sweep: Path, number: int) -> str:
    return f"{read_summary(sweep / str(number))['valid']['auroc']['value']:.3f} ["


def test_each_way_is_compared_with_all_layers(sweep: Path, tmp_path: Path) -> None:
    """EfficientNet-B0 with seed 1 is frozen here."""
    other = copy_sweep(sweep, tmp_path / "s")
    for number in (5, 7):
        change_config(other / str(number), {"finetune": {"name": "frozen"}})
    make_report(tmp_path / "out", other)
    rows = read_rows(tmp_path / "out" / "frozen.csv")
    details = [(row["network"].partition("), ")[2], row["trained"]) for row in rows]
    assert details == [
        ("aug=dihedral", "full"),
        ("aug=dihedral", "frozen"),
        ("aug=none", "full"),
        ("aug=none", "frozen"),
    ]
    for row, number in zip(rows, (4, 5, 6, 7), strict=True):
        assert row["AUROC"].startswith(valid_auroc(sweep, number))
    for full, frozen in zip(rows[::2], rows[1::2], strict=True):
        assert full["AUROC minus full's"] == full["p (Holm)"] == ""
        difference = float(frozen["AUROC"][:5]) - float(full["AUROC"][:5])
        shown = float(frozen["AUROC minus full's"].split()[0])
        assert shown == pytest.approx(difference, abs=2e-3)
        assert float(frozen["p (Holm)"].lstrip("< ")) <= 1


def test_settings_of_one_way_are_not_pooled(sweep: Path, tmp_path: Path) -> None:
    other = copy_sweep(sweep, tmp_path / "s")
    for number in (6, 7):
        finetune = {"name": "frozen_then_unfrozen", "unfreeze_epoch": number, "batchnorm": "moving"}
        augmentation = {"name": "dihedral", "batched": "auto"}
        changes = {"aug": augmentation, "finetune": finetune, "seed": 0}
        change_config(other / str(number), changes)
    make_report(tmp_path / "out", other / "4", other / "6", other / "7")
    rows = read_rows(tmp_path / "out" / "frozen.csv")
    details = [row["network"].partition("), ")[2] + " " + row["trained"] for row in rows]
    assert details == [
        " full",
        "finetune.unfreeze_epoch=6 frozen then unfrozen",
        "finetune.unfreeze_epoch=7 frozen then unfrozen",
    ]
    for row, number in zip(rows, (4, 6, 7), strict=True):
        assert row["AUROC"].startswith(valid_auroc(sweep, number))
