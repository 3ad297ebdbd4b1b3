from pcam.data.audit.run import audit
from pcam.data.audit.text import format_audit
from tests.data.audit.leaky import leaky_splits


def test_the_text_has_the_worst_check_first_and_its_fix() -> None:
    report = audit(leaky_splits())
    lines = format_audit(report).splitlines()
    assert lines[0].startswith(
        "   fail  Equal patches across splits: 1 group of equal patches (SHA-1) in several splits:"
        " 1 in train, 1 in valid"
    )
    assert "→" in lines[1]
    assert "data.duplicates=drop" in lines[1]
    assert sum(line.split()[0] in ("fail", "warn", "pass", "unknown") for line in lines) == len(
        report.checks
    )
