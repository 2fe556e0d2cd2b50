"""What may pass and is worth asking again for, and what a server says about when."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from cems_tui.errors import DownloadError


class Transient(Exception):
    """Something that may pass: asking again is worth it."""

    def __init__(
        self, message: str, wait_seconds: float | None = None, *, refused: bool = False
    ) -> None:
        super().__init__(message)
        self.wait_seconds = wait_seconds
        """What the server asks to wait (Retry-After); None when it did not say."""

        self.refused = refused
        """Whether access was refused: an address that expired is renewed by asking once more."""


class Unreachable(DownloadError):
    """The Hub cannot be asked: no network, no server, or HF_HUB_OFFLINE."""


def retry_after(error: Exception) -> float | None:
    """Seconds the server asks to wait, given as seconds or as a date."""
    response = getattr(error, "response", None)
    told = None if response is None else response.headers.get("retry-after")
    if told is None:
        return None
    if told.strip().isdigit():
        return float(told)
    with suppress(ValueError):
        return max(0.0, (parsedate_to_datetime(told) - datetime.now(UTC)).total_seconds())
    return None


def reason(error: Exception, status: int | None) -> str:
    """Why it failed, short."""
    if status is not None:
        return f"busy ({status})"
    return str(error).strip().splitlines()[0][:160] if str(error).strip() else type(error).__name__
