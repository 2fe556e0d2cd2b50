"""A home may move, and a picture that is shared tells nothing of the machine it was made on."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

from cems_tui.domain.generation import Generation
from cems_tui.errors import StorageError
from cems_tui.files import clear_leftovers
from cems_tui.store import connection
from cems_tui.store.database import Store, open_store
from cems_tui.store.pictures import commit_picture, orphans
from cems_tui.store.receipts import parameters_text, read_receipt, without_folders, write_png
from tests.store.records import generation

PICTURE = Image.new("RGB", (8, 8), "red")


def drawn(home: Path, **changes: object) -> Generation:
    """A picture of that home, with its row."""
    with open_store(home / "cems.db") as store:
        made = generation(store.session(), home / "pictures", **changes)
        commit_picture(store, PICTURE, made)
    return made


def image_column(database: Path) -> str:
    with closing(sqlite3.connect(database)) as db:
        [[image]] = db.execute("SELECT image FROM generations")
    return str(image)


def test_a_picture_is_found_when_its_home_has_moved(tmp_path: Path) -> None:
    made = drawn(tmp_path / "home")
    (tmp_path / "home").rename(tmp_path / "elsewhere")
    now_at = tmp_path / "elsewhere" / "pictures" / f"{made.id}.png"
    for read_only in (True, False):
        with open_store(tmp_path / "elsewhere" / "cems.db", read_only=read_only) as store:
            assert store.generation(made.id).image == now_at
            assert store.generations()[0].image == now_at
            assert store.known_images() == {made.id: now_at}
            assert store.generation_by_image(now_at).id == made.id
            assert next(store.export_rows())["image"] == str(now_at)
            assert orphans(store, now_at.parent) == []
    assert image_column(tmp_path / "elsewhere" / "cems.db") == f"pictures/{made.id}.png"


def test_a_picture_outside_the_home_stays_where_it_is_when_the_home_moves(tmp_path: Path) -> None:
    with open_store(tmp_path / "home" / "cems.db") as store:
        made = generation(store.session(), tmp_path / "out")
        commit_picture(store, PICTURE, made)
    (tmp_path / "home").rename(tmp_path / "elsewhere")
    with open_store(tmp_path / "elsewhere" / "cems.db") as store:
        assert store.generation(made.id).image == made.image
        assert store.generation_by_image(made.image).id == made.id


def test_a_home_behind_a_link_is_the_same_home(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "home").symlink_to(tmp_path / "disk")
    with open_store(tmp_path / "home" / "cems.db") as store:
        made = generation(store.session(), tmp_path / "disk" / "pictures")
        commit_picture(store, PICTURE, made)
    assert image_column(tmp_path / "disk" / "cems.db") == f"pictures/{made.id}.png"


def test_a_way_that_leaves_the_home_is_not_inside_it(tmp_path: Path) -> None:
    with open_store(tmp_path / "home" / "cems.db") as store:
        made = generation(store.session(), tmp_path / "home" / ".." / "out")
        commit_picture(store, PICTURE, made)
        assert store.generation_by_image(made.image).id == made.id
    assert Path(image_column(tmp_path / "home" / "cems.db")).is_absolute()


# Databases of before.


@pytest.fixture
def old_home(tmp_path: Path) -> Path:
    """A home with one picture, whose database names it absolutely."""
    home = tmp_path / "home"
    made = drawn(home)
    with closing(sqlite3.connect(home / "cems.db")) as db:
        db.execute("UPDATE generations SET image = ?", [str(made.image)])
        db.execute("DELETE FROM _sqlite_migrations WHERE name LIKE 'm009%'")
        db.commit()
    return home


def opened(home: Path, *, read_only: bool = False) -> Store:
    return open_store(home / "cems.db", read_only=read_only)


def test_an_older_database_is_brought_forward_and_kept_as_it_was_beside(old_home: Path) -> None:
    [picture] = (old_home / "pictures").glob("*.png")
    with opened(old_home) as store:
        assert store.generations()[0].image == picture
    assert image_column(old_home / "cems.db") == f"pictures/{picture.name}"
    backup = old_home / "cems-before-m009.db"
    assert image_column(backup) == str(picture)
    assert backup.stat().st_mode & 0o777 == 0o600
    assert clear_leftovers(old_home, 0.0) == []
    backup.unlink()
    with opened(old_home) as store:
        assert len(store.generations()) == 1
    assert not backup.exists(), "what is up to date is not copied again"


def test_reading_an_older_database_changes_nothing_on_the_disk(old_home: Path) -> None:
    [picture] = (old_home / "pictures").glob("*.png")
    with opened(old_home, read_only=True) as store:
        assert store.generations()[0].image == picture
    assert image_column(old_home / "cems.db") == str(picture)
    assert not (old_home / "cems-before-m009.db").exists()


def test_an_older_home_may_have_moved_before_the_update(old_home: Path) -> None:
    moved = old_home.rename(old_home.with_name("moved"))
    [picture] = (moved / "pictures").glob("*.png")
    for read_only in (True, False):
        with opened(moved, read_only=read_only) as store:
            assert store.generations()[0].image == picture


def test_without_room_for_the_copy_the_older_database_stays_as_it_is(
    old_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "backup_before", lambda path, step: path.parent / "no" / "x")
    with pytest.raises(StorageError):
        opened(old_home)
    assert Path(image_column(old_home / "cems.db")).is_absolute()


# What leaves the machine inside a picture.


def test_a_shared_picture_holds_its_name_and_no_path(tmp_path: Path) -> None:
    home = tmp_path / "home of a user"
    made = generation(
        "01S",
        home,
        scores=(),
        score_error=f"cannot read {home}/models/nima/head.safetensors: Permission denied",
        fallback=f"{Path.home()}/my own models/base is damaged",
    )
    write_png(PICTURE, made.image, made.to_json())
    content = made.image.read_bytes()
    for private in (str(tmp_path), str(Path.home()) + "/", "home of a user"):
        assert private.encode() not in content
    with Image.open(made.image) as picture:
        told = json.loads(picture.text["cems"])  # type: ignore[attr-defined]
    assert told["image"] == f"{made.id}.png"
    assert told["score_error"].endswith("head.safetensors: Permission denied")


def test_why_tells_where_the_file_is_now(tmp_path: Path) -> None:
    made = generation("01S", tmp_path / "home")
    write_png(PICTURE, made.image, made.to_json())
    received = tmp_path / "received.png"
    shutil.move(made.image, received)
    assert read_receipt(received)["image"] == str(received)
    assert Generation.from_json(read_receipt(received)).image == received


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("cannot read /home/me/x.bin: no", "cannot read x.bin: no"),
        ("cannot read '/home/me/x.bin'", "cannot read 'x.bin'"),
        (r"cannot read C:\Users\me\x.bin", "cannot read x.bin"),
        ("~/models/x", "x"),
        ("a half/whole thing at 3/4, and/or 1/2", "a half/whole thing at 3/4, and/or 1/2"),
    ],
)
def test_a_message_about_a_file_keeps_the_file_s_name(text: str, told: str) -> None:
    assert without_folders(text, Path("/pictures/x.png")) == told


def test_no_nul_is_in_what_other_tools_read(tmp_path: Path) -> None:
    made = generation("01S", tmp_path, prompt="a\0b", negative="c\0d")
    assert parameters_text(made.to_json()).startswith("a␀b\nNegative prompt: c␀d\nSteps: 20")
    write_png(PICTURE, made.image, made.to_json())
    assert read_receipt(made.image)["prompt"] == "a\0b"
