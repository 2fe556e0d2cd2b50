"""`cems` among other programs of a shell: completion, pipes that end early, no colour."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from cems_tui.cli import narrator, output
from cems_tui.cli.main import main
from tests.cli.fork_server import leave
from tests.cli.inside import Inside, inside
from tests.cli.terminal import at_terminal

__all__ = ["inside"]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("cems his", ["history"]),
        ("cems history ", ["ls", "show", "stats", "path"]),
        ("cems router ro", ["rollback"]),
        ("cems generate --tr", ["--tradeoff"]),
    ],
)
def test_a_shell_is_told_how_a_line_may_go_on(
    inside: Inside, monkeypatch: pytest.MonkeyPatch, line: str, found: list[str]
) -> None:
    monkeypatch.setenv("_CEMS_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
    ran = inside()
    assert ran.code == 0, ran.err
    assert set(found) <= set(ran.out.split())
    assert len(ran.out.split()) < 12


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_asks_cems_for_that_shell(inside: Inside, shell: str) -> None:
    ran = inside("completion", shell)
    assert ran.code == 0
    assert f"_CEMS_COMPLETE=complete_{shell}" in ran.out


def test_a_shell_that_is_not_known_is_refused(inside: Inside) -> None:
    assert inside("completion", "tcsh").code == 2


def exit_code_into_a_closed_pipe(arguments: list[str]) -> tuple[int, str]:
    """The exit code of a command whose stdout nobody reads, and what it wrote to stderr."""
    reader, writer = os.pipe()
    os.close(reader)
    told, telling = os.pipe()
    child = os.fork()
    if not child:
        os.dup2(writer, 1)
        os.dup2(telling, 2)
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        code = 70
        try:
            code = main(arguments)
        finally:
            leave(code)
    os.close(writer)
    os.close(telling)
    with open(told, encoding="utf-8") as stderr:
        said = stderr.read()
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), said


@pytest.mark.parametrize(
    "line",
    [
        "--help",
        "generate --help",
        "history ls",
        "history stats",
        "history path",
        "ls",
        "ls --json",
        "show starter-base",
        "router ls",
        "router show starter",
        "bench ls",
        "config show",
        "config path",
        "ps",
        "completion bash",
        "route cat",
        "route cat --json",
        "generate cat --dry-run",
    ],
)
def test_a_pipe_that_ends_early_is_no_failure(line: str) -> None:
    code, said = exit_code_into_a_closed_pipe(line.split())
    assert code == 0
    assert "Traceback" not in said
    assert "error" not in said


def test_progress_takes_one_row_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)

    def tell() -> int:
        output.progress("pulling " + "a-model-with-a-long-name " * 9)
        output.progress("done", last=True)
        return 0

    code, shown = at_terminal(tell, columns=60)
    assert code == 0
    first, last = shown.replace("\r", "").removeprefix("\x1b[2K").split("\x1b[2K")
    assert first.endswith("…")
    assert len(first) < 60
    assert last == "done\n"


@pytest.mark.parametrize(
    ("variable", "drawn"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_without_colour_no_picture_is_drawn_into_the_terminal(
    tmp_path: Path, variable: dict[str, str], drawn: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "picture.png")
    monkeypatch.setattr(output, "picture", lambda path, columns: print("▀▄"))
    monkeypatch.setenv("TERM", "xterm")
    for name, value in variable.items():
        monkeypatch.setenv(name, value)

    def show() -> int:
        narrator.show_picture(tmp_path / "picture.png")
        return 0

    shown: Callable[[], int] = show
    assert at_terminal(shown) == (0, "▀▄\n" if drawn else "")


def test_a_terminal_of_no_size_gets_a_word_for_a_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "picture.png")
    monkeypatch.setenv("TERM", "xterm")

    def show() -> int:
        narrator.show_picture(tmp_path / "picture.png")
        return 0

    code, shown = at_terminal(show, columns=0)
    assert code == 0
    assert "does not tell its size" in shown
