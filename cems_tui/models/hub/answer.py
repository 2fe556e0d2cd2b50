"""What a Hub answers, typed at one gate: a mirror, a proxy or a login page may answer in its place.

Nothing of it names a file, is compared or is shown before it went through here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from cems_tui.errors import DownloadError, WeightsError
from cems_tui.models.repository import (
    INDEX,
    MOST_FILES,
    RemoteFile,
    Repository,
    checked_commit,
    refuse_unsafe,
)
from cems_tui.text import one_line

MOST_FILE_BYTES = 1 << 45
"""32 TiB: what is said to be larger is no file of a model."""

LARGEST_INDEX_BYTES = 1_000_000
LARGEST_ANSWER_BYTES = 16_000_000
"""Of a listing: a model has some dozens of files, a data set thousands."""

_LONGEST_LICENCE = 100
_SHA256 = re.compile(r"[0-9a-f]{64}")
_GIT_SHA1 = re.compile(r"[0-9a-f]{40}")

WRONG_TYPES = (
    ValueError,
    RecursionError,
    OverflowError,
    TypeError,
    LookupError,
    AttributeError,
)
"""What the Hub's library raises of an answer that is no answer of a Hub."""


def repository(repo: str, info: Any) -> Repository:
    """A repository's commit, files and licence, of a model_info answer.

    Raises:
        DownloadError: it is no such answer, or leaves a file's size or digest out.
        WeightsError: a file would be written outside the model's folder.
    """
    siblings = info.siblings
    if not isinstance(siblings, Sequence):
        raise DownloadError(f"the Hub does not say what {repo} holds", _NOT_THIS_HUB)
    if len(siblings) > MOST_FILES:
        raise DownloadError(
            f"the Hub lists {len(siblings):,} files for {repo}: no model has so many", _NOT_THIS_HUB
        )
    return repository_of(repo, info, siblings)


def repository_of(repo: str, info: Any, siblings: Sequence[Any]) -> Repository:
    """A repository with these of its files; raises as `repository`."""
    files = tuple(_listed(repo, sibling) for sibling in siblings)
    _refuse_doubles(repo, files)
    return Repository(
        repo=repo,
        commit=checked_commit(info.sha, repo),
        files=files,
        licence=_licence(info),
        gated=bool(info.gated),
    )


def named(info: Any, pattern: str) -> str | None:
    """The path of the first file that a pattern names; None where there is none."""
    paths = [one.rfilename for one in info.siblings or ()]
    return next(
        (path for path in sorted(map(str, paths)) if fnmatchcase(path, pattern)),
        None,
    )


def cached_file(path: Path, root: Path) -> RemoteFile:
    """A file of the Hub's cache; its blob is named by its sha256, a small one's by git's id."""
    digest = path.resolve().name
    return RemoteFile(
        path=path.relative_to(root).as_posix(),
        size=path.stat().st_size,
        sha256=digest if _SHA256.fullmatch(digest) else None,
        git_sha1=digest if _GIT_SHA1.fullmatch(digest) else None,
    )


def index(body: bytes, repo: str) -> dict[str, Any]:
    """The content of a model_index.json.

    Raises:
        WeightsError: it describes no pipeline.
    """
    try:
        content = json.loads(body) if len(body) <= LARGEST_INDEX_BYTES else None
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise WeightsError(
            f"{repo}/{INDEX} does not describe a pipeline",
            "Pull a repository in the diffusers layout.",
        )
    return content


_NOT_THIS_HUB = "Do not use this Hub (HF_ENDPOINT says which)."


def _listed(repo: str, sibling: Any) -> RemoteFile:
    path, size, large = sibling.rfilename, sibling.size, sibling.lfs
    if not isinstance(path, str):
        raise DownloadError(f"the Hub lists a file of {repo} without a name", _NOT_THIS_HUB)
    refuse_unsafe(path, repo)
    if size is None:
        raise DownloadError(f"the Hub does not say how large {repo}/{path} is", _NOT_THIS_HUB)
    if type(size) is not int or not 0 <= size <= MOST_FILE_BYTES:
        raise DownloadError(
            f"the Hub tells {one_line(repr(size), 40)} for the bytes of {repo}/{path}",
            _NOT_THIS_HUB,
        )
    sha256 = None if large is None else getattr(large, "sha256", None)
    git_sha1 = sibling.blob_id if large is None else None
    known = _is(_SHA256, sha256) if large is not None else _is(_GIT_SHA1, git_sha1)
    if not known:
        raise DownloadError(
            f"the Hub tells no digest of {repo}/{path}: what it sends could not be checked",
            "Ask the Hub itself (HF_ENDPOINT says which is asked), or get the files in a way that "
            "you trust and `cems import` them.",
        )
    return RemoteFile(path, size, sha256, git_sha1)


def _is(pattern: re.Pattern[str], digest: object) -> bool:
    return isinstance(digest, str) and pattern.fullmatch(digest) is not None


def _refuse_doubles(repo: str, files: Iterable[RemoteFile]) -> None:
    """Refuse two files of one name, and a file that another one needs as its folder.

    Raises:
        DownloadError: there are such.
    """
    paths: set[str] = set()
    for file in files:
        if file.path in paths:
            raise DownloadError(f"the Hub lists {repo}/{file.path} twice", _NOT_THIS_HUB)
        paths.add(file.path)
    for path in paths:
        parts = path.split("/")
        if any("/".join(parts[:depth]) in paths for depth in range(1, len(parts))):
            raise DownloadError(
                f"the Hub lists {repo}/{path} below what it lists as a file", _NOT_THIS_HUB
            )


def _licence(info: Any) -> str | None:
    """The licence a model card names, in one short line; None when it names none."""
    card = info.card_data
    tags = info.tags if isinstance(info.tags, list) else []
    told = [
        getattr(card, "license_name", None),
        getattr(card, "license", None),
        *(
            tag.removeprefix("license:")
            for tag in tags
            if isinstance(tag, str) and tag.startswith("license:")
        ),
    ]
    named = next((text for text in told if isinstance(text, str) and text.strip()), None)
    return None if named is None else one_line(named, _LONGEST_LICENCE)
