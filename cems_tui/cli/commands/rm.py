"""`cems rm`: a model off this disk."""

from __future__ import annotations

from typing import Any

from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.cli.model_options import (
    DryRun,
    Name,
    Yes,
    asking,
)
from cems_tui.errors import UsageError
from cems_tui.models.remove import Removal
from cems_tui.profile import Profile
from cems_tui.text import byte_count


def rm(
    name: Name,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Remove a model from this disk; what others use stays."""
    models = Profile.current().models
    removal = models.plan_removal(name)
    if not dry_run:
        if not (json or quiet):
            for line in _removal_lines(removal):
                output.note(line)
        if not asking(yes)(f"Remove {removal.model} ({byte_count(removal.freed_bytes)})?"):
            raise UsageError(f"{removal.model} is kept", "Answer y, or give --yes.")
        removal = models.remove(name)
    if json:
        output.json_document(_removal_row(removal, dry_run))
    elif quiet:
        for path in removal.paths:
            output.line(str(path))
    elif dry_run:
        for line in _removal_lines(removal):
            output.line(line)
    else:
        output.line(f"{removal.model}: removed, {byte_count(removal.freed_bytes)} freed")


def _removal_row(removal: Removal, dry_run: bool) -> dict[str, Any]:
    return {
        "model": removal.model,
        "removed": not dry_run,
        "freed_bytes": removal.freed_bytes,
        "paths": [str(path) for path in removal.paths],
        "shared_with": list(removal.shared_with),
        "linked_by": list(removal.linked_by),
        "kept": [{"path": str(path), "why": why} for path, why in removal.kept],
    }


def _removal_lines(removal: Removal) -> list[str]:
    lines = [f"{removal.model}: {byte_count(removal.freed_bytes)} freed"]
    lines += [f"  goes   {path}" for path in removal.paths]
    lines += [f"  stays  {path} ({why})" for path, why in removal.kept]
    lines += [f"  stays  its files, which {name} uses" for name in removal.shared_with]
    lines += [f"  {name} links to its files and has to go first" for name in removal.linked_by]
    return lines
