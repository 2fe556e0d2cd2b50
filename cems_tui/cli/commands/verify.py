"""`cems verify`: a model's files against their digests."""

from __future__ import annotations

from typing import Any

from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.cli.model_options import (
    DryRun,
    Name,
    Yes,
)
from cems_tui.cli.pull_narrator import PullNarrator
from cems_tui.errors import WeightsError
from cems_tui.models.verify import Verified
from cems_tui.profile import Profile
from cems_tui.text import byte_count, counted


def verify(
    name: Name,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Read a model's files again and compare every digest with what was recorded."""
    narrator = PullNarrator(json=False, quiet=quiet or json)
    try:
        found = Profile.current().models.verify(name, narrator, dry_run=dry_run)
    finally:
        narrator.close()
    if json:
        output.json_document(_verified_row(found, dry_run))
    elif quiet:
        for path in found.damaged:
            output.line(str(found.path / path))
    elif dry_run:
        output.line(
            f"{found.model}: {counted(found.files, 'file')}, {byte_count(found.bytes)} to read"
        )
    elif not found.damaged:
        output.line(
            f"{found.model}: {counted(found.files, 'file')}, {byte_count(found.bytes)}, "
            f"all as they should be"
        )
    if found.damaged:
        raise WeightsError(
            f"{found.model} is damaged: {', '.join(found.damaged[:5])}",
            f"`cems pull {found.model}` fetches it again; what was imported, import again.",
        )


def _verified_row(found: Verified, dry_run: bool) -> dict[str, Any]:
    return {
        "model": found.model,
        "path": str(found.path),
        "files": found.files,
        "bytes": found.bytes,
        "ok": None if dry_run else not found.damaged,
        "damaged": list(found.damaged),
        "unknown": list(found.unknown),
    }
