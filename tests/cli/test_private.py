"""Whatever a command writes into a home, nobody but its user may read it or enter it."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cems_tui import paths
from tests.cli.cems import cems, environment
from tests.models.fake_hub import FakeHub
from tests.models.hub_fixtures import pipeline_files
from tests.pseudo_terminal import PseudoTerminal

TURBO = ("--function", "starter-turbo@1")
BOTH = "starter-turbo@1,starter-small@4"
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("config", "set", "routing.tradeoff", "0.5"),
    ("generate", "a red cat", "a tree", *TURBO, "-q"),
    ("generate", "a red cat", "--function", "starter-small@4", "--no-score", "-q"),
    ("queue", "add", "a boat", "a house", *TURBO, "-q"),
    ("queue", "run", "-q"),
    ("queue", "add-command", "--", "pull", "sd-turbo"),
    ("queue", "cancel", "--all"),
    ("shadow", "on", "--pictures", "3"),
    ("shadow", "run", "--pictures", "1"),
    ("finish", "LAST", "--function", "starter-small@4"),
    ("history", "star", "LAST"),
    ("history", "rate", "LAST", "4"),
    ("history", "rm", "LAST"),
    ("history", "restore", "--all"),
    ("history", "backup", "HOME/kept/copy.db"),
    ("history", "export", "--out", "HOME/kept/table.jsonl"),
    ("history", "export", "--pictures", "HOME/kept/pictures"),
    ("bench", "run", "--prompts", "prompts.txt", "--name", "made", "--functions", BOTH, "-q"),
    ("bench", "rescore", "made", "--scorers", "sharpness"),
    ("bench", "import", "scores.csv", "--name", "told"),
    ("bench", "export", "made", "--out", "HOME/kept/made.csv"),
    ("bench", "report", "made", "--html", "HOME/kept/made.html"),
    ("bench", "rm", "made", "--yes"),
    ("router", "train", "--bench", "told", "--kind", "knn", "--name", "mine"),
    ("router", "use", "mine", "--force"),
    ("router", "rollback"),
    ("router", "export", "mine", "--out", "HOME/kept/mine.zip"),
    ("router", "import", "HOME/kept/mine.zip", "--name", "other"),
    ("import", "pipeline", "--name", "copied", "--copy", "--no-probe"),
    ("import", "pipeline", "--name", "linked", "--no-probe"),
    ("pull", "org/Tiny", "--steps", "4", "-q"),
    ("verify", "copied"),
    ("rm", "copied", "--yes"),
    ("history", "rm", "--search", "tree", "--forever", "--yes"),
    ("generate", "a cat", "--function", "nothing@1"),
    ("doctor",),
)


def open_to_others(home: Path) -> list[str]:
    """What in a home, itself included, others than its owner may read, change or enter."""
    found = []
    for path in (home, *home.rglob("*")):
        mode = path.lstat().st_mode
        if not stat.S_ISLNK(mode) and mode & 0o077:
            found.append(f"{stat.filemode(mode)} {path.relative_to(home)}")
    return found


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with what the commands read."""
    shutil.copytree(paths.checkpoints() / "starter" / "starter-turbo", tmp_path / "pipeline")
    (tmp_path / "prompts.txt").write_text("a red cat\ntwo dogs\n")
    rows = ["prompt_id,prompt,function,metric,score"]
    rows += [
        f"{at},a picture of {at} dogs,{name},nima,{(at * step) % 7}"
        for at in range(40)
        for name, step in (("starter-turbo@1", 3), ("starter-small@4", 5))
    ]
    (tmp_path / "scores.csv").write_text("\n".join(rows))
    for path in tmp_path.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return tmp_path


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with FakeHub({"org/Tiny": pipeline_files()}) as hub:
        yield hub


def test_every_command_that_writes_leaves_folders_and_files_to_the_user_alone(
    place: Path, hub: FakeHub
) -> None:
    home, last, found = place / "home", "", list[str]()
    for command in COMMANDS:
        told = [word.replace("HOME", str(home)).replace("LAST", last) for word in command]
        (home / "kept").mkdir(mode=0o700, parents=True, exist_ok=True)
        home.chmod(0o700)
        asks = {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "", "HF_HOME": str(place / "hf")}
        ran = cems(*told, home=home, extra=asks if command[0] == "pull" else {}, timeout=300)
        if ran.code != (2 if "nothing@1" in command else 0):
            found.append(f"{command} ends in {ran.code}: {ran.err}")
        found += [f"{command} leaves {told}" for told in open_to_others(home)]
        last = cems("history", "ls", "-q", "--limit", "1", home=home).out.strip()
    assert found == []


def test_a_home_that_is_made_by_a_command_is_the_users_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert cems("config", "set", "routing.tradeoff", "0.5", home=home).code == 0
    assert open_to_others(home) == []


def test_the_app_leaves_folders_and_files_to_the_user_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    command = ["/bin/sh", "-c", f"umask 022; exec {sys.executable} -m cems_tui"]
    with PseudoTerminal(command, environment(home)) as terminal:
        terminal.wait_for("Describe a picture above")
        terminal.write(b"a red cat")
        terminal.wait_for("starter-")
        terminal.write(b"\x07")  # ctrl+g
        terminal.wait_for("seed")
        during = open_to_others(home)
        terminal.write(b"\x11")  # ctrl+q
        terminal.wait_for_end()
    assert during == open_to_others(home) == []
    assert (home / "cems.db").exists()


def test_who_shares_a_home_lets_others_read_it(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert cems("config", "set", "storage.shared", "true", home=home).code == 0
    assert cems("generate", "a red cat", *TURBO, "-q", home=home).code == 0
    [picture] = (home / "pictures").glob("*.png")
    assert picture.stat().st_mode & 0o077 == 0o044
    assert os.access(picture, os.R_OK)
