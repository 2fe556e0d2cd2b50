"""The history as the app reads and changes it: lists, one picture, marks, the trash."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from cems_tui.domain.generation import Generation
from cems_tui.domain.savings import Savings
from cems_tui.errors import CemsError, StorageError
from cems_tui.services.history import History
from cems_tui.store.database import Store, open_store
from cems_tui.store.frontier import Frontier
from cems_tui.store.generations import Marks
from cems_tui.store.lists.picture_list import PictureList, PictureRow
from cems_tui.store.lists.session_list import SessionRow
from cems_tui.store.receipts import read_receipt
from cems_tui.store.statistics import Group, Stats

T = TypeVar("T")
A = TypeVar("A")
Row = TypeVar("Row", covariant=True)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of the history, and what the user said of it."""

    generation: Generation
    marks: Marks
    trouble: str = ""
    """What is wrong with its file; empty where nothing is."""


class Gallery:
    """The history of one home. Every method reads a disk: call it in a thread.

    Its database is opened when it is first asked for, and again where another has come into its
    place. Where there is none, the history is empty and none is made.
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        self._open = threading.Lock()
        self._stores: dict[str, tuple[tuple[int, int] | None, Store]] = {}

    def pictures(self, search: str | None = None, *, hidden: bool = False) -> Listed[PictureRow]:
        """The pictures that a search finds, as a source of a list.

        Raises:
            UsageError: the search cannot be one.
            StorageError: the database cannot be read.
        """

        def made(store: Store) -> PictureList:
            return store.picture_list(search, hidden=hidden)

        self.reading(made)
        return Listed(self, made, search)

    def newest(self, count: int) -> Sequence[PictureRow]:
        """So many of the newest pictures, or all.

        Raises:
            StorageError: the database cannot be read.
        """
        return self.reading(lambda store: store.picture_list().page_at(0, count))

    def sessions(self) -> Listed[SessionRow]:
        """The sessions that drew pictures, as a source of a list."""
        return Listed(self, lambda store: store.session_list())

    def savings(self, sessions: Sequence[str]) -> dict[str, Savings]:
        """What routing saved in each of those sessions.

        Raises:
            StorageError: the database cannot be read.
        """
        return self.reading(
            lambda store: {name: store.stats(name).savings for name in sessions}, "counts"
        )

    def picture(self, name: str) -> Picture:
        """The picture of that id.

        Raises:
            UnknownName: it is gone.
            StorageError: the database cannot be read, or its row is damaged.
        """

        def read(store: Store) -> Picture:
            made = store.generation(name)
            return Picture(made, store.marks([made.id])[made.id], file_trouble(made))

        return self.reading(read)

    def names(self) -> dict[str, tuple[str, ...]]:
        """Functions, models, routers and sessions that a search can be completed with."""
        return self.reading(lambda store: store.names(), "counts")

    def rate(self, name: str, rating: int | None) -> None:
        """Rate a picture 1 to 5; None takes the rating back.

        Raises:
            UnknownName: it is gone.
            StorageError: it cannot be written.
        """
        self.reading(lambda store: store.rate(name, rating))

    def star(self, name: str, starred: bool) -> None:
        """Star a picture, or take the star back; raises as `rate`."""
        self.reading(lambda store: store.star(name, starred))

    def hide(self, names: tuple[str, ...], hidden: bool) -> None:
        """Put pictures into the trash, or take them back; raises as `rate`."""

        def write(store: Store) -> None:
            for name in names:
                store.hide(name, hidden)

        self.reading(write)

    def export(self, names: tuple[str, ...], folder: Path) -> int:
        """Copy pictures into a folder, with their receipts; how many there were to copy.

        Raises:
            UsageError: a file of that name is there.
            StorageError: it cannot be written.
        """

        def write(store: Store) -> int:
            made = [store.generation(name) for name in names]
            return History(store).hand_on(made, folder, stripped=False)

        return self.reading(write)

    def charted(self) -> tuple[Stats, list[Group], Frontier | None]:
        """What the history adds up to, in all and by day, and ways to choose over the newest.

        Raises:
            StorageError: the database cannot be read.
        """

        def read(store: Store) -> tuple[Stats, list[Group], Frontier | None]:
            return store.stats(), store.stats_by("day"), store.frontier()

        return self.reading(read, "counts")

    def reading(self, ask: Callable[[Store], T], purpose: str = "rows") -> T:
        """What the store answers. What counts has a connection of its own, so that rows do not
        wait for it.

        Raises:
            StorageError: the database cannot be opened, read or written.
        """
        return ask(self._store(purpose))

    def close(self) -> None:
        with self._open:
            for _, store in self._stores.values():
                store.close()
            self._stores.clear()

    def _store(self, purpose: str) -> Store:
        with self._open:
            there = _identity(self._database)
            known = self._stores.get(purpose)
            if known is not None and known[0] == there:
                return known[1]
            if known is not None:
                known[1].close()
                del self._stores[purpose]
            store = self._opened(there is not None)
            self._stores[purpose] = (there, store)
            return store

    def _opened(self, there: bool) -> Store:
        """The database, brought up to date; one that cannot be written is read as it is."""
        if not there:
            return open_store(self._database, read_only=True)
        try:
            return open_store(self._database)
        except StorageError as refused:
            try:
                return open_store(self._database, read_only=True)
            except StorageError:
                raise refused from None


class _List(Protocol[Row]):
    """What a store answers of a list."""

    def count(self) -> int: ...
    def rank(self, key: Any) -> int: ...
    def page(self, after: Any, count: int) -> Sequence[Row]: ...
    def page_before(self, before: Any, count: int) -> Sequence[Row]: ...
    def page_at(self, index: int, count: int) -> Sequence[Row]: ...


@dataclass(frozen=True, slots=True)
class Listed(Generic[T]):
    """A source of rows that survives its database being replaced."""

    gallery: Gallery
    made: Callable[[Store], _List[T]]
    search: str | None = None

    def count(self) -> int:
        return self._ask(lambda found: found.count(), "counts")

    def rank(self, key: Any) -> int:
        return self._ask(lambda found: found.rank(key), "counts")

    def page(self, after: Any, count: int) -> Sequence[T]:
        return self._ask(lambda found: found.page(after, count))

    def page_before(self, before: Any, count: int) -> Sequence[T]:
        return self._ask(lambda found: found.page_before(before, count))

    def page_at(self, index: int, count: int) -> Sequence[T]:
        return self._ask(lambda found: found.page_at(index, count))

    def _ask(self, ask: Callable[[_List[T]], A], purpose: str = "rows") -> A:
        return self.gallery.reading(lambda store: ask(self.made(store)), purpose)


def file_trouble(made: Generation) -> str:
    """What is wrong with a picture's file: missing, damaged, or another picture's by now."""
    if not made.image.exists():
        return f"{made.image} is missing: the row is all there is of it"
    try:
        written = str(read_receipt(made.image)["id"])
    except CemsError as error:
        return str(error)
    return "" if written == made.id else f"{made.image} is another picture by now"


def _identity(file: Path) -> tuple[int, int] | None:
    """Which file stands at a path; None where there is none."""
    try:
        told = file.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"{file} cannot be read: {error.strerror or error}") from error
    return told.st_dev, told.st_ino
