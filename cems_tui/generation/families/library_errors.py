"""What a library's exception means to a user."""

from __future__ import annotations

from pathlib import Path

from cems_tui.errors import (
    CemsError,
    GenerationError,
    OutOfMemory,
    WeightsError,
    says_no_memory,
)

_LONGEST_MESSAGE = 200


def loading_error(error: Exception, model: str, folder: Path) -> CemsError:
    """What to tell a user whose model did not load from `folder`."""
    if isinstance(error, CemsError):
        return error
    if says_no_memory(error):
        return OutOfMemory(f"there is no room on the device to load {model}")
    return WeightsError(f"{model} does not load from {folder}: {first_line(error)}")


def drawing_error(error: Exception, model: str) -> CemsError:
    """What to tell a user whose picture failed."""
    if isinstance(error, CemsError):
        return error
    if says_no_memory(error):
        return OutOfMemory(f"the device ran out of memory while {model} was drawing")
    return GenerationError(f"{model} failed: {first_line(error)}")


def first_line(error: Exception) -> str:
    """The exception's kind and first line, short: some messages embed whole tensors."""
    lines = str(error).strip().splitlines()
    text = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return text if len(text) <= _LONGEST_MESSAGE else text[: _LONGEST_MESSAGE - 1] + "…"
