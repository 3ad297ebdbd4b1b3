"""The audit as text for a terminal."""

from pcam.data.audit.check import sort_by_verdict
from pcam.data.audit.run import Audit


def format_audit(audit: Audit) -> str:
    """Return the audit as text: a line per check, the worst first, each with its fix below."""
    lines = []
    for check in sort_by_verdict(audit.checks):
        lines.append(f"{check.verdict:>7}  {check.title}: {check.line}")
        is_problem = check.verdict in ("fail", "warn")
        if is_problem and check.fix:
            lines.append(f"{'':>7}  → {check.fix}")
    return "\n".join(lines)
