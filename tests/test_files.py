"""Files are there whole or not at all, and names from outside never leave their folder."""

from __future__ import annotations

import errno
import os
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from cems_tui import files
from cems_tui.errors import StorageError
from cems_tui.files import (
    SHARED,
    clear_leftovers,
    confined,
    leftovers_below,
    picture_file,
    whole_file,
    whole_text,
    write_bytes,
)


def refuse(*arguments: Any, **named: Any) -> NoReturn:
    raise OSError(errno.ENOSPC, "No space left on device")


def interrupt(*arguments: Any, **named: Any) -> NoReturn:
    raise KeyboardInterrupt


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    path = tmp_path / "kept.csv"
    path.write_text("mine")
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_takes_the_place_of_the_older_one_when_it_is_whole(kept: Path) -> None:
    with whole_file(kept) as file:
        file.write(b"yours")
        file.flush()
        assert kept.read_text() == "mine"
        assert Path(file.name).read_bytes() == b"yours"
    assert kept.read_text() == "yours"
    assert names(kept.parent) == ["kept.csv"]


def test_text_keeps_its_line_ends_and_letters(tmp_path: Path) -> None:
    with whole_text(tmp_path / "told.txt") as text:
        text.write("é\r\nß\n")
    assert (tmp_path / "told.txt").read_bytes() == "é\r\nß\n".encode()


def test_a_file_is_its_owner_s_alone_unless_it_is_handed_on(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_bytes(tmp_path / "own", b"")
        write_bytes(tmp_path / "shared", b"", mode=SHARED)
    finally:
        os.umask(before)
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("own", "shared")]
    assert modes == [0o600, 0o640]


@pytest.mark.parametrize("call", ["replace", "fsync"])
@pytest.mark.parametrize("failure", [refuse, interrupt])
def test_a_disk_that_refuses_at_the_end_leaves_the_older_file_alone(
    kept: Path, monkeypatch: pytest.MonkeyPatch, call: str, failure: Callable[..., NoReturn]
) -> None:
    monkeypatch.setattr(os, call, failure)
    with pytest.raises((StorageError, KeyboardInterrupt)):
        write_bytes(kept, b"yours")
    monkeypatch.undo()
    assert kept.read_text() == "mine"
    assert names(kept.parent) == ["kept.csv"]


@pytest.mark.parametrize("failure", [refuse, interrupt])
def test_a_write_that_fails_half_way_leaves_the_older_file_alone(
    kept: Path, failure: Callable[..., NoReturn]
) -> None:
    def write_half() -> None:
        with whole_file(kept) as file:
            file.write(b"half")
            failure()

    with pytest.raises((StorageError, KeyboardInterrupt)):
        write_half()
    assert kept.read_text() == "mine"
    assert names(kept.parent) == ["kept.csv"]


def test_a_full_disk_is_told_with_what_to_do(kept: Path) -> None:
    caught: pytest.ExceptionInfo[StorageError]
    with (
        pytest.raises(StorageError, match=r"kept\.csv: No space left") as caught,
        whole_file(kept, hint="Buy a disk."),
    ):
        refuse()
    assert caught.value.hint == "Buy a disk."


def test_a_folder_is_not_written_over(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="it is a folder"):
        write_bytes(tmp_path, b"")
    with pytest.raises(StorageError, match="it is a folder"), whole_file(Path(".")):
        pass


def test_a_folder_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="No such file"):
        write_bytes(tmp_path / "missing" / "file", b"")


def test_a_link_under_the_name_is_replaced_and_what_it_leads_to_stays(
    kept: Path, tmp_path: Path
) -> None:
    link = tmp_path / "link"
    link.symlink_to(kept)
    write_bytes(link, b"yours")
    assert (kept.read_text(), link.read_text()) == ("mine", "yours")
    assert not link.is_symlink()


def test_a_link_under_the_temporary_name_is_not_followed(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files.secrets, "token_hex", lambda count: "known")
    trap = tmp_path / f".known.{os.getpid()}.cems-tmp"
    trap.symlink_to(kept)
    with pytest.raises(StorageError):
        write_bytes(tmp_path / "new", b"yours")
    trap.unlink()
    trap.symlink_to(tmp_path / "nowhere")
    with pytest.raises(StorageError):
        write_bytes(tmp_path / "new", b"yours")
    assert kept.read_text() == "mine"
    assert names(tmp_path) == [trap.name, "kept.csv"]


