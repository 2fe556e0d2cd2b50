"""The app's keeper of models: reads what there is, plans, pulls in the background, removes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from cems_tui.cancel import Stop
from cems_tui.catalog.catalog import known_models
from cems_tui.catalog.fit import Verdict
from cems_tui.catalog.recommend import verdict
from cems_tui.catalog.survey import Holding, Survey
from cems_tui.domain.function import Footprint, GenerationFunction, Model
from cems_tui.errors import UsageError
from cems_tui.files import free_bytes
from cems_tui.models.events import Emit, Installed, ModelEvent
from cems_tui.models.ledger import Entry, Ledger
from cems_tui.models.plan import PullPlan, fetched_bytes
from cems_tui.models.queue import PullQueue
from cems_tui.models.remove import Removal
from cems_tui.models.target import CatalogEntry, PullRequest
from cems_tui.services.device_access import DeviceAccess
from cems_tui.services.library import (
    FunctionFacts,
    Group,
    Library,
    ModelFacts,
    Part,
    Recommended,
    Resident,
    is_listed,
)
from cems_tui.services.machine_survey import footprint_here
from cems_tui.services.models import Models
from cems_tui.services.planner import Planner

if TYPE_CHECKING:
    from cems_tui.store.database import Store

_GROUPS: dict[Verdict, Group] = {
    "fits": "fits",
    "fits with offload": "offload",
    "unknown": "unknown",
    "does not fit": "too big",
}


class AppKeeper:
    """The models of one profile, for the app. Loads no torch."""

    def __init__(
        self,
        models: Models,
        device: DeviceAccess,
        history: Callable[[], AbstractContextManager[Store]],
        planner: Callable[[Store], Planner],
        survey: Callable[[Planner], Survey],
        pulls: Path,
    ) -> None:
        """Read nothing yet.

        Args:
            history: the database, for reading.
            planner: prices with what was measured in a database.
            survey: what this machine can hold of the planner's catalog.
            pulls: where the queue of pulls is kept.
        """
        self._models = models
        self._device = device
        self._history = history
        self._planner = planner
        self._survey = survey
        self._pulls = pulls

    def read(self) -> Library:
        """Every model, as things are now.

        Raises:
            CemsError: a setting cannot be followed, or the database cannot be read.
        """
        with self._history() as store:
            planner = self._planner(store)
            drawn = drawn_here(store)
        library = read_library(planner, drawn, self._survey(planner), self._models.ledger())
        return replace(library, models=tuple(filter(is_listed, library.models)))

    def resident(self) -> Resident:
        """What is on the device now, by component, whichever process holds it."""
        there = self._device.presence()
        if there is None:
            return Resident()
        alone = len(there.models) == 1
        components: dict[str, Part] = {}
        for model in there.models:
            for content, size in model.weights.items():
                name = model.names.get(content, "weights")
                told = name if alone else f"{model.model} {name}"
                components.setdefault(content, Part(told, size))
        parts = sorted(components.values(), key=lambda part: -part.bytes)
        return Resident(frozenset(model.model for model in there.models), tuple(parts))

    def plans(self, model: str) -> Sequence[PullPlan]:
        """What pulling it would fetch; raises as `Assembler.plans`."""
        return self._models.puller(_unheard, lambda question: False).plans(PullRequest(model))

    def removal(self, model: str) -> Removal:
        """What removing it would do; raises as `Models.plan_removal`."""
        return self._models.plan_removal(model)

    def remove(self, model: str) -> Removal:
        """Remove it, from the device too; raises as `Models.remove`."""
        removal = self._models.remove(model)
        if model in self.resident().models:
            self._device.ask_to_free(model)
        return removal

    def pulling(self) -> PullQueue:
        """The queue of pulls, with what an earlier run left."""
        return self._queue

    @cached_property
    def _queue(self) -> PullQueue:
        return PullQueue(self._pull_one, self._pulls, self._fetched)

    def _pull_one(self, model: str, agreed: bool, emit: Emit, stop: Stop) -> Installed:
        """One pull of the queue; what it would ask was answered before it was queued."""

        def ask(question: str) -> bool:
            if not agreed:
                raise UsageError(
                    f"{model} waits: its licence asks for your agreement",
                    "Its dialog shows the licence; y there agrees.",
                )
            return True

        return self._models.puller(emit, ask, stop).pull(PullRequest(model))

    def _fetched(self, model: str) -> tuple[int, int] | None:
        """Bytes of a model that an unfinished pull left, and of all of it."""
        return _left(model, known_models().get(model), self._models.ledger())


def drawn_here(store: Store) -> dict[str, int]:
    """Pictures drawn here, by function."""
    return {stats.function: stats.pictures for stats in store.stats().functions}


def read_library(
    planner: Planner, drawn: Mapping[str, int], survey: Survey, ledger: Ledger
) -> Library:
    """Every model of the planner's catalog, for whichever window shows it.

    Args:
        drawn: pictures drawn here, by function.
        survey: what this machine can hold of that catalog.
        ledger: what was pulled and imported.
    """
    return _Reading(planner, drawn, survey, ledger, known_models()).library()


def _unheard(event: ModelEvent) -> None:
    """A plan is the answer; what is reported on the way to it is not shown."""


def _left(model: str, known: CatalogEntry | None, ledger: Ledger) -> tuple[int, int] | None:
    """Over the parts of a model that is put together; None before its size is recorded."""
    apart = model if known is not None and known.files else None
    names = [model] if known is None or not known.parts else [part for _, part in known.parts]
    entries = [ledger.entries.get(name) or ledger.of_repo(name) for name in names]
    there = [entry for entry in entries if entry is not None and entry.files]
    if len(there) < len(names):
        return None
    done = sum(fetched_bytes(entry, ledger, apart) or 0 for entry in there)
    return done, sum(entry.total_bytes for entry in there)


@dataclass(frozen=True, slots=True)
class _Reading:
    """What is read once and looked at model by model."""

    planner: Planner
    drawn: Mapping[str, int]
    """Pictures drawn here, by function."""

    survey: Survey
    ledger: Ledger
    known: Mapping[str, CatalogEntry]

    def library(self) -> Library:
        return Library(
            models=tuple(map(self._facts, self.survey.holdings)),
            device=_device(self.survey),
            budget_bytes=self.survey.room.weight_bytes,
            free_bytes=free_bytes(self.ledger.models),
            recommended=tuple(self._recommended()),
            recommended_note=self.survey.recommendation.note,
        )

    def _facts(self, holding: Holding) -> ModelFacts:
        model, gain = holding.model, holding.gain
        entry = self.ledger.entries.get(model.name)
        functions = tuple(map(self._function, self.planner.catalog.of_model(model.name)))
        footprint = footprint_here(model, self.planner, self.survey.room)
        left = (
            None if model.installed else _left(model.name, self.known.get(model.name), self.ledger)
        )
        disk, estimated = self._disk(model, left, holding.download_bytes)
        drawn = sum(one.drawn for one in functions)
        measured = _measured(functions)
        earned = verdict(gain, disk, drawn, sum(self.drawn.values())) if model.installed else ()
        return ModelFacts(
            model=model,
            group=_group(holding, drawing=bool(functions)),
            reason=holding.reason,
            fit=holding.verdict,
            fits_now=holding.fits_now,
            functions=functions,
            memory_bytes=_memory(footprint) if measured is None else measured,
            memory_estimated=measured is None and footprint.provenance != "measured",
            disk_bytes=disk,
            disk_estimated=estimated,
            adds="" if gain is None else gain.cell,
            evidence=() if gain is None else (gain.sentence,),
            recommended=holding.recommended,
            verdict=earned,
            fetched_bytes=None if left is None else left[0] or None,
            files=_files(model.path, entry),
            revision=None if entry is None else entry.commit,
            accepted=None if entry is None else entry.accepted,
            pullable=self._pullable(model.name, entry),
            removable=model.installed and entry is not None,
        )

    def _function(self, function: GenerationFunction) -> FunctionFacts:
        expected = self.planner.expected(function, function.width, function.height)
        return FunctionFacts(
            function=function,
            seconds=expected.seconds,
            memory_bytes=expected.memory_bytes,
            cost_usd=self.planner.pricing.of(expected).usd,
            provenance=expected.provenance,
            drawn=self.drawn.get(function.name, 0),
        )

    def _disk(
        self, model: Model, left: tuple[int, int] | None, download: int | None
    ) -> tuple[int | None, bool]:
        """Bytes on the disk or to be fetched, and whether somebody guessed them."""
        entry = self.ledger.entries.get(model.name)
        if model.path is not None:
            if entry is not None:
                return entry.total_bytes, False
            return sum(f.stat().st_size for f in model.path.rglob("*") if f.is_file()), False
        if left is not None:
            return left[1], False
        return download, True

    def _pullable(self, name: str, entry: Entry | None) -> bool:
        known = self.known.get(name)
        if known is not None:
            return not known.in_pack and bool(known.repo or known.parts)
        return entry is not None and entry.repo is not None

    def _recommended(self) -> Iterable[Recommended]:
        models = self.planner.catalog.models()
        for pick in self.survey.recommendation.picks:
            model = models[pick.model]
            asks = model.gated or model.noncommercial
            yield Recommended(pick.model, pick.reason, pick.download_bytes, asks, model.licence)


def _files(folder: Path | None, entry: Entry | None) -> tuple[tuple[str, int], ...]:
    """Path and bytes of its files: as recorded; of what was never pulled, those of its folder."""
    if entry is not None:
        return tuple((file.path, file.bytes) for file in entry.files)
    if folder is None:
        return ()
    found = sorted(file for file in folder.rglob("*") if file.is_file())
    return tuple((file.relative_to(folder).as_posix(), file.stat().st_size) for file in found)


def _group(holding: Holding, *, drawing: bool) -> Group:
    if not drawing:
        return "support"
    return "installed" if holding.model.installed else _GROUPS[holding.verdict]


def _memory(footprint: Footprint) -> int | None:
    """What the weights and drawing take together; what drawing takes may not be known."""
    if footprint.weights_bytes is None:
        return None
    return footprint.weights_bytes + (footprint.activation_bytes or 0)


def _measured(functions: Sequence[FunctionFacts]) -> int | None:
    """The most that a picture took here; None where none was drawn."""
    taken = [one.memory_bytes for one in functions if one.provenance == "measured"]
    return max((size for size in taken if size is not None), default=None)


def _device(survey: Survey) -> str:
    room = survey.room
    return room.name if room.accelerated else f"CPU {room.name}"
