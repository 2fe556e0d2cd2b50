"""The process of the resident engine: `python -m cems_tui.resident_engine KEY SECONDS`.

Commands start it (`services.engine.launch`); people need not.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack

from cems_tui import log
from cems_tui.cancel import Stop
from cems_tui.domain.note import Note
from cems_tui.domain.request import Event, Noted, Request
from cems_tui.errors import CemsError, DeviceBusy
from cems_tui.generation.device_status import Hold
from cems_tui.locks import FileLock, Holder
from cems_tui.profile import Engine, Profile
from cems_tui.services.device_access import waiting_words
from cems_tui.services.engine.child import write_to_the_log
from cems_tui.services.engine.resident import ResidentEngine, closed
from cems_tui.services.engine.resident_socket import NAME, listen

COMMAND = "resident engine"
"""What `cems ps` calls it."""


class CommandSession:
    """Draws what commands ask for, and takes the device with the first picture."""

    def __init__(self, profile: Profile, keep_alive_seconds: float) -> None:
        self._profile = profile
        self._stack = ExitStack()
        self._hold: Hold = profile.device.hold(
            keep_alive_seconds / 60, profile.settings.generation.chosen_device
        )
        self._engine: Engine | None = None
        self._stock = profile.catalog_stamp()
        self._shadow = profile.idle_shadow()

    def begin(self) -> None:
        """Another command's turn: what was pulled, removed or measured meanwhile counts."""
        if self._engine is None:
            return
        planner = self._engine.planner
        if (stock := self._profile.catalog_stamp()) != self._stock:
            self._stock = stock
            planner.restock(self._profile.catalog())
        planner.relearn(self._profile.cost_model(self._engine.store))

    def keep_alive(self, seconds: float) -> None:
        """How long a model that nobody uses stays from now on."""
        self._hold.keep_alive(seconds)

    def run(self, request: Request, emit: Callable[[Event], None], stop: Stop) -> None:
        """One picture, as `Session.run`; the command records what fails."""
        self._shadow.asked()

        def tell(holder: Holder) -> None:
            emit(Noted(request.id, Note("other", waiting_words(holder))))

        self._hold.acquire(stop=stop, on_wait=tell)
        if self._engine is None:
            self._engine = self._stack.enter_context(self._profile.engine_on(self._hold))
        self._engine.session.run(request, emit, stop)

    def resident(self) -> frozenset[str]:
        """Names of the models on the device."""
        return self._engine.session.resident() if self._engine else frozenset()

    def tend(self) -> bool:
        """Free what is due to leave; with nothing left the device goes to others."""
        if self._engine is None or not self._hold.held:
            return False
        left = self._engine.session.tend()
        if not self._engine.session.resident():
            self._hold.release()
        return left

    def idle(self, stop: Stop) -> bool:
        """Draw for a lot within the shadow budget, if there is one."""
        if (engine := self._engine) is None or not self._hold.held:
            return False
        return self._shadow.draw(engine.store, engine.planner, engine.session, stop)

    def close(self) -> None:
        """Give the device back."""
        self._engine = None
        self._stack.close()
        self._hold.release()


def main(key: str, keep_alive_seconds: float) -> int:
    """Serve until it is time to end; an engine that is there already is left alone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    write_to_the_log()
    profile = Profile.current()
    folder = profile.paths.resident_engine
    alone = FileLock(folder.with_name("engine.lock"), "the resident engine")
    try:
        alone.acquire()
        session = CommandSession(profile, keep_alive_seconds)
        door = listen(folder)
    except DeviceBusy:
        return 0
    except CemsError as error:
        log.error("the resident engine cannot start: %s", error)
        return error.exit_code
    try:
        ResidentEngine(door, key, session, keep_alive_seconds).serve()
    finally:
        (folder / NAME).unlink(missing_ok=True)
        closed(door)
    return 0


if __name__ == "__main__":
    asked = sys.argv[1:]
    sys.argv = [COMMAND]
    code = main(asked[0], float(asked[1]))
    os._exit(code)  # without taking torch down, while a command waits for the end
