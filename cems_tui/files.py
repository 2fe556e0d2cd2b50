"""Files: written whole or not at all, kept within their folder, known by their digest."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

from cems_tui.cancel import Stop, never, refuse_stopped
from cems_tui.errors import StorageError, WeightsError

if TYPE_CHECKING:
    from PIL.Image import Image

OWNER_ONLY = 0o600
SHARED = 0o666
"""As far as the user's umask allows: for what is handed on, pictures, exports and weights."""

CHUNK_BYTES = 1 << 20
LARGEST_CONFIG_BYTES = 4_000_000
"""Of a JSON file that describes something; vocabularies may be larger."""

GRACE_SECONDS = 60.0
"""In a folder that others write to, a younger temporary file is never taken for a leftover:
their writer may not be visible from here."""

LONGEST_WRITE_SECONDS = 3600.0
"""Older than this it is a leftover even if a process has its writer's number again."""

_TEMPORARY = re.compile(r"\..+\.(?P<pid>\d+)\.cems-tmp")
_MAKE_ROOM = "Free some space, or choose a folder you may write to."
_FETCHED_IS_KEPT = (
    "Free some space, or choose a folder you may write to (CEMS_HOME); what was fetched is kept."
)


def keep_private() -> None:
    """From now on only the user may read what this process, and those it starts, write."""
    os.umask(os.umask(0o077) | 0o077)


