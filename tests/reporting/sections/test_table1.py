"""Table 1: VGG-16."""

from pathlib import Path

from tests.reporting.fakes import change_config, copy_sweep, make_report, read_rows, read_summary


def test_the_loss_beside_the_study_s_is_the_plain_cross_entropy(
    sweep: Path, tmp_path: Path
) -> None:
    run = copy_sweep(sweep / "0", tmp_path / "run")
    change_config(run, {"model.at_scale.full": "vgg16"})
    text = make_report(tmp_path / "out", run)
    ours, study = read_rows(tmp_path / "out" / "table1.csv")
    nll = read_summary(run)["valid"]["nll"]["value"]
    assert ours["loss"].startswith(f"{nll:.3f} [")
    assert study["loss"] == "0.5159"
    assert "plain cross entropy" in text
    assert "1 job: 1 finished" in text
