"""What a pull is about to do: which files, where they are found, what their licence asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cems_tui.generation.families import family_of_class
from cems_tui.models import install
from cems_tui.models.entries import is_whole
from cems_tui.models.events import Planned, PlannedFile
from cems_tui.models.files import free_bytes
from cems_tui.models.ledger import Ledger
from cems_tui.models.plan import Repository, Selection, picked, wanted
from cems_tui.models.target import Target, functions_of, is_noncommercial


def selected(target: Target, repository: Repository, index: Mapping[str, Any] | None) -> Selection:
    """The files of a repository that make the model: those the catalog names, else by its index.

    Raises:
        WeightsError: a file is missing, comes as a pickle only, or would leave the folder.
    """
    known = target.known
    if known is None or not known.files:
        return wanted(repository, index)
    return picked(repository, known.files, pickles=known.convert)


def places_of(models: Path, target: Target, repository: Repository) -> install.Places:
    """Where the model goes; models that take some files each of one repository lie apart."""
    apart = target.name if target.known is not None and target.known.files else None
    return install.Places.of(models, target.repo, repository.commit, apart)


def plan_of(
    ledger: Ledger,
    target: Target,
    repository: Repository,
    selection: Selection,
    pipeline: str | None,
    steps: tuple[int, ...],
    cached: Callable[[str], Path | None],
) -> Planned:
    """What pulling these files of the repository means."""
    known, places = target.known, places_of(ledger.models, target, repository)
    licence = known.licence if known else repository.licence
    notes = selection.notes
    if pipeline is not None and family_of_class(pipeline) is None:
        notes = (*notes, f"nothing here draws with a {pipeline} yet: it can be kept, not used")
    if known is not None and known.convert:
        notes = (*notes, "its weights come as pickles: they are kept as safetensors")
    if known is not None and _is_news(known.licence, repository.licence):
        notes = (*notes, f"the Hub calls its licence {repository.licence}")
    return Planned(
        model=target.name,
        repo=target.repo,
        revision=repository.commit,
        files=_found(ledger, target, repository, selection, places, cached),
        free_bytes=free_bytes(ledger.models),
        folder=places.final,
        licence=licence,
        gated=repository.gated,
        noncommercial=(known is not None and known.noncommercial)
        or is_noncommercial(licence)
        or is_noncommercial(repository.licence),
        pipeline=pipeline,
        functions=functions_of(target, steps),
        notes=notes,
    )


def _found(
    ledger: Ledger,
    target: Target,
    repository: Repository,
    selection: Selection,
    places: install.Places,
    cached: Callable[[str], Path | None],
) -> tuple[PlannedFile, ...]:
    entry = target.entry
    same = entry is not None and entry.commit == repository.commit
    if entry is not None and same and entry.fetched and is_whole(entry, entry.files, ledger):
        # What it was made from is gone; nothing of it is needed again.
        return tuple(PlannedFile(f.path, f.size, "installed", f.size) for f in selection.files)
    damaged = entry.damaged if entry is not None and same else ()
    return tuple(install.survey(selection.files, places, damaged, cached))


def _is_news(ours: str, told: str | None) -> bool:
    """Whether the Hub's licence is one that the catalog's name does not contain."""
    if told is None or told in ("other", "unknown"):
        return False
    return _letters(told) not in _letters(ours)


def _letters(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isalnum() or letter == "+")
