"""Which model a typed name means, and whether what the Hub lists is what was pinned. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cems_tui.errors import DownloadError, UnknownName, UsageError
from cems_tui.models.ledger import Entry, Ledger, PinnedFile, chosen_name, is_repo
from cems_tui.models.repository import RemoteFile, Repository

_NONCOMMERCIAL = re.compile(r"non-?commercial|(?<![a-z])nc(?![a-z])|research[- ]only", re.I)


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """A model of the shipped catalog, as far as pulling goes."""

    name: str
    repo: str | None
    """The Hub repository it comes from; None when it cannot be pulled."""

    licence: str
    in_pack: bool = False
    revision: str | None = None
    functions: tuple[str, ...] = ()
    """Names of its functions in the catalog."""

    parts: tuple[tuple[str, str], ...] = ()
    """Of a model put together from others: component and the model it is of, the base as `base`."""

    noncommercial: bool = False
    """Whether its licence forbids commercial use."""

    files: tuple[str, ...] = ()
    """The files taken of a repository that holds more; a pattern takes the first that fits it.
    Empty takes what makes the model."""

    convert: bool = False
    """Whether its weights come as pickles only, and are kept as safetensors."""

    sha256: Mapping[str, str] = field(default_factory=dict)
    """Digests that files of the revision must have, by path; hexadecimal."""


@dataclass(frozen=True, slots=True)
class PullRequest:
    """What the user asked to be pulled."""

    name: str
    """A catalog name, the name of an earlier pull, or ORG/REPO."""

    revision: str | None = None
    rename: str | None = None
    steps: tuple[int, ...] = ()
    guidance: float | None = None
    size: tuple[int, int] | None = None
    files_only: bool = False
    """Whether a pipeline that nothing here draws with is wanted nevertheless, for its files."""


@dataclass(frozen=True, slots=True)
class Target:
    """The model that a wish means."""

    name: str
    repo: str
    revision: str | None
    """The commit it is held to, or what the user or the catalog asks for; None: the newest."""

    entry: Entry | None
    """What is recorded of it."""

    known: CatalogEntry | None
    pinned: bool
    """Whether the revision is the one recorded at an earlier pull."""


def resolve(wish: PullRequest, known: Mapping[str, CatalogEntry], ledger: Ledger) -> Target:
    """The model that a wish means.

    Raises:
        UnknownName: nothing is called that.
        UsageError: it cannot be pulled, or the name asked for is taken.
    """
    name = wish.name
    if "@" in name and name.split("@")[0] in {*known, *ledger.entries}:
        name = name.split("@")[0]  # a function stands for its model
    if is_repo(name):
        name = _name_of_repo(name, wish.rename, known, ledger) or name
    if name in known or name in ledger.entries:
        return _held(name, wish, known.get(name), ledger.entries.get(name))
    if not is_repo(name):
        if "/" in name:
            raise UsageError(f"{name!r} cannot be the name of a repository", "Write ORG/REPO.")
        error = UnknownName.of("model", name, [*known, *ledger.entries])
        raise UnknownName(str(error), f"{error.hint} Or give a Hub repository as ORG/REPO.")
    taken = {*known, *ledger.names()}
    return Target(chosen_name(name, wish.rename, taken), name, wish.revision, None, None, False)


def _name_of_repo(
    repo: str, rename: str | None, known: Mapping[str, CatalogEntry], ledger: Ledger
) -> str | None:
    """The name that a repository has here already; None when it has none."""
    if rename is not None:
        there = ledger.entries.get(rename)
        return rename if there is not None and there.repo == repo else None
    name = only_name(repo, known)
    if name is not None:
        return name
    entry = ledger.of_repo(repo)
    return None if entry is None else entry.name


def only_name(repo: str, known: Mapping[str, CatalogEntry]) -> str | None:
    """The catalog's model that comes from a repository; None when none does.

    Raises:
        UsageError: several do, each of some of its files.
    """
    names = [model.name for model in known.values() if model.repo == repo]
    if len(names) > 1:
        raise UsageError(
            f"{repo} holds several models: {', '.join(names)}", "Name the one that is meant."
        )
    return names[0] if names else None


def _held(name: str, wish: PullRequest, known: CatalogEntry | None, entry: Entry | None) -> Target:
    repo = known.repo if known is not None else entry.repo if entry is not None else None
    if known is not None and known.in_pack:
        raise UsageError(f"{name} is part of the program", "`cems generate` uses it as it is.")
    if repo is None:
        if known is None:
            raise UsageError(f"{name} was imported, not pulled", "`cems import` takes it again.")
        raise UsageError(
            f"{name} comes from no repository that could be pulled",
            "Put its folder together, and `cems import` it.",
        )
    if wish.rename not in (None, name):
        raise UsageError(f"{repo} is called {name} here", "Pull it without --name.")
    pinned = entry is not None and entry.commit is not None and wish.revision is None
    revision = entry.commit if pinned and entry is not None else wish.revision
    if revision is None and known is not None:
        revision = known.revision
    return Target(name, repo, revision, entry, known, pinned)


def hold_to(entry: Entry, repository: Repository) -> tuple[RemoteFile, ...]:
    """The recorded files as the Hub lists them today, if they are the same.

    Raises:
        DownloadError: a file is gone or differs.
    """
    listed = {file.path: file for file in repository.files}
    changed = [file.path for file in entry.published if not _same(file, listed.get(file.path))]
    if changed:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        raise DownloadError(
            f"{repository.repo} changed under the pinned revision {repository.commit[:12]}: "
            f"{changed[0]}{more} is not what was recorded",
            f"`cems pull {repository.repo} --revision main` takes what is there now.",
        )
    return tuple(
        RemoteFile(file.path, file.bytes, file.sha256, file.git_sha1) for file in entry.published
    )


def _same(pinned: PinnedFile, listed: RemoteFile | None) -> bool:
    if listed is None or listed.size != pinned.bytes:
        return False
    if listed.sha256 is not None and pinned.sha256 is not None:
        return listed.sha256 == pinned.sha256
    return pinned.git_sha1 is None or listed.git_sha1 in (None, pinned.git_sha1)


def functions_of(target: Target, steps: Iterable[int]) -> tuple[str, ...]:
    """The names of a model's functions: the catalog's, and one for each of the steps."""
    named = () if target.known is None else target.known.functions
    return tuple(dict.fromkeys((*named, *(f"{target.name}@{step}" for step in steps))))


def is_noncommercial(licence: str | None) -> bool:
    """Whether a licence's name says that money must not be made with it."""
    return licence is not None and _NONCOMMERCIAL.search(licence) is not None
