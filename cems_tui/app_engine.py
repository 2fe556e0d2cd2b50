"""What the terminal app is built of: a planner for its own process, a session for its engine's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from cems_tui import log
from cems_tui.cancel import Stop
from cems_tui.domain.decision import RoutingDecision
from cems_tui.domain.job import Foreseen
from cems_tui.domain.note import Note
from cems_tui.domain.request import Event, Noted, Request
from cems_tui.errors import CemsError
from cems_tui.locks import Holder
from cems_tui.profile import Engine, Profile
from cems_tui.services.device_access import waiting_words
from cems_tui.services.engine.process import EngineProcess
from cems_tui.services.queue.foresight import foreseen
from cems_tui.services.queue.queued_engine import QueuedEngine

if TYPE_CHECKING:
    from cems_tui.models.plan import PullPlan
    from cems_tui.models.queue import PullQueue
    from cems_tui.models.remove import Removal
    from cems_tui.routing.explain.explanation import Explanation
    from cems_tui.services.keeper import AppKeeper
    from cems_tui.services.library import Library, Resident


class AppPlanner:
    """The live price card's planner: torch-free, and up to date with what the engine measured and
    with what was pulled or removed, by this process or another.
    """

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._stock = profile.catalog_stamp()
        with profile.history() as store:
            self._planner = profile.planner_over(store)
        self._seen = _changes(profile.paths.database)

    def decide(
        self, request: Request, resident: frozenset[str], *, at_once: bool = False
    ) -> RoutingDecision:
        """The card of a request, among the installed functions.

        Args:
            at_once: from letters alone, where the router also reads a text encoder.

        Raises:
            CemsError: as `Planner.decide`.
        """
        if (stock := self._profile.catalog_stamp()) != self._stock:
            self._stock = stock
            self._planner.restock(self._profile.catalog())
        changes = _changes(self._profile.paths.database)
        if changes != self._seen:
            self._seen = changes
            with self._profile.history() as store:
                self._planner.relearn(self._profile.cost_model(store))
        return self._planner.decide(request, resident, installed_only=True, at_once=at_once)

    def recent_prompts(self) -> list[str]:
        """What was drawn before, newest first, each once.

        Raises:
            StorageError: the database cannot be read.
        """
        with self._profile.history() as store:
            drawn = store.generations(limit=RECENT_PICTURES)
        return list(dict.fromkeys(picture.prompt for picture in drawn))

    def foresee(self, request: Request) -> Foreseen:
        """What a picture of the queue is expected to take, as things are now."""
        return foreseen(self._planner, request)

    def explain(self, decision: RoutingDecision, load_cost: bool | None) -> Explanation:
        """Why the decision is what it is, told with the routers at hand.

        Raises:
            CemsError: as `Explainer.explain`.
        """
        return self._profile.explainer(self._planner.shelf).explain(decision, load_cost)


def queued_engine(profile: Profile, process: EngineProcess) -> QueuedEngine:
    """The app's engine behind the rows of the queue; what it foresees needs no torch."""
    planners: list[AppPlanner] = []

    def foresee(request: Request) -> Foreseen:
        if not planners:
            planners.append(AppPlanner(profile))
        return planners[0].foresee(request)

    return QueuedEngine(
        process, profile.records, profile.paths.database.exists, profile.job_owners, foresee
    )


class AppModels:
    """The keeper of the profile's models, made by the first thread that asks it: what it reads
    with takes a third of a second to import, which is not the first frame's to wait for.
    """

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._making = Lock()
        self._made: AppKeeper | None = None

    def read(self) -> Library:
        """As `AppKeeper.read`."""
        return self._keeper.read()

    def resident(self) -> Resident:
        """As `AppKeeper.resident`."""
        return self._keeper.resident()

    def plans(self, model: str) -> Sequence[PullPlan]:
        """As `AppKeeper.plans`."""
        return self._keeper.plans(model)

    def removal(self, model: str) -> Removal:
        """As `AppKeeper.removal`."""
        return self._keeper.removal(model)

    def remove(self, model: str) -> Removal:
        """As `AppKeeper.remove`."""
        return self._keeper.remove(model)

    def pulling(self) -> PullQueue:
        """As `AppKeeper.pulling`."""
        return self._keeper.pulling()

    @property
    def _keeper(self) -> AppKeeper:
        with self._making:
            if self._made is None:
                self._made = self._profile.keeper()
            return self._made


