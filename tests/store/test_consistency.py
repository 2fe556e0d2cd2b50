"""A picture is a PNG and a row: both or neither, whatever happens in between."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from cems_tui.domain.generation import Generation
from cems_tui.domain.score import Score
from cems_tui.errors import GenerationError, StorageError, UnknownName
from cems_tui.store.database import Store, open_store
from cems_tui.store.pictures import commit_picture, orphans, reconcile
from cems_tui.store.receipts import read_receipt, write_png
from tests.store.records import generation

PICTURE = Image.new("RGB", (16, 16), "red")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "cems.db") as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "pictures"
    made.mkdir()
    return made


def test_a_picture_is_committed_with_file_and_row(store: Store, folder: Path) -> None:
    made = generation(store.session(), folder)
    commit_picture(store, PICTURE, made)
    assert store.generation(made.id) == Generation.from_json(read_receipt(made.image)) == made
    assert orphans(store, folder) == []


@pytest.mark.parametrize("error", [StorageError("full"), KeyboardInterrupt(), UnknownName("who")])
def test_when_the_row_fails_the_file_is_taken_away(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def failing(made: Generation) -> None:
        assert made.image.exists(), "the file comes first"
        raise error

    monkeypatch.setattr(store, "add_generation", failing)
    with pytest.raises(type(error)):
        commit_picture(store, PICTURE, generation(store.session(), folder))
    assert list(folder.iterdir()) == []


def test_an_interrupt_after_the_row_keeps_both(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = store.add_generation

    def late(made: Generation) -> None:
        add(made)
        raise KeyboardInterrupt

    monkeypatch.setattr(store, "add_generation", late)
    made = generation(store.session(), folder)
    with pytest.raises(KeyboardInterrupt):
        commit_picture(store, PICTURE, made)
    assert made.image.exists()
    assert store.has(made.id)


def test_when_the_file_fails_there_is_no_row(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError):
        commit_picture(store, PICTURE, generation(store.session(), tmp_path / "file"))
    assert store.generations() == []


def test_what_cannot_be_recorded_is_refused_before_anything_is_written(
    store: Store, folder: Path
) -> None:
    made = generation(store.session(), folder, scores=(Score("m", float("inf"), "s"),))
    with pytest.raises(GenerationError):
        commit_picture(store, PICTURE, made)
    assert list(folder.iterdir()) == []


def test_an_id_that_is_taken_leaves_the_first_picture_alone(store: Store, folder: Path) -> None:
    made = generation(store.session(), folder)
    commit_picture(store, PICTURE, made)
    before = made.image.read_bytes()
    with pytest.raises(StorageError, match="already"):
        commit_picture(store, PICTURE, replace(made, seed=99))
    assert made.image.read_bytes() == before


def test_a_picture_without_a_row_is_adopted_from_its_receipt(store: Store, folder: Path) -> None:
    made = generation("01SESSIONOFALOSTDATABASE00", folder)
    write_png(PICTURE, made.image, made.to_json())
    (folder / "foreign.png").write_bytes(b"not a PNG")
    PICTURE.save(folder / "strange.png")
    (folder / "notes.txt").write_text("mine")
    assert orphans(store, folder) == [made]
    assert reconcile(store, folder).adopted == (made,)
    assert store.generation(made.id) == made
    assert store.generations(search="car", session=made.session) == [made]
    assert reconcile(store, folder).adopted == ()
    assert len(list(folder.iterdir())) == 4


def test_in_a_folder_of_others_only_pictures_of_known_sessions_are_adopted(
    store: Store, folder: Path
) -> None:
    mine, theirs = generation(store.session(), folder), generation("01THEIRS", folder)
    for made in (mine, theirs):
        write_png(PICTURE, made.image, made.to_json())
    assert reconcile(store, folder, ours_only=True).adopted == (mine,)
    assert store.generations() == [mine]
    assert reconcile(store, folder).adopted == (theirs,)


def test_a_moved_picture_is_adopted_where_it_is_now_and_copies_are_not(
    store: Store, folder: Path, tmp_path: Path
) -> None:
    made = generation("01S", tmp_path)
    write_png(PICTURE, made.image, made.to_json())
    shutil.copy(made.image, folder / "a copy.png")
    shutil.copy(made.image, folder / "b copy.png")
    [adopted] = reconcile(store, folder).adopted
    assert adopted == replace(made, image=folder / "a copy.png")
    assert reconcile(store, folder).adopted == ()


def test_a_hidden_picture_is_not_adopted_again(store: Store, folder: Path) -> None:
    made = generation(store.session(), folder)
    commit_picture(store, PICTURE, made)
    store.hide(made.id)
    assert reconcile(store, folder).adopted == ()


def test_a_picture_adopted_under_its_makers_hands_is_one_picture(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = store.add_generation

    def while_another_engine_starts(made: Generation) -> None:
        reconcile(store, folder)
        add(made)

    monkeypatch.setattr(store, "add_generation", while_another_engine_starts)
    made = generation(store.session(), folder)
    commit_picture(store, PICTURE, made)
    assert store.generations() == [made]
    assert made.image.exists()


def test_a_missing_folder_is_nothing_to_put_right(store: Store, tmp_path: Path) -> None:
    assert reconcile(store, tmp_path / "missing").adopted == ()


WRITER = """
import sys
from pathlib import Path
from cems_tui.store.database import open_store
from cems_tui.store.pictures import commit_picture
from tests.store.records import generation
from tests.store.test_receipts import PICTURE
root = Path(sys.argv[1])
store = open_store(root / "cems.db")
session = store.session("killed")
print("ready", flush=True)
while True:
    commit_picture(store, PICTURE, generation(session, root / "pictures"))
"""


def test_after_kills_the_database_and_the_folder_agree(tmp_path: Path) -> None:
    """Killed in the middle of its work five times; all that is whole is kept."""
    moments = random.Random(7)
    folder = tmp_path / "pictures"
    for _ in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE
        ) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
            time.sleep(moments.uniform(0.02, 0.3))
            writer.send_signal(signal.SIGKILL)
        with open_store(tmp_path / "cems.db") as store:
            for made in store.generations():
                assert made.image.exists(), "a row without its file"
            reconcile(store, folder)
            recorded = store.generations()
            files = set(folder.glob("*.png"))
            assert {made.image for made in recorded} == files
            for made in recorded:
                assert Generation.from_json(read_receipt(made.image)) == made
            [(verdict,)] = store._connection.rows("PRAGMA integrity_check")
            assert verdict == "ok"
    assert len(recorded) > 5


@pytest.mark.parametrize("moment", ["before the row", "before the rename"])
def test_a_kill_between_file_and_row_is_put_right(tmp_path: Path, moment: str) -> None:
    folder = tmp_path / "pictures"
    where = "sqlite" if moment == "before the row" else "rename"
    code = (
        f"""
import os, signal, sys
from cems_tui.store import pictures
from cems_tui.store.database import Store
def kill(*ignored): os.kill(os.getpid(), signal.SIGKILL)
if {where!r} == "sqlite": Store.add_generation = kill
else: os.replace = kill
"""
        + WRITER
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, timeout=60, check=False
    )
    assert ran.returncode == -signal.SIGKILL
    with open_store(tmp_path / "cems.db") as store:
        assert store.generations() == []
        [left] = folder.iterdir()
        if moment == "before the row":
            [adopted] = reconcile(store, folder).adopted
            assert adopted.image == left
            assert store.generations(session="killed") == [adopted]
        else:
            old = time.time() - 61
            os.utime(left, (old, old))
            assert reconcile(store, folder).removed == (left,)
            assert list(folder.iterdir()) == []
