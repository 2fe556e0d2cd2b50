"""Real `cems` processes, forked from one that has everything imported, and hurt on their way."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import gc
import json
import os
import pty
import select
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from cems_tui.__main__ import main as cems_main
from cems_tui.cli.command_table import Cems as CommandTable
from tests.cli.cems import environment
from tests.cli.fork_server import HEAVY, Order, become, leave

Harm = Callable[[], None]
"""Called in the process before it begins."""

LONGEST_SECONDS = 120
WRITES = ("replace", "rename", "link", "symlink", "unlink", "remove", "fsync", "mkdir", "rmdir")
"""The calls of the system between which a whole state has to lie."""

STATEMENTS = ("BEGIN", "COMMIT", "INSERT", "UPDATE", "DELETE", "RELEASE", "SAVEPOINT")
FaultKind = Literal["kill", "full", "denied"]
ERRORS: dict[str, int] = {"full": errno.ENOSPC, "denied": errno.EACCES}


def unharmed() -> None:
    """No harm."""


@dataclass(frozen=True)
class Ended:
    """How a process went."""

    code: int
    out: str
    err: str
    seconds: float
    left: tuple[str, ...] = ()
    """The commands of the processes that it left running."""


@dataclass(frozen=True)
class Moment:
    """When a process is sent a signal."""

    after_seconds: float
    number: int

    @property
    def words(self) -> str:
        return f"{signal.Signals(self.number).name} after {self.after_seconds:.3f} s"

    def strike(self, child: int) -> None:
        """Wait and send: ctrl+c and the end of a terminal reach the whole group."""
        time.sleep(self.after_seconds)
        with contextlib.suppress(ProcessLookupError):
            if self.number in (signal.SIGINT, signal.SIGHUP):
                os.killpg(child, self.number)
            else:
                os.kill(child, self.number)


@dataclass(frozen=True)
class Forks:
    """Starts `cems` in forks of this process."""

    extra: Mapping[str, str] = field(default_factory=dict)
    """What its environment has besides."""

    def run(
        self,
        arguments: Sequence[str],
        home: Path,
        harm: Harm = unharmed,
        moment: Moment | None = None,
    ) -> Ended:
        """One command in a home, hurt or sent a signal after a while."""
        return self._forked(home, list(arguments), harm, moment, lambda: leave(cems_main()))[0]

    def look(
        self, listings: Sequence[Sequence[str]], home: Path, harm: Harm = unharmed
    ) -> list[Ended]:
        """Commands that only read, one after the other in one process."""
        results = Path(tempfile.mkstemp()[1])

        def read() -> None:
            from cems_tui.cli.main import main

            told = []
            for arguments in listings:
                places = [os.fstat(number).st_size for number in (1, 2)]
                began = time.monotonic()
                code = main(list(arguments))
                sys.stdout.flush()
                sys.stderr.flush()
                told.append((code, places, time.monotonic() - began))
            results.write_text(json.dumps(told))
            os._exit(0)  # what waits for the end of this process is not to be done in a fork

        ended, out, err = self._forked(home, ["ls"], harm, None, read)
        told = json.loads(results.read_text() or "[]")
        results.unlink()
        if ended.code != 0 or len(told) != len(listings):
            last = listings[min(len(told), len(listings) - 1)]
            return [Ended(70, "", f"{last} ends in {ended.code}: {ended.err}", ended.seconds)]
        ends = [*(places for _, places, _ in told[1:]), [len(out), len(err)]]
        return [
            Ended(
                code,
                out[begin[0] : end[0]].decode(errors="replace"),
                err[begin[1] : end[1]].decode(errors="replace"),
                seconds,
            )
            for (code, begin, seconds), end in zip(told, ends, strict=True)
        ]

    def _forked(
        self,
        home: Path,
        arguments: list[str],
        harm: Harm,
        moment: Moment | None,
        work: Callable[[], None],
    ) -> tuple[Ended, bytes, bytes]:
        place = Path(tempfile.mkdtemp())
        streams = [place / name for name in ("stdin", "stdout", "stderr")]
        for stream in streams:
            stream.touch()
        order = Order(
            arguments,
            self._environment(home),
            str(home.parent),
            list(map(str, streams)),
            LONGEST_SECONDS,
        )
        began = time.monotonic()
        child = os.fork()
        if not child:
            try:
                os.setsid()
                become(order)
                harm()
                work()
            finally:
                os._exit(70)
        if moment is not None:
            moment.strike(child)
        _, status = os.waitpid(child, 0)
        seconds = time.monotonic() - began
        out, err = (stream.read_bytes() for stream in streams[1:])
        shutil.rmtree(place)
        told = [text.decode(errors="replace") for text in (out, err)]
        code = os.waitstatus_to_exitcode(status)
        return Ended(code, *told, seconds, left_running(child)), out, err

    def app(self, home: Path, keys: Sequence[tuple[str, bytes]], moment: Moment) -> Ended:
        """The app in a terminal: its user waits for words and types, then it is sent a signal."""
        child, terminal = pty.fork()
        if not child:
            try:
                os.chdir(home.parent)
                os.umask(0o022)
                os.environ.clear()
                os.environ.update({**self._environment(home), "TERM": "xterm-256color"})
                sys.argv[1:] = []
                os.execv(sys.executable, [sys.executable, "-m", "cems_tui"])
            finally:
                os._exit(70)
        began, shown = time.monotonic(), b""

        def read(until: Callable[[], bool], seconds: float) -> None:
            nonlocal shown
            end = time.monotonic() + seconds
            while not until() and time.monotonic() < end:
                if select.select([terminal], [], [], 0.05)[0]:
                    try:
                        shown += os.read(terminal, 65536)
                    except OSError:  # Linux: nobody has the other end open any more
                        return

        for words, typed in keys:
            wanted = words.encode()
            read(lambda wanted=wanted: wanted in shown, LONGEST_SECONDS)  # type: ignore[misc]
            os.write(terminal, typed)
        read(lambda: False, moment.after_seconds)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, moment.number)
        read(lambda: False, LONGEST_SECONDS)
        os.close(terminal)
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - began
        return Ended(code, shown.decode(errors="replace"), "", seconds, left_running(child))

    def _environment(self, home: Path) -> dict[str, str]:
        temporary = home.parent / "tmp"
        temporary.mkdir(exist_ok=True)
        return environment(home, {"TMPDIR": str(temporary), **self.extra})


def import_all() -> None:
    """What any command imports, so that forks need not."""
    for module in HEAVY:
        import_module(module)
    waiting = [CommandTable]
    while waiting:
        for load, _ in waiting.pop().table.values():
            found = load()
            table = getattr(getattr(found, "info", None), "cls", None)
            if table is not None:
                waiting.append(table)
    gc.freeze()


@contextmanager
def kept_by_forks() -> Iterator[Path]:
    """A folder until the block ends: no fork that ends removes it, as the library's would."""
    folder = Path(tempfile.mkdtemp())
    owner = os.getpid()
    try:
        yield folder
    finally:
        if os.getpid() == owner:
            shutil.rmtree(folder, ignore_errors=True)


