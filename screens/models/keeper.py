"""What the models screen asks of the core; the app is given something that does it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from cems_tui.models.plan import PullPlan
from cems_tui.models.queue import Pulls, Told
from cems_tui.models.remove import Removal
from cems_tui.services.library import Library, Resident


class Pulling(Protocol):
    """The queue of pulls; none of its calls wait."""

    @property
    def pulls(self) -> Pulls: ...

    def listen(self, listener: Callable[[Told], None]) -> None: ...

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