def _changes(database: Path) -> tuple[float, ...]:
    """When the database was last written, as far as its files tell."""
    files = (database, database.with_name(f"{database.name}-wal"))
    return tuple(file.stat().st_mtime if file.exists() else 0.0 for file in files)


RECENT_PICTURES = 100
"""Whose prompts can be called back."""

MADE_WAY = "the resident engine of `cems generate` was ended: the app draws itself"


@dataclass(frozen=True, slots=True)
class OpenSession:
    """Opens the app's session in the engine's process; picklable."""

    session_name: str | None = None

    def __call__(self) -> AppSession:
        return AppSession(Profile.forgiving(), self.session_name)


class AppSession:
    """A session that takes the device with a picture and keeps it while a model is on it.

    An app that only looks leaves the device to others.
    """

    def __init__(self, profile: Profile, session_name: str | None) -> None:
        self._profile = profile
        self._name = session_name
        self._stack = ExitStack()
        self._engine: Engine | None = None
        self._stock = profile.catalog_stamp()
        self._shadow = profile.idle_shadow()

    def prepare(self) -> None:
        """Import what a first picture needs, unless the settings say to wait.

        Takes seconds, once, and some hundred megabytes of memory; leaves the device alone.
        """
        if not self._profile.settings.app.prepare:
            return
        try:
            self._profile.warm_up()
        except CemsError as error:
            log.error("the engine is not prepared: %s", error)  # drawing will say it to the user

    def run(self, request: Request, emit: Callable[[Event], None], stop: Stop) -> None:
        """One picture, as `Session.run`; a failure is recorded before it is raised.

        The resident engine of commands gives the device up for it, if it is idle.
        """

        def tell(holder: Holder) -> None:
            emit(Noted(request.id, Note("other", waiting_words(holder))))

        if (self._engine is None or not self._engine.hold.held) and self._profile.make_way():
            emit(Noted(request.id, Note("other", MADE_WAY)))
        if self._engine is None:
            self._stock = self._profile.catalog_stamp()
            self._engine = self._stack.enter_context(
                self._profile.engine(session_name=self._name, kind="app", stop=stop, on_wait=tell)
            )
        elif (stock := self._profile.catalog_stamp()) != self._stock:
            self._stock = stock
            self._engine.planner.restock(self._profile.catalog())
        self._engine.hold.acquire(stop=stop, on_wait=tell)
        try:
            self._engine.session.run(request, emit, stop)
        except CemsError as error:
            self._engine.record_failure(request, str(error), error.exit_code)
            raise
        finally:
            self._shadow.asked()

    def resident(self) -> frozenset[str]:
        """Names of the models on the device."""
        return self._engine.session.resident() if self._engine else frozenset()

    def tend(self) -> bool:
        """Free what is due to leave; with nothing left on it the device goes to others.

        Returns:
            Whether a model left.
        """
        if self._engine is None or not self._engine.hold.held:
            return False
        left = self._engine.session.tend()
        if not self._engine.session.resident():
            self._engine.hold.release()
        return left

    def idle(self, stop: Stop) -> bool:
        """Draw for a lot within the shadow budget, if there is one."""
        if (engine := self._engine) is None or not engine.hold.held:
            return False
        return self._shadow.draw(engine.store, engine.planner, engine.session, stop)

    def close(self) -> None:
        """Give the device back."""
        self._engine = None
        self._stack.close()
