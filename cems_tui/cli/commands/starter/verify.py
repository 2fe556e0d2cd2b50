"""`cems starter verify`: the pack's files and what they draw."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cems_tui import paths
from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.starter.manifest import Manifest
from cems_tui.starter.manifest import verify as verify_pack
from cems_tui.starter.recipe.checks.smoke import TOLERANCE, draws_as_recorded, recorded


def verify(
    pack: Annotated[
        Path | None, typer.Option("--pack", metavar="DIR", help="A pack elsewhere.")
    ] = None,
    draw: Annotated[
        bool, typer.Option("--draw/--no-draw", help="Also draw a few prompts and check them.")
    ] = True,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Check every file of the pack against its sha256, then what its pipelines draw."""
    root = pack or paths.checkpoints() / "starter"
    manifest = verify_pack(root)
    total = sum(entry.bytes for entry in manifest.files.values())
    if not json and not quiet:
        output.line(
            f"{root}: {len(manifest.files)} files, {total / 1e6:.1f} MB, all as they should be"
        )
    drawn = _drawn(root, manifest, quiet=quiet or json) if draw else None
    if json:
        output.json_document(
            {
                "pack": str(root),
                "version": manifest.version,
                "files": len(manifest.files),
                "bytes": total,
                "ok": True,
                "drawn": drawn,
            }
        )


def _drawn(root: Path, manifest: Manifest, *, quiet: bool) -> dict[str, Any] | None:
    """Pipeline → what it draws right now and when it was packed; None where none is recorded."""
    due = recorded(manifest)
    if not due:
        if not quiet:
            output.note("this pack has no checker: what it draws is not looked at")
        return None
    found = draws_as_recorded(root, manifest)
    for name, share in found.items():
        before = due[name].value or 0.0
        if not quiet:
            output.line(
                f"{name}: {share.right} of {share.of} prompts drawn right; "
                f"{due[name].right} when packed, at least {max(0.0, before - TOLERANCE):.2f} is due"
            )
    return {name: {**share.as_json(), "recorded": due[name].value} for name, share in found.items()}
