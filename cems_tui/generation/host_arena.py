"""Main memory that weights are read into, and read into again: pages that are there cost nothing.

A fresh page costs more than the bytes that are put into it. An arena whose network left is kept
for the next one until a load is over, and is never written back: the file has its content.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

_PAGE = mmap.PAGESIZE
_PRIVATE: dict[str, int] = (
    {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}
)
"""Shared memory, which is the default, has no pages beyond the size it began with."""


class HostArenas:
    """Hands out memory, and takes it back once nobody looks at it. Any thread may call."""

    def __init__(self) -> None:
        self._left: list[mmap.mmap] = []
        self._lock = Lock()

    def take(self, size: int) -> mmap.mmap:
        """At least `size` bytes: the smallest arena that is large enough, else the largest grown.

        What an arena has beyond that is given back to the system.

        Raises:
            MemoryError: the system has no room.
        """
        needed = max(_PAGE, -(-size // _PAGE) * _PAGE)
        with self._lock:
            free = sorted((one for one in self._left if _unseen(one)), key=len)
            chosen = next((one for one in free if len(one) >= needed), free[-1] if free else None)
            if chosen is None:
                return _fresh(needed)
            self._left.remove(chosen)
        try:
            if len(chosen) < needed:
                chosen.resize(needed)
        except (OSError, SystemError, ValueError):  # where memory cannot be remapped
            chosen.close()
            return _fresh(needed)
        if len(chosen) > needed and hasattr(mmap, "MADV_DONTNEED"):
            chosen.madvise(mmap.MADV_DONTNEED, needed, len(chosen) - needed)
        return chosen

    def give(self, memory: mmap.mmap) -> None:
        """Take an arena back. It may still be looked at; it is handed out when it is not."""
        with self._lock:
            self._left.append(memory)

    @property
    def idle_bytes(self) -> int:
        """Bytes of the arenas that wait for another network."""
        with self._lock:
            return sum(map(len, self._left))

    def release(self) -> None:
        """Give every waiting arena back to the system, as soon as nobody looks at it."""
        with self._lock:
            self._left.clear()


def seen(memory: mmap.mmap, size: int) -> Any:
    """The first `size` bytes of an arena as a tensor of bytes, which keeps it from others.

    torch lets go of a buffer that it was given and keeps its object alone: that is a view here,
    and an arena with a view cannot be remapped.
    """
    import torch

    return torch.frombuffer(memoryview(memory)[:size], dtype=torch.uint8)


def _unseen(memory: mmap.mmap) -> bool:
    """Whether no tensor lies in it: memory that is looked at cannot be remapped."""
    try:
        memory.resize(len(memory))
    except (BufferError, OSError, SystemError, ValueError):
        return False
    return True


def _fresh(size: int) -> mmap.mmap:
    try:
        made = mmap.mmap(-1, size, **_PRIVATE)
    except OSError as error:
        raise MemoryError(f"no room for {size:,} bytes: out of memory") from error
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):  # a kernel without huge pages
            made.madvise(mmap.MADV_HUGEPAGE)
    return made


def read_into(path: Path, parts: Sequence[tuple[int, Any]]) -> None:
    """Fill buffers from a file.

    Args:
        path: the file.
        parts: for each buffer, a writable memoryview of bytes, where it begins in the file.

    Raises:
        OSError: the file cannot be read, or ends before a buffer is full.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        for start, buffer in parts:
            file.seek(start)
            done = 0
            while done < len(buffer):
                count = file.readinto(buffer[done:])
                if not count:
                    raise OSError(f"{path} ends at {start + done:,} bytes")
                done += count
