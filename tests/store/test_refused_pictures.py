"""What lies among the pictures and is none of them is read once, until it changes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cems_tui import __version__
from cems_tui.store import pictures
from cems_tui.store.database import Store, open_store
from cems_tui.store.pictures import commit_picture, reconcile
from cems_tui.store.receipts import SIGNATURE, write_png
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


@pytest.fixture
def told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that were written this moment are remembered, too."""
    monkeypatch.setattr(pictures, "JUST_WRITTEN_SECONDS", -3600.0)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the pictures that were opened for their receipts."""
    opened: list[str] = []
    read = pictures.read_receipt

    def counted(path: Path) -> dict[str, Any]:
        opened.append(path.name)
        return read(path)

    monkeypatch.setattr(pictures, "read_receipt", counted)
    return opened


def put_right(store: Store, folder: Path, *, ours_only: bool = False) -> list[str]:
    """Ids of what a start adopted, which keeps in mind what it refused."""
    refused = pictures.RefusedPictures.read(folder.parent / "cache" / "refused.json", folder)
    found = reconcile(store, folder, ours_only=ours_only, refused=refused)
    refused.keep()
    return [made.id for made in found.adopted]


@pytest.mark.usefixtures("told_apart")
def test_what_is_no_picture_of_ours_is_read_once_until_it_changes(
    store: Store, folder: Path, reads: list[str]
) -> None:
    made = generation(store.session(), folder)
    commit_picture(store, PICTURE, made)
    for number in range(20):
        (folder / f"damaged {number}.png").write_bytes(SIGNATURE + b"cut")
    PICTURE.save(folder / "of another program.png")
    shutil.copy(made.image, folder / "a copy.png")
    (folder / "\udcff is no text.png").write_bytes(b"")
    for _ in range(2):
        assert put_right(store, folder) == []
        assert len(reads) == 23
    reads.clear()
    late = generation("01LATE", folder)
    write_png(PICTURE, folder / "damaged 3.png", late.to_json())
    assert put_right(store, folder) == [late.id]
    assert put_right(store, folder) == []
    assert set(reads) == {"damaged 3.png"}


@pytest.mark.usefixtures("told_apart")
def test_a_refused_picture_is_adopted_once_its_reason_is_gone(
    store: Store, folder: Path, reads: list[str]
) -> None:
    mine, theirs = generation(store.session(), folder), generation("01THEIRS", folder)
    commit_picture(store, PICTURE, mine)
    shutil.copy(mine.image, folder / "a copy.png")
    write_png(PICTURE, theirs.image, theirs.to_json())
    for _ in range(2):
        assert put_right(store, folder, ours_only=True) == []
    assert sorted(reads) == sorted(["a copy.png", theirs.image.name])
    store.forget([mine.id])
    mine.image.unlink()
    assert put_right(store, folder, ours_only=True) == [mine.id]
    assert put_right(store, folder) == [theirs.id]


@pytest.mark.usefixtures("told_apart")
def test_a_picture_that_could_not_be_read_is_tried_again(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = generation(store.session(), folder)
    write_png(PICTURE, made.image, made.to_json())

    def refuse(file: object, path: Path) -> dict[str, str]:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr("cems_tui.store.receipts._png_texts", refuse)
        assert put_right(store, folder) == []
    assert put_right(store, folder) == [made.id]


@pytest.mark.usefixtures("told_apart")
@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{", "null", "[" * 100_000),
        json.dumps({"version": __version__, "folders": []}),
        *(
            json.dumps({"version": __version__, "folders": {"HERE": told}})
            for told in (None, [], 3, {"a.png": None}, {"a.png": [4, 1, "no receipt"]})
        ),
        json.dumps({"version": __version__, "folders": {"HERE": {"a.png": [4, 2, ["x", "y"]]}}}),
    ],
)
def test_a_damaged_memory_of_what_was_refused_only_costs_time(
    store: Store, folder: Path, reads: list[str], text: str
) -> None:
    (folder / "a.png").write_bytes(b"none")
    memory = folder.parent / "cache" / "refused.json"
    memory.parent.mkdir()
    memory.write_text(text.replace("HERE", str(folder)))
    assert put_right(store, folder) == []
    assert put_right(store, folder) == []
    assert reads == ["a.png"]


def test_a_file_that_was_just_written_is_read_once_more(
    store: Store, folder: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "JUST_WRITTEN_SECONDS", 3600.0)
    (folder / "a.png").write_bytes(b"none")
    put_right(store, folder)
    put_right(store, folder)
    assert reads == ["a.png", "a.png"]