def test_only_old_files_of_dead_writers_are_cleaned(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    there = {
        "dead and old": (f".a.png.{dead.pid}.cems-tmp", 120),
        "dead and fresh": (f".b.png.{dead.pid}.cems-tmp", 1),
        "alive and old": (f".c.png.{os.getppid()}.cems-tmp", 120),
        "alive and ancient": (f".d.png.{os.getppid()}.cems-tmp", 7200),
        "ours to keep": ("picture.png", 7200),
        "a stranger": (".hidden.tmp", 7200),
    }
    for name, age in there.values():
        (tmp_path / name).write_bytes(b"")
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    removed = {path.name for path in clear_leftovers(tmp_path)}
    assert removed == {there["dead and old"][0], there["alive and ancient"][0]}
    assert len(list(tmp_path.iterdir())) == 4
    assert clear_leftovers(tmp_path / "missing") == []


def test_leftovers_are_told_wherever_they_lie_and_links_lead_nowhere(tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    places = [home, home / "a" / "b", home / "a" / "pulled", elsewhere]
    for place in places:
        place.mkdir(parents=True)
        (place / ".x.999999999.cems-tmp").write_bytes(b"")
        os.utime(place / ".x.999999999.cems-tmp", (0, 0))
    (home / "link").symlink_to(elsewhere)
    (home / "a" / "round").symlink_to(home)
    found = {path.parent for path in leftovers_below(home, without=[home / "a" / "pulled"])}
    assert found == {home, home / "a" / "b"}
    assert list(leftovers_below(tmp_path / "missing")) == []


def test_what_a_killed_writer_leaves_is_known_as_a_leftover(kept: Path, tmp_path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from cems_tui.files import whole_file\n"
        "with whole_file(Path(sys.argv[1])) as file: os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, str(kept)], check=False)
    assert len(names(tmp_path)) == 2
    assert len(clear_leftovers(tmp_path, grace_seconds=0)) == 1
    assert names(tmp_path) == ["kept.csv"]


PARTS = st.one_of(
    st.sampled_from(["..", ".", "", "a", "link", "loop", "outside", "~", "C:", "\\..\\", "\0"]),
    st.text(max_size=8),
)


@given(st.lists(PARTS, max_size=5).map("/".join))
@settings(
    max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_name_from_outside_leaves_its_folder(tmp_path: Path, name: str) -> None:
    root = tmp_path / "root"
    if not root.exists():
        root.mkdir()
        (tmp_path / "outside").mkdir()
        (root / "link").symlink_to(tmp_path / "outside")
        (root / "loop").symlink_to(root / "loop")
    try:
        place = confined(root, name)
    except StorageError:
        return
    real = Path(os.path.realpath(place.parent))
    assert real.is_relative_to(os.path.realpath(root))
    assert place != root
    assert place.is_relative_to(root)


@pytest.mark.parametrize(
    "name",
    ["", ".", "/", "/etc/passwd", "..", "a/../b", "../root/a", "link/a", "a\0b", "\ud800", "//x"],
)
def test_names_that_leave_or_are_none_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(StorageError, match="is outside") as caught:
        confined(tmp_path, name)
    assert caught.value.hint


@pytest.mark.parametrize("name", ["a", "a/b.json", "ä/…", "..a/b..", "a\\..\\b", "-rf", "link"])
def test_names_within_are_taken_as_they_are(tmp_path: Path, name: str) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    assert confined(tmp_path, name) == tmp_path / name


@pytest.mark.parametrize("what", ["pipe", "folder", "text", "cut", "another format", "bomb"])
def test_what_is_no_picture_is_refused_at_once(tmp_path: Path, what: str) -> None:
    path = tmp_path / "a.png"
    match what:
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "text":
            path.write_text("a cat")
        case "another format":
            Image.new("RGB", (8, 8)).save(path, "GIF")
        case _:
            Image.new("RGB", (8, 8)).save(path, "PNG")
            data = path.read_bytes()
            if what == "cut":
                path.write_bytes(data[:-30])
            else:  # of 60,000 × 60,000 pixels
                header = b"IHDR" + struct.pack(">II", 60_000, 60_000) + data[24:29]
                crc = struct.pack(">I", zlib.crc32(header))
                path.write_bytes(data[:12] + header + crc + data[33:])
    with pytest.raises(OSError), picture_file(path, ("PNG",)) as picture:  # noqa: PT011
        picture.load()