@contextmanager
def whole_file(
    path: Path, *, mode: int = OWNER_ONLY, durable: bool = True, hint: str = _MAKE_ROOM
) -> Iterator[BinaryIO]:
    """A stream to a file that is there under its name when the block has ended, or not at all.

    It is written beside the file, under a name (the stream's `name`, for those who write by path)
    that nothing had before; a link at either name is replaced or refused, never followed.

    Args:
        mode: its permissions, less the umask.
        durable: whether it has to survive a power cut.
        hint: what to do when the disk refuses.

    Raises:
        StorageError: the folder is not there, or the disk refuses; an older file is as it was.
    """
    if path.is_dir():
        raise StorageError(f"cannot write {path}: it is a folder", "Name a file.")
    temporary = path.with_name(f".{secrets.token_hex(8)}.{os.getpid()}.cems-tmp")

    def created(name: str, flags: int) -> int:
        return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode)

    with storage(str(path), hint):
        stream = open(temporary, "xb", opener=created)  # noqa: SIM115 - closed before the rename
        try:
            with stream:
                yield stream
                stream.flush()
                if durable:
                    os.fsync(stream.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        if durable:
            flush_folder(path.parent)


@contextmanager
def whole_text(path: Path, *, mode: int = OWNER_ONLY) -> Iterator[TextIO]:
    """`whole_file` for UTF-8 text, line ends as they are written."""
    with whole_file(path, mode=mode) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        yield text
        text.flush()
        text.detach()


def write_bytes(path: Path, data: bytes, *, mode: int = OWNER_ONLY, durable: bool = True) -> None:
    """Write a file whole; raises as `whole_file`."""
    with whole_file(path, mode=mode, durable=durable) as file:
        file.write(data)


def write_text(path: Path, text: str, *, mode: int = OWNER_ONLY, durable: bool = True) -> None:
    """Write UTF-8 text whole; raises as `whole_file`."""
    write_bytes(path, text.encode("utf-8"), mode=mode, durable=durable)


def write_json(path: Path, value: Any) -> None:
    """Write a value whole, as ASCII: a name that is no UTF-8 too; raises as `whole_file`."""
    write_text(path, json.dumps(value, indent=1) + "\n")


def copy_file(
    source: Path, target: Path, digests: Digests, stop: Stop, read: Callable[[int], None]
) -> None:
    """Copy a file whole, hashed on the way.

    Raises:
        StorageError: the disk refuses.
        Interrupted: `stop` said so.
    """
    with whole_file(target, mode=SHARED) as out, source.open("rb") as file:
        while data := file.read(CHUNK_BYTES):
            refuse_stopped(stop)
            out.write(data)
            digests.update(data)
            read(len(data))


def copy_plain(source: Path, out: BinaryIO) -> None:
    """Copy a file's content into an open one.

    Raises:
        StorageError: it cannot be read.
    """
    with storage(str(source), "Check the permissions of the file."), regular_file(source) as file:
        shutil.copyfileobj(file, out, CHUNK_BYTES)


def clear_leftovers(folder: Path, grace_seconds: float = GRACE_SECONDS) -> list[Path]:
    """Remove half-written files whose writer is gone; the ones removed.

    Args:
        grace_seconds: younger files are left alone, whoever wrote them.

    Raises:
        StorageError: the folder cannot be read or a file cannot be removed.
    """
    removed = []
    try:
        for entry, pid in _half_files(folder):
            if _is_leftover(entry, pid, grace_seconds):
                entry.unlink(missing_ok=True)
                removed.append(entry)
    except OSError as error:
        raise StorageError(
            f"cannot clean the folder {folder}: {error.strerror or error}"
        ) from error
    return removed


def leftovers_below(root: Path, *, without: Collection[Path] = ()) -> Iterator[Path]:
    """Half-written files of writers that are gone, in a folder and all below it; links aside.

    Args:
        without: folders that are not looked into.
    """
    for folder in folders_below(root, without=without):
        with suppress(OSError):  # a folder that may not be read tells nothing
            for entry, pid in _half_files(folder):
                if _is_leftover(entry, pid, GRACE_SECONDS):
                    yield entry


def folders_below(root: Path, *, without: Collection[Path] = ()) -> Iterator[Path]:
    """A folder and all below it that can be entered, none through a link."""
    for place, names, _ in os.walk(root):
        yield Path(place)
        names[:] = [name for name in names if Path(place, name) not in without]


def _half_files(folder: Path) -> list[tuple[Path, int]]:
    """What has no name yet in a folder, and the process that wrote it; raises OSError."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        found = [(name, _TEMPORARY.fullmatch(name)) for name in (one.name for one in entries)]
    return sorted((folder / name, int(match["pid"])) for name, match in found if match)


def _is_leftover(entry: Path, pid: int, grace_seconds: float) -> bool:
    try:
        age = time.time() - entry.lstat().st_mtime
    except FileNotFoundError:  # its writer has just renamed it
        return False
    if age < grace_seconds:
        return False
    return age > LONGEST_WRITE_SECONDS or not _alive(pid)


def _alive(pid: int) -> bool:
    import psutil

    return pid != os.getpid() and psutil.pid_exists(pid)


@contextmanager
def storage(what: str, hint: str = _FETCHED_IS_KEPT) -> Iterator[None]:
    """Turns what the disk refuses into an error that says so.

    Raises:
        StorageError: for any OSError of the block.
    """
    try:
        yield
    except OSError as error:
        raise StorageError(f"cannot write {what}: {error.strerror or error}", hint) from error


def flush_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut, where the file system can."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network folders cannot
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def free_bytes(folder: Path) -> int:
    """Bytes free where the folder is, or will be."""
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    return shutil.disk_usage(there).free


def confined(root: Path, name: str | PurePath) -> Path:
    """Where a name that came from outside lies under a folder, with no link on the way there.

    What it names may itself be a link: it is replaced, renamed or removed as one.

    Raises:
        StorageError: it is no name, or leaves the folder.
    """
    text = str(name)
    if not stays_within(text):
        raise _outside(text, root)
    place = root / text
    steps = [step for step in place.parents if len(step.parts) > len(root.parts)]
    if any(_is_link(step) for step in steps):
        raise _outside(text, root)
    return place


def confined_folder(root: Path, name: str | PurePath) -> Path:
    """As `confined`, of a folder that is filled, emptied or renamed: it is no link itself.

    Raises:
        StorageError: it is no name, leaves the folder, or is a link.
    """
    place = confined(root, name)
    if _is_link(place):
        raise _outside(str(name), root)
    return place


def stays_within(name: str) -> bool:
    """Whether a name, with slashes, can be one of something below a folder, links aside."""
    parts = PurePosixPath(name).parts
    return (
        bool(parts)
        and not parts[0].startswith("/")
        and ".." not in parts
        and _is_writable_name(name)
    )


def _is_link(place: Path) -> bool:
    """Whether it is a link, or a name that no file system takes."""
    try:
        return place.is_symlink()
    except OSError:
        return True


def _outside(name: str, root: Path) -> StorageError:
    return StorageError(
        f"{name!r} is outside {root}",
        "Nothing was changed. What names it is damaged, or not to be trusted.",
    )


def _is_writable_name(text: str) -> bool:
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:  # half of a surrogate pair
        return False


@contextmanager
def regular_file(path: Path) -> Iterator[BinaryIO]:
    """A file opened for reading; a pipe, a device or a folder under its name never blocks.

    Raises:
        OSError: it cannot be opened, or is no file.
    """

    def opened(name: str, flags: int) -> int:
        return os.open(name, flags | os.O_NONBLOCK | os.O_CLOEXEC)

    with open(path, "rb", opener=opened) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is no file", str(path))
        yield file


@contextmanager
def picture_file(path: Path, formats: tuple[str, ...]) -> Iterator[Image]:
    """A picture in one of the formats (`PNG`, `WEBP`); its pixels are read within the block.

    Raises:
        OSError: it cannot be opened, is no file, no such picture, or damaged.
    """
    from PIL import Image

    try:
        with regular_file(path) as file, Image.open(file, formats=formats) as picture:
            yield picture
    except (SyntaxError, ValueError, Image.DecompressionBombError) as error:  # Pillow's words
        raise OSError(f"it is damaged: {error}") from error


def read_bytes(path: Path, most_bytes: int) -> bytes:
    """The content of a file that is no larger than it may be.

    Raises:
        OSError: it cannot be read, is no file, or is larger.
    """
    with regular_file(path) as file:
        data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise OSError(errno.EFBIG, f"it is larger than {most_bytes:,} bytes", str(path))
    return data


def read_json(path: Path, most_bytes: int = LARGEST_CONFIG_BYTES) -> Any:
    """The value in a JSON file.

    Raises:
        OSError: as `read_bytes`.
        ValueError: it is not JSON in UTF-8, or nested deeper than any config.
    """
    try:
        return json.loads(read_bytes(path, most_bytes))
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def file_digest(path: Path) -> str:
    """`sha256:…` of one file.

    Raises:
        WeightsError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror or error}") from error


