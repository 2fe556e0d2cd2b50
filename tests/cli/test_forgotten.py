"""What is forgotten for good is in no file of the home any more, whoever had kept a copy."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from cems_tui.store.connection import backup_before
from tests.cli.cems import Ran, cems
from tests.suites.processes import Forks, planted

SECRET = "a Zanzibari unicorn quaffs lemonade"
WORDS = (b"zanzibari", b"quaffs", b"lemonade")
TURBO, SMALL = ("--function", "starter-turbo@1"), ("--function", "starter-small@4")


def told_by(home: Path) -> list[str]:
    """The files in which a word of the secret stands."""
    return [
        str(path.relative_to(home))
        for path in home.rglob("*")
        if path.is_file() and any(word in path.read_bytes().lower() for word in WORDS)
    ]


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which the secret was drawn, failed, was taken out of the queue, and learned."""
    place = tmp_path_factory.mktemp("used")
    home = place / "home"

    def run(*arguments: str, code: int = 0) -> Ran:
        ran = cems(*arguments, home=home)
        assert ran.code == code, ran.err
        return ran

    run("generate", SECRET, "a red car", *TURBO, "-q")
    run("generate", SECRET, *SMALL, "--no-score", "-q")
    run("generate", SECRET, *TURBO, "--timeout", "0.000001", "-q", code=4)
    run("queue", "add", SECRET, *TURBO, "-q")
    run("queue", "cancel", "--all")
    run("queue", "add", SECRET, *TURBO, "--size", "8192x8192", "-q")
    run("queue", "run", "-q", code=5)
    rows = ["prompt_id,prompt,function,metric,score"]
    for number in range(40):
        prompt = SECRET if number == 7 else f"a picture of {number} dogs"
        for function, score in (("starter-turbo@1", number % 7), ("starter-small@4", number % 5)):
            rows.append(f"{number},{prompt},{function},nima,{score}")
    (place / "scores.csv").write_text("\n".join(rows))
    run("bench", "import", str(place / "scores.csv"), "--name", "mine")
    for kind in ("knn", "ridge"):
        run("router", "train", "--bench", "mine", "--kind", kind, "--name", kind)
    run("bench", "rm", "mine", "--yes")
    (place / "scores.csv").unlink()
    with closing(sqlite3.connect(home / "cems.db")) as database:
        database.execute("VACUUM INTO ?", [str(backup_before(home / "cems.db", "m021_something"))])
    assert {"cems.db", "cems-before-m021.db", "routers/knn.safetensors"} <= set(told_by(home))
    return home


@pytest.fixture
def home(used: Path, tmp_path: Path) -> Path:
    """A copy of that home."""
    return Path(shutil.copytree(used, tmp_path / "home"))


def test_no_word_of_a_forgotten_prompt_is_left_in_any_file(home: Path) -> None:
    gone = cems("history", "rm", "--search", "unicorn", "--forever", "--yes", home=home)
    assert gone.code == 0, gone.err
    assert gone.out == "2 pictures forgotten\n"
    assert told_by(home) == []
    assert "cems-before-m021.db is removed" in gone.err
    assert "router knn keeps its numbers, and not the text" in gone.err
    assert len(cems("history", "ls", "-q", home=home).out.split()) == 1
    asked = cems("route", SECRET, "--router", "knn", "--json", home=home)
    assert asked.code == 0, asked.err
    assert cems("router", "show", "knn", home=home).code == 0


def test_what_still_waits_is_told_and_kept(home: Path) -> None:
    assert cems("queue", "add", SECRET, *TURBO, "-q", home=home).code == 0
    gone = cems("history", "rm", "--search", "unicorn", "--forever", "--yes", home=home)
    assert "1 job of that prompt still waits" in gone.err
    assert len(cems("queue", "ls", "--all", "-q", home=home).out.split()) == 2  # the red car, too


def test_a_log_that_others_read_is_told_not_to_be_clean(home: Path) -> None:
    reader = sqlite3.connect(home / "cems.db")
    with closing(reader):
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM generations").fetchone()
        gone = cems("history", "rm", "--search", "unicorn", "--forever", "--yes", home=home)
        assert gone.code == 8
        assert "another process reads" in gone.err
    assert cems("history", "star", cems("history", "ls", "-q", home=home).out.strip(), home=home)
    assert told_by(home) == []


@pytest.mark.parametrize("at", [1, 5, 9, 13, 17, 21, 25])
def test_forgetting_that_is_killed_is_done_by_the_same_command_again(home: Path, at: int) -> None:
    forget = ("history", "rm", "--search", "unicorn", "--forever", "--yes")
    Forks().run(forget, home, planted(at, "kill", home.parent / "reached"))
    again = cems(*forget, home=home)
    assert again.code in (0, 2), again.err
    assert told_by(home) == []
