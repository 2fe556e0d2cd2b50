"""`cems doctor`: what this machine has, what is wrong, and what to do about it."""

from __future__ import annotations

from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.profile import Profile
from cems_tui.services.doctor import Finding

SIGNS = {"ok": "✓", "note": "·", "problem": "✗"}


def doctor(json: o.Json = False) -> int:
    """Look at device, memory, disk, pack, database, settings and versions; say what to do."""
    findings = Profile.current().doctor.examine()
    if json:
        output.json_document([finding.to_json() for finding in findings])
    else:
        for finding in findings:
            _print(finding)
    return max((finding.exit_code for finding in findings), default=0)


def _print(finding: Finding) -> None:
    output.line(f"{SIGNS[finding.status]} {finding.subject:<10} {finding.detail}")
    if finding.hint:
        output.line(f"  {'':<10} → {finding.hint}")
