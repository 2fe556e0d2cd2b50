"""The errors a caller may catch, and the exit code each one means.

* CemsError                  1
  + GenerationError          1   a picture or its scores could not be made
  + UsageError               2   a bad argument, prompt, name or setting
    - UnknownName            2   nothing is called that; near names are suggested
    - ConfigError            2   config.toml says something we cannot follow
  + WeightsError             3   weights, pack or checkpoint missing or corrupted
    - ModelMissing           3   the function's model is not installed
    - DownloadError          3   a model could not be fetched; what was fetched is kept
  + GenerationTimeout        4
  + OutOfMemory              5   the device has no room, after the whole ladder
  + BudgetReached            6   a budget says stop
  + DeviceBusy               7   another process holds the device
  + StorageError             8   disk, folder or database cannot be written or is newer
  + Interrupted            130   the user stopped it

Every error says what happened to what; `hint` says what to do about it.
"""

from __future__ import annotations

from collections.abc import Iterable


class CemsError(Exception):
    """Something the user can act on: `str(error)` says what, `hint` says what to do."""

    exit_code = 1
    hint = ""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        if hint:
            self.hint = hint

    def __reduce__(self) -> tuple[type[CemsError], tuple[str, str]]:
        """Crosses a process boundary with its hint."""
        return (type(self), (str(self), self.hint))


class GenerationError(CemsError):
    """A picture could not be made, or could not be scored."""

    hint = "See the log for the details; `cems doctor` prints where it is."


class UsageError(CemsError):
    """An argument, prompt or setting that cannot be followed."""

    exit_code = 2
    hint = "See `cems --help`."


class UnknownName(UsageError):
    """A function, model, router, bench or metric name that nothing has."""

    @classmethod
    def of(cls, kind: str, name: str, known: Iterable[str]) -> UnknownName:
        """An error for `name`, suggesting the nearest of the `known` names."""
        from difflib import get_close_matches

        names = list(known)
        near = get_close_matches(name, names, n=3, cutoff=0.5)
        if near:
            hint = f"Did you mean {' or '.join(near)}?"
        elif names:
            hint = f"Known: {', '.join(names[:12])}{' …' if len(names) > 12 else ''}."
        else:
            hint = f"There is no {kind} yet."
        return cls(f"there is no {kind} named {name!r}", hint)


class ConfigError(UsageError):
    """config.toml holds something that cannot be followed."""

    hint = "Run `cems config validate`; `cems config path` prints where the file is."


class WeightsError(CemsError):
    """Weights, a pack or a checkpoint are missing, damaged, or not those expected."""

    exit_code = 3
    hint = (
        "Run `cems verify NAME`, and pull or import that model again if it is damaged; "
        "`cems starter verify` checks the starter pack."
    )


class ModelMissing(WeightsError):
    """The model of a generation function is not installed."""

    hint = "`cems ls` shows what is installed."


class DownloadError(WeightsError):
    """A model could not be fetched; what was fetched is kept, and the next pull goes on there."""

    hint = "Pull it again: it goes on where it stopped."


class GenerationTimeout(CemsError):
    """The picture was not ready within the time the user gave it."""

    exit_code = 4
    hint = "Give it more time with --timeout, or choose a faster function."


class OutOfMemory(CemsError):
    """The device has no room for this function, after all that can leave has left."""

    exit_code = 5
    hint = (
        "Choose a smaller function or size, or let weights hold more: "
        "CEMS_DEVICE_BUDGET_MB, device.budget_mb, device.leave_gb."
    )


class BudgetReached(CemsError):
    """Going on would break a budget the user set."""

    exit_code = 6
    hint = "Raise the budget, or let a cheaper function be chosen."


class DeviceBusy(CemsError):
    """Another process holds the device."""

    exit_code = 7
    hint = "Wait for it with --wait, or stop the other cems."


class StorageError(CemsError):
    """The disk, a folder or the database cannot be written, or is newer than the program."""

    exit_code = 8
    hint = "Check the disk and the folder; `cems history path` prints where they are."


class Interrupted(CemsError):
    """The user stopped the work."""

    exit_code = 130
    hint = "What was finished before is kept."


# Memory that ran out, in the words of those who say so.

_NO_MEMORY = (
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "out of memory",
    "bad_alloc",
    "could not create a memory",
)


def says_no_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out, on whichever device.

    torch raises a class of its own on cards and a bare RuntimeError on CPUs, Python MemoryError,
    the system OSError, and safetensors one that repeats the system's words.
    """
    if isinstance(error, OutOfMemory | MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if isinstance(error, CemsError):
        return False
    return any(sign in str(error).lower() for sign in _NO_MEMORY)
