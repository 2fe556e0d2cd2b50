"""The Unix socket of the resident engine: in a folder of one user, open to no other.

The folder is readable by its owner alone (0700), and both ends look whose process the other is.
A socket whose engine is gone refuses connections, so that what is left of one is never waited for.
"""

from __future__ import annotations

import os
import select
import socket
import stat
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cems_tui.errors import StorageError
from cems_tui.paths import ensure
from cems_tui.services.engine.wire import LONGEST_LINE_BYTES, BadMessage, decoded, encoded

NAME = "socket"
LONGEST_ADDRESS = 100
"""Bytes of a path that a Unix socket can be bound to: 103 on macOS, 107 on Linux."""

_READ_BYTES = 1 << 16


class Line:
    """A connection as lines of messages; see `Channel`."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._sending = threading.Lock()
        self._read = bytearray()

    def send(self, message: Any) -> None:
        """Send a message; from any thread.

        Raises:
            OSError: nobody listens any more.
        """
        with self._sending:
            self._connection.sendall(encoded(message))

    def recv(self) -> Any:
        """The next message, waiting for it.

        Raises:
            EOFError: the other end closed.
            OSError: the line broke, or the time set is over.
            BadMessage: what came is no message.
        """
        while (end := self._read.find(b"\n")) < 0:
            if len(self._read) > LONGEST_LINE_BYTES:
                raise BadMessage("a line without an end")
            more = self._connection.recv(_READ_BYTES)
            if not more:
                raise EOFError
            self._read += more
        line = bytes(self._read[:end])
        del self._read[: end + 1]
        return decoded(line)

    def ready(self, seconds: float) -> bool:
        """Whether something can be received, or the other end closed, within so many seconds."""
        if b"\n" in self._read:
            return True
        return bool(select.select([self._connection], [], [], seconds)[0])

    def limit(self, seconds: float | None) -> None:
        """How long receiving may take from now on; None is for ever."""
        self._connection.settimeout(seconds)

    def close(self) -> None:
        """Close it, whoever still waits on it."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()


def usable(folder: Path) -> bool:
    """Whether this system can have a socket there."""
    return hasattr(socket, "AF_UNIX") and (
        sys.platform == "linux" or len(os.fsencode(folder / NAME)) <= LONGEST_ADDRESS
    )


def listen(folder: Path) -> socket.socket:
    """A socket that waits for commands; what an engine before left there is replaced.

    The caller holds the lock that says it is the only engine.

    Raises:
        StorageError: the folder is another user's, or nothing can be made in it.
    """
    ensure(folder.parent)
    try:
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        _refuse_foreign(folder)
        folder.chmod(0o700)
        (folder / NAME).unlink(missing_ok=True)
        door = socket.socket(socket.AF_UNIX)
        with _address(folder) as address:
            door.bind(address)
        (folder / NAME).chmod(0o600)
        door.listen()
    except OSError as error:
        raise StorageError(
            f"no engine can listen in {folder}: {error.strerror or error}"
        ) from error
    return door


def accept(door: socket.socket) -> Line | None:
    """The next connection, waiting for it; None for that of another user.

    Raises:
        OSError: the socket was closed.
    """
    connection, _ = door.accept()
    if not _is_ours(connection):
        connection.close()
        return None
    return Line(connection)


def connect(folder: Path) -> Line | None:
    """A line to the engine that listens there; None when none does."""
    try:
        _refuse_foreign(folder)
        connection = socket.socket(socket.AF_UNIX)
        try:
            with _address(folder) as address:
                connection.connect(address)
        except OSError:
            connection.close()
            raise
    except OSError:
        return None  # no folder, no socket, or one whose engine is gone
    if not _is_ours(connection):
        connection.close()
        return None
    return Line(connection)


def _refuse_foreign(folder: Path) -> None:
    """Raises PermissionError when the folder is a link, no folder, or another user's."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise PermissionError(f"{folder} is not a folder of this user's own")


@contextmanager
def _address(folder: Path) -> Iterator[str]:
    """The socket's path, short enough however deep the folder lies."""
    whole = str(folder / NAME)
    if len(os.fsencode(whole)) <= LONGEST_ADDRESS:
        yield whole
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{NAME}"
    finally:
        os.close(descriptor)


def _is_ours(connection: socket.socket) -> bool:
    """Whether the other end is a process of the same user, where the system tells."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return True  # the folder lets nobody else in
    size = struct.calcsize("3i")
    _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, option, size))
    return bool(uid == os.getuid())
