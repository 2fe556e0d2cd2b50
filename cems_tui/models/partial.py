"""How much of a model an unfinished pull left on the disk."""

from __future__ import annotations

from cems_tui.models import install
from cems_tui.models.download import PART
from cems_tui.models.ledger import Entry, Ledger, inside


def fetched_bytes(entry: Entry, ledger: Ledger, apart: str | None = None) -> int | None:
    """Bytes of the entry's files that are here, whole or begun; None when there are none.

    Args:
        apart: the model's own part of its repository's folder, where several share one.
    """
    if ledger.present(entry) is not None:
        return entry.total_bytes
    if entry.repo is None or entry.commit is None:
        return None
    partial = install.Places.of(ledger.models, entry.repo, entry.commit, apart).partial
    if not partial.is_dir():
        return None
    found = 0
    for file in entry.files:
        target = inside(partial, file.path)
        part = target.with_name(target.name + PART)
        found += min(file.bytes, install.size_of(target) or install.size_of(part) or 0)
    return found or None
