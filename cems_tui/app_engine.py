"""What the terminal app is built of: a planner for its own process, a session for its engine's."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from cems_tui import paths, profile
from cems_tui.cancel import Stop
from cems_tui.catalog import catalog
from cems_tui.catalog.catalog import stamp
from cems_tui.domain.decision import RoutingDecision
from cems_tui.domain.request import Event, Request
from cems_tui.errors import CemsError
from cems_tui.generation.cost_model import CostModel
from cems_tui.routing.explain.explanation import Explanation
from cems_tui.services.planner import Planner


class AppPlanner:
    """The live price card's planner: torch-free, and up to date with what the engine measured and
    with what was pulled or removed, by this process or another.
    """

    def __init__(self) -> None:
        self._stock = stamp()
        self._planner = self._build()
        self._seen = _changes(paths.current().database)

    def decide(self, request: Request, resident: frozenset[str]) -> RoutingDecision:
        """The card of a request, among the installed functions.

        Raises:
            CemsError: as `Planner.decide`.
        """
        if (stock := stamp()) != self._stock:
            self._stock = stock
            self._planner.restock(catalog.current())
        changes = _changes(paths.current().database)
        if changes != self._seen:
            self._seen = changes
            with profile.open_history() as store:
                self._planner.relearn(CostModel(profile.observations(store), self._planner.pricing))
        return self._planner.decide(request, resident, installed_only=True)

    def explain(self, decision: RoutingDecision, load_cost: bool | None) -> Explanation:
        """Why the decision is what it is, told with the routers at hand.

        Raises:
            CemsError: as `Explainer.explain`.
        """
        from cems_tui.services.explainer import open_explainer

        return open_explainer(self._planner.shelf).explain(decision, load_cost)

    @staticmethod
    def _build() -> Planner:
        with profile.open_history() as store:
            return profile.build_planner(profile.open_planner_settings(), store)


def _changes(database: Path) -> tuple[float, ...]:
    """When the database was last written, as far as its files tell."""
    files = (database, database.with_name(f"{database.name}-wal"))
    return tuple(file.stat().st_mtime if file.exists() else 0.0 for file in files)


@dataclass(frozen=True, slots=True)
class OpenSession:
    """Opens the app's session in the engine's process; picklable."""

    session_name: str | None = None

    def __call__(self) -> AppSession:
        return AppSession(self.session_name)


class AppSession:
    """A session that takes the device with a picture and keeps it while a model is on it.

    An app that only looks leaves the device to others.
    """

    def __init__(self, session_name: str | None) -> None:
        self._name = session_name
        self._stack = ExitStack()
        self._engine: profile.Engine | None = None
        self._stock = stamp()

    def run(self, request: Request, emit: Callable[[Event], None], stop: Stop) -> None:
        """One picture, as `Session.run`; a failure is recorded before it is raised."""
        if self._engine is None:
            self._stock = stamp()
            self._engine = self._stack.enter_context(
                profile.open_engine(session_name=self._name, kind="app")
            )
        elif (stock := stamp()) != self._stock:
            self._stock = stock
            self._engine.planner.restock(catalog.current())
        self._engine.hold.acquire()
        try:
            self._engine.session.run(request, emit, stop)
        except CemsError as error:
            self._engine.record_failure(request, str(error), error.exit_code)
            raise

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

    def close(self) -> None:
        """Give the device back."""
        self._engine = None
        self._stack.close()