def left_running(session: int, seconds: float = 10.0) -> tuple[str, ...]:
    """The commands of a session's processes that do not end within some seconds."""
    end = time.monotonic() + seconds
    while True:
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                state, _, _, of = (process / "stat").read_text().rpartition(")")[2].split()[:4]
                if int(of) == session and state != "Z":
                    words = (process / "cmdline").read_bytes().replace(b"\0", b" ")
                    found.append(words.decode(errors="replace")[:200])
        if not found or time.monotonic() > end:
            return tuple(found)
        time.sleep(0.1)


# Harms.


def planted(at: int, kind: FaultKind, reached: Path) -> Harm:
    """Kills the process before its write number `at`, or has that write refused."""

    def harm() -> None:
        count = 0

        def one_more() -> bool:
            nonlocal count
            count += 1
            if count != at:
                return False
            reached.touch()
            if kind == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            return True

        def guarded(call: Callable[..., Any]) -> Callable[..., Any]:
            def wrapped(*arguments: Any, **options: Any) -> Any:
                if one_more():
                    number = ERRORS[kind]
                    raise OSError(number, os.strerror(number))
                return call(*arguments, **options)

            return wrapped

        for name in WRITES:
            setattr(os, name, guarded(getattr(os, name)))
        if kind != "kill":
            return  # SQLite's own writes are refused by a real full disk
        connect = sqlite3.connect

        def traced(*arguments: Any, **options: Any) -> sqlite3.Connection:
            made = connect(*arguments, **options)

            def told(statement: str) -> None:
                if statement.lstrip().upper().startswith(STATEMENTS):
                    one_more()

            made.set_trace_callback(told)
            return made

        sqlite3.connect = traced  # type: ignore[assignment]

    return harm


_CAPABILITIES_THAT_PASS_BY_PERMISSIONS = (1, 2, 3)
_DROP_FROM_BOUNDING_SET = 24
_CAPABILITY_VERSION = 0x20080522


def as_ordinary_user() -> None:
    """Permissions count from now on, for the superuser too, and for what it starts."""
    if os.geteuid() != 0:
        return
    kernel = ctypes.CDLL(None, use_errno=True)
    for capability in _CAPABILITIES_THAT_PASS_BY_PERMISSIONS:
        kernel.prctl(_DROP_FROM_BOUNDING_SET, capability, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    none = (ctypes.c_uint32 * 6)()
    if kernel.capset(header, none) != 0:
        raise OSError(ctypes.get_errno(), "capset")
