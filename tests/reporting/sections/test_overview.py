"""What a report says before its first table."""

from pathlib import Path

from tests.reporting.fakes import change_summary, copy_sweep, make_report


def test_the_positive_class_is_named(sweep: Path, tmp_path: Path) -> None:
    jobs = copy_sweep(sweep, tmp_path / "s")
    for job in jobs.glob("[0-9]"):
        change_summary(job, {"classes": ["normal", "tumour"]})
    assert "Positive class: tumour." in make_report(tmp_path / "out", jobs)


def test_jobs_that_call_another_class_positive_are_named(sweep: Path, tmp_path: Path) -> None:
    jobs = copy_sweep(sweep, tmp_path / "s")
    for job in jobs.glob("[0-9]"):
        names = ["tumour", "normal"] if job.name == "0" else ["normal", "tumour"]
        change_summary(job, {"classes": names})
    text = make_report(tmp_path / "out", jobs)
    assert "The positive class is not the same: normal (" in text
    assert "; tumour (" in text
