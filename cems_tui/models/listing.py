"""A repository's files as the Hub lists them, and as its cache holds them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cems_tui.errors import DownloadError
from cems_tui.models.plan import RemoteFile

_HEX = frozenset("0123456789abcdef")


def listed(repo: str, sibling: Any) -> RemoteFile:
    """One file of a model_info answer.

    Raises:
        DownloadError: its size is not told.
    """
    if sibling.size is None:
        raise DownloadError(f"the Hub does not say how large {repo}/{sibling.rfilename} is")
    large = sibling.lfs
    return RemoteFile(
        path=sibling.rfilename,
        size=int(sibling.size),
        sha256=None if large is None else large.sha256,
        git_sha1=sibling.blob_id if large is None else None,
    )


def of_cache(path: Path, root: Path) -> RemoteFile:
    """A file of the cache; its blob is named by its sha256, a small one's by git's id."""
    digest = path.resolve().name
    known = set(digest) <= _HEX
    return RemoteFile(
        path=path.relative_to(root).as_posix(),
        size=path.stat().st_size,
        sha256=digest if known and len(digest) == 64 else None,
        git_sha1=digest if known and len(digest) == 40 else None,
    )


def licence(info: Any) -> str | None:
    """The licence a model card names; None when it names none."""
    card = info.card_data
    named = getattr(card, "license_name", None) or getattr(card, "license", None)
    if isinstance(named, str):
        return named
    tags = [tag.removeprefix("license:") for tag in info.tags or () if tag.startswith("license:")]
    return tags[0] if tags else None
