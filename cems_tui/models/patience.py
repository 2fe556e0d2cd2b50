"""How often, and after what wait, something that failed is tried again. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Patience:
    """When to give up on a server."""

    tries: int = 6
    """Attempts in a row that bring no new byte."""

    refused_tries: int = 2
    """The same, where access was refused."""

    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 8.0

    longest_asked_seconds: float = 300.0
    """The longest Retry-After that is waited for."""

    def wait_seconds(
        self, failures: int, asked_seconds: float | None, *, refused: bool = False
    ) -> float | None:
        """Seconds until the next attempt; None to give up.

        Args:
            failures: attempts in a row that brought nothing, this one included; from 1.
            asked_seconds: what the server asked for; None when it did not.
        """
        if failures >= (self.refused_tries if refused else self.tries):
            return None
        if asked_seconds is not None:
            return asked_seconds if asked_seconds <= self.longest_asked_seconds else None
        return min(self.first_wait_seconds * 2.0 ** (failures - 1), self.longest_wait_seconds)
