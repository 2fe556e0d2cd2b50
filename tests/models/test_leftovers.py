"""Removing needs no free byte and leaves nothing behind, whenever it is killed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from cems_tui import log
from cems_tui.cli.main import main
from cems_tui.errors import StorageError
from cems_tui.locks import FileLock
from cems_tui.models import leftovers as leftovers_module
from cems_tui.models.ledger import Entry, Ledger, PinnedFile
from cems_tui.models.leftovers import leftovers, sweep
from cems_tui.models.remove import remove
from cems_tui.profile import Profile
from tests.cli.cems import cems


@pytest.fixture
def models() -> Path:
    return Profile.current().models.folder


def model(models: Path, name: str = "mine") -> Entry:
    folder = models / "imported" / name
    folder.mkdir(parents=True)
    (folder / "model_index.json").write_text("{}")
    file = PinnedFile("model_index.json", 2)
    return Ledger.read(models).write(Entry(name, files=(file,), folder=f"imported/{name}"))


def test_a_removed_model_leaves_nothing(models: Path) -> None:
    entry = model(models)
    remove(entry, Ledger.read(models))
    assert [path.name for path in models.iterdir()] == ["ledger"]
    assert leftovers(models, Ledger.read(models)) == []


def test_the_files_are_freed_when_there_is_no_room_to_record_it(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = model(models)
    forget, asked = Ledger.forget, []

    def full_until_freed(self: Ledger, entry: Entry) -> None:
        asked.append(entry)
        if any(models.rglob("model_index.json")):
            raise StorageError("no space left on device")
        forget(self, entry)

    monkeypatch.setattr(Ledger, "forget", full_until_freed)
    remove(entry, Ledger.read(models))
    assert len(asked) == 2
    assert Ledger.read(models).entries == {}


def test_the_files_go_from_their_place_when_a_trash_cannot_be_made(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = model(models)

    def no_room(self: Path, *given: Any, **options: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "mkdir", no_room)
    remove(entry, Ledger.read(models))
    assert not (models / "imported").exists()


@pytest.mark.parametrize("killed_at", ["after the rename", "after the record"])
def test_a_removal_killed_half_way_is_ended_by_the_next_command(
    models: Path, monkeypatch: pytest.MonkeyPatch, killed_at: str
) -> None:
    class Killed(BaseException):
        pass

    def kill(*given: Any) -> None:
        raise Killed

    entry = model(models)
    with monkeypatch.context() as patched:
        if killed_at == "after the rename":
            patched.setattr(Ledger, "forget", kill)
        else:
            patched.setattr(leftovers_module, "empty", kill)
        with pytest.raises(Killed):
            remove(entry, Ledger.read(models))
    left = leftovers(models, Ledger.read(models))
    assert [(one.why, one.bytes, one.swept) for one in left] == [
        ("a removal that was stopped", 2, True)
    ]
    assert all(Ledger.read(models).present(e) is None for e in Ledger.read(models).entries.values())
    sweep(models, Profile.current().models.locks)
    assert leftovers(models, Ledger.read(models)) == []


def test_a_copy_that_was_killed_is_told_and_swept_but_not_one_that_runs(models: Path) -> None:
    locks = Profile.current().models.locks
    for name in ("killed", "running"):
        folder = models / ".partial" / "imported" / name
        folder.mkdir(parents=True)
        (folder / "weights").write_bytes(b"12345")
    with FileLock(locks / "import-running.lock", "running"):
        sweep(models, locks)
    assert [one.path.name for one in leftovers(models, Ledger.read(models))] == ["running"]


def test_a_folder_that_no_model_needs_is_told_and_stays(models: Path) -> None:
    model(models)
    lost = models / "org--tiny" / ("a" * 40)
    lost.mkdir(parents=True)
    (lost / "weights").write_bytes(b"123")
    sweep(models, Profile.current().models.locks)
    assert [(one.path, one.bytes, one.swept) for one in leftovers(models, Ledger.read(models))] == [
        (lost, 3, False)
    ]


def test_the_doctor_tells_what_lies_about_and_which_records_are_left_out(models: Path) -> None:
    entry = model(models)
    shutil.move(models / "imported" / "mine", models / "imported" / "lost")
    (models / "ledger" / "evil.json").write_text("[" * 100_000)
    found = [one for one in Profile.current().doctor.examine() if one.subject == "leftovers"]
    assert [(one.status, one.exit_code) for one in found] == [("problem", 3), ("note", 0)]
    assert "evil.json" in found[0].detail
    assert "imported/lost" in found[1].detail
    assert entry.name in Ledger.read(models).entries


def half(folder: Path) -> Path:
    """A file whose writer was killed long ago."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ".0011.999999999.cems-tmp"
    path.write_bytes(b"half")
    os.utime(path, (0, 0))
    return path


@pytest.mark.parametrize("command", [("ls",), ("config", "path"), ("history", "ls"), ("doctor",)])
def test_any_command_clears_half_files_in_the_small_folders(
    models: Path, command: tuple[str, ...]
) -> None:
    here = Profile.current().paths
    places = (
        *(here.data, here.routers, models / "ledger", here.state, here.trainings / "R"),
        *(here.cache, here.embeddings, here.prompt_sets / "parti"),
    )
    halves = [half(place) for place in places]
    running = here.state / f".1.{os.getppid()}.cems-tmp"
    running.write_bytes(b"somebody is at it")
    assert cems(*command, home=here.data).code == 0
    assert [path for path in halves if path.exists()] == []
    assert running.exists()


def test_the_doctor_tells_half_files_that_no_start_clears(models: Path) -> None:
    here = Profile.current().paths
    told = half(here.bench_pictures / "mine")
    half(models / ".partial" / "org--tiny")
    found = [one for one in Profile.current().doctor.examine() if one.subject == "leftovers"]
    assert [one.detail for one in found] == [
        f"{told}: 4 bytes, half a file of a command that was killed"
    ]


def test_a_home_that_may_not_be_written_is_read_all_the_same(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = half(Profile.current().paths.state)
    logged: list[str] = []
    monkeypatch.setattr(log, "error", lambda message, *values: logged.append(message % values))

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)
    assert main(["config", "path"]) == 0
    assert left.exists()
    assert f"cannot clean the folder {left.parent}" in logged[0]
