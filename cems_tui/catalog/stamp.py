"""Tells cheaply whether the catalog would be another one now than it was."""

from __future__ import annotations

from cems_tui import paths

Stamp = tuple[tuple[str, int, int], ...]


def stamp() -> Stamp:
    """Name, time and size of every record of a pulled or imported model: equal, nothing changed."""
    folder = paths.current().models / "ledger"
    found = []
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else []:
        try:
            status = path.stat()
        except FileNotFoundError:
            continue  # removed while we looked: the next look tells
        found.append((path.name, status.st_mtime_ns, status.st_size))
    return tuple(found)
