"""The queue as the app knows it: what waits, in which order, and what is asked of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Protocol

from textual.signal import Signal

from cems_tui.errors import CemsError
from cems_tui.services.queue.outlook import Outlook
from cems_tui.text import visible
from screens.failures import log_traceback
from screens.messages import QueueRefused, QueueTold

if TYPE_CHECKING:
    from textual.app import App

NOTHING_QUEUED = Outlook()


class Queueing(Protocol):
    """The rows of the queue. Every call may wait for the disk, and may raise CemsError."""

    def listen(self, listener: Callable[[Outlook], None]) -> None: ...
    def hold(self, held: bool) -> None: ...
    def resume(self, ids: Sequence[str] = ()) -> None: ...
    def pause(self, ids: Sequence[str]) -> None: ...
    def cancel_rows(self, ids: Sequence[str]) -> None: ...
    def cancel_all(self) -> None: ...
    def retry(self, ids: Sequence[str]) -> None: ...
    def move(self, ids: Sequence[str], *, first: bool) -> None: ...
    def remove(self, ids: Sequence[str]) -> None: ...


class QueueService:
    """Holds the state; screens subscribe to `changed`.

    Only the UI's thread calls it; what is asked is done by a thread of its own, in order. What
    cannot be done is told to the app as `QueueRefused`.
    """

    def __init__(self, app: App[None], queue: Queueing) -> None:
        self.state = NOTHING_QUEUED
        self.changed: Signal[Outlook] = Signal(app, "queue")
        self._app = app
        self._queue = queue
        self._orders: SimpleQueue[Callable[[], None] | None] = SimpleQueue()

    def start(self) -> None:
        """Begin to listen: what an earlier run or another process left is told too."""
        self._queue.listen(self._tell)
        threading.Thread(target=self._give, name="queue-orders", daemon=True).start()

    def follow(self, told: Outlook) -> None:
        """The queue stands another way."""
        self.state = told
        self.changed.publish(told)

    def hold(self, held: bool) -> None:
        """Begin nothing more (what runs goes on to its end), or go on with what waits."""
        self._orders.put(partial(self._queue.hold, held))

    def resume(self, ids: Sequence[str] = ()) -> None:
        """Work on those jobs, or on all that wait for nobody or were interrupted."""
        self._orders.put(partial(self._queue.resume, tuple(ids)))

    def pause(self, ids: Sequence[str]) -> None:
        """Keep those from starting; what runs ends at its next step, and begins anew later."""
        self._orders.put(partial(self._queue.pause, tuple(ids)))

    def cancel(self, ids: Sequence[str]) -> None:
        """Take those out; what runs ends at its next step."""
        self._orders.put(partial(self._queue.cancel_rows, tuple(ids)))

    def cancel_all(self) -> None:
        """Take everything out that is not finished."""
        self._orders.put(self._queue.cancel_all)

    def retry(self, ids: Sequence[str]) -> None:
        """Try failed or cancelled jobs again."""
        self._orders.put(partial(self._queue.retry, tuple(ids)))

    def move(self, ids: Sequence[str], *, first: bool) -> None:
        """Put those before, or behind, all others."""
        self._orders.put(partial(self._queue.move, tuple(ids), first=first))

    def remove(self, ids: Sequence[str]) -> None:
        """Forget those that do not run."""
        self._orders.put(partial(self._queue.remove, tuple(ids)))

    def close(self) -> None:
        """No more orders."""
        self._orders.put(None)

    def _tell(self, told: Outlook) -> None:
        self._app.post_message(QueueTold(told))

    def _give(self) -> None:
        while (order := self._orders.get()) is not None:
            try:
                order()
            except CemsError as error:
                self._refuse(str(error), error.hint)
            except Exception as error:
                # the app goes on whatever a row or a disk does
                self._refuse(f"{type(error).__name__}: {error}", log_traceback(error))

    def _refuse(self, text: str, hint: str) -> None:
        self._app.post_message(QueueRefused(visible(text), visible(hint)))
