"""The models as the app knows them: what there is, what is pulled, what the device holds."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from textual.signal import Signal

from cems_tui.domain.request import Event
from cems_tui.errors import CemsError
from cems_tui.models.queue import Pulls, QueueUpdate
from cems_tui.services.engine.protocol import EngineLost, EngineReady
from cems_tui.text import counted, visible
from screens.background import in_background
from screens.failures import log_traceback
from screens.messages import LibraryRead, PullsTold, ResidentRead

if TYPE_CHECKING:
    from textual.app import App

    from cems_tui.models.plan import PullPlan
    from cems_tui.models.remove import Removal
    from cems_tui.services.library import Library, Resident

NO_PULLS = Pulls()


class Pulling(Protocol):
    """The queue of pulls; none of its calls wait."""

    @property
    def pulls(self) -> Pulls: ...

    def listen(self, listener: Callable[[QueueUpdate], None]) -> None: ...

    def add(self, model: str, *, agreed: bool = False) -> None: ...

    def pause(self, model: str) -> None: ...

    def cancel(self, model: str) -> None: ...

    def close(self) -> None: ...


class ModelKeeper(Protocol):
    """The models of this profile. Every method reads disks or asks the Hub: call it in a thread."""

    def read(self) -> Library:
        """Every model, as things are now.

        Raises:
            CemsError: the catalog or the database cannot be read.
        """
        ...

    def resident(self) -> Resident:
        """What is on the device now, whichever process holds it."""
        ...

    def plans(self, model: str) -> Sequence[PullPlan]:
        """What pulling it would fetch, one plan a repository.

        Raises:
            CemsError: the Hub cannot be asked, or refuses.
        """
        ...

    def removal(self, model: str) -> Removal:
        """What removing it would do.

        Raises:
            CemsError: there is nothing to remove, or it must stay.
        """
        ...

    def remove(self, model: str) -> Removal:
        """Remove it.

        Raises:
            CemsError: it must stay, or the disk refuses.
        """
        ...

    def pulling(self) -> Pulling:
        """The queue of pulls, opened once."""
        ...


@dataclass(frozen=True, slots=True)
class LibraryState:
    """How things stand with the models."""

    library: Library | None = None
    """As read last; None until it could be."""

    problem: tuple[str, str] | None = None
    """Why it cannot be read now, and what to do."""

    pulls: Pulls = NO_PULLS
    resident: Resident | None = None
    """None until an engine has told anything."""


class LibraryService:
    """Holds the state; screens subscribe to `changed`, or to `stock` for what can be drawn with.

    Only the UI's thread calls it; disks are read in the background.
    """

    def __init__(self, app: App[None], keeper: ModelKeeper) -> None:
        self.keeper = keeper
        self.state = LibraryState()
        self.changed: Signal[LibraryState] = Signal(app, "library")
        self.stock: Signal[None] = Signal(app, "stock")
        """What is installed is another: whoever showed it before asks again."""

        self._app = app
        self._opening = threading.Lock()
        self._pulling: Pulling | None = None
        self._engine_told = False

    def read(self) -> None:
        """Reads what there is; the first time also what an earlier run left to be pulled."""
        in_background(self._read, "library")

    def restock(self) -> None:
        """What is installed has changed."""
        self.read()
        self.stock.publish(None)

    def pull(self, models: Sequence[str], agreed: bool) -> None:
        """Queues these models, their licences agreed to or not."""
        for model in models:
            if self._pulling is not None:
                self._pulling.add(model, agreed=agreed)

    def pause(self, model: str) -> None:
        if self._pulling is not None:
            self._pulling.pause(model)

    def unqueue(self, model: str) -> None:
        if self._pulling is not None:
            self._pulling.cancel(model)

    def close(self) -> None:
        """What is being pulled is paused: the next start goes on with it."""
        if self._pulling is not None:
            self._pulling.close()
            self.state = replace(self.state, pulls=self._pulling.pulls)

    def follow_read(self, library: Library | None, problem: tuple[str, str] | None) -> None:
        """The models were read, or could not be: then those of the last time stay."""
        self._set(library=library or self.state.library, problem=problem)

    def follow_pulls(self, told: QueueUpdate) -> None:
        """The queue of pulls changed, or its running pull went on."""
        before = self.state.pulls
        self._set(pulls=told.pulls)
        for pull in told.pulls.failed:
            if (old := before.of(pull.model)) is not None and old.state != "failed":
                title = visible(pull.note)
                self._app.notify(pull.hint, title=title, severity="warning", markup=False)
        if told.installed is not None:
            functions = counted(len(told.installed.functions), "function")
            title = f"{visible(told.installed.model)} is installed"
            self._app.notify(f"{functions} to draw with", title=title, markup=False)
            self.restock()
        elif len(told.pulls.pulls) < len(before.pulls):
            self.read()  # one was cancelled: what it fetched is told in its row

    def follow_resident(self, resident: Resident) -> None:
        """What is on the device was read."""
        self._set(resident=resident)

    def follow_engine(self, event: Event) -> None:
        """The engine has opened or ended a picture, or is gone: the device holds something else."""
        if isinstance(event, EngineReady):
            self._engine_told = True
            in_background(self._read_resident, "resident")
        elif isinstance(event, EngineLost):
            self._set(resident=None)

    def _set(self, **changes: Any) -> None:
        self.state = replace(self.state, **changes)
        self.changed.publish(self.state)

    def _read(self) -> None:
        try:
            self._open()
            read = LibraryRead(self.keeper.read())
        except CemsError as error:
            read = LibraryRead(None, (str(error), error.hint))
        except Exception as error:
            # the studio must go on whatever a disk or a driver does; its words stand in the list
            text = f"the models cannot be listed: {type(error).__name__}: {error}"
            read = LibraryRead(None, (text, log_traceback(error)))
        self._app.post_message(read)
        if self._engine_told:
            self._read_resident()

    def _open(self) -> None:
        with self._opening:
            if self._pulling is None:
                self._pulling = self.keeper.pulling()
                self._pulling.listen(self._tell)

    def _tell(self, told: QueueUpdate) -> None:
        self._app.post_message(PullsTold(told))

    def _read_resident(self) -> None:
        self._app.post_message(ResidentRead(self.keeper.resident()))