@dataclass
class Digests:
    """The sha256 of a file that is read once, and git's blob id where that is what is known."""

    size: int
    """Bytes of the whole file; part of git's blob id."""

    with_git: bool = False
    _sha256: Any = field(default_factory=hashlib.sha256)
    _git: Any = None

    def __post_init__(self) -> None:
        if self.with_git:
            self._git = hashlib.sha1(b"blob %d\0" % self.size, usedforsecurity=False)

    def update(self, data: bytes) -> None:
        self._sha256.update(data)
        if self._git is not None:
            self._git.update(data)

    @property
    def sha256(self) -> str:
        return str(self._sha256.hexdigest())

    @property
    def git_sha1(self) -> str | None:
        return None if self._git is None else str(self._git.hexdigest())

    def match(self, sha256: str | None, git_sha1: str | None) -> bool:
        """Whether they are those expected; what nobody told is not compared."""
        return (sha256 is None or sha256 == self.sha256) and (
            git_sha1 is None or not self.with_git or git_sha1 == self.git_sha1
        )


def read_into(
    digests: Digests,
    path: Path,
    *,
    stop: Stop = never,
    on_bytes: Callable[[int], None] = lambda count: None,
) -> None:
    """Hash a file as it is on the disk.

    Raises:
        Interrupted: `stop` said so.
        OSError: it cannot be read.
    """
    with path.open("rb", buffering=0) as file:
        while data := file.read(CHUNK_BYTES):
            refuse_stopped(stop)
            digests.update(data)
            on_bytes(len(data))
