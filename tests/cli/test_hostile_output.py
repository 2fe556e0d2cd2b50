"""What others wrote is shown and never obeyed, by every command that reads."""

from __future__ import annotations

import ast
import io
import sys
from pathlib import Path

import pytest

from cems_tui import paths
from cems_tui.cli import output
from tests.cli.cems import ROOT, Ran
from tests.cli.hostile import EVIL, assert_nothing_is_obeyed, command_lines, hostile_home
from tests.cli.inside import Inside, inside

__all__ = ["inside"]


@pytest.fixture
def home(inside: Inside, tmp_path: Path) -> Inside:
    """A home in which whatever others can write holds controls."""
    hostile_home(inside, tmp_path)
    return inside


COMMANDS = [
    ["why", "plain.png"],
    ["why", "{picture}"],
    ["why", f"none{EVIL}.png"],
    ["history", "ls"],
    ["history", "ls", "-q"],
    ["history", "show", "{id}"],
    ["history", "stats"],
    ["history", "path"],
    ["router", "ls"],
    ["router", "ls", "-q"],
    ["router", "show", "bad"],
    ["router", "show", f"no{EVIL}"],
    ["router", "eval", "bad", "--bench", "evil"],
    ["router", "diff", "good", "bad", "--bench", "evil"],
    ["router", "export", "bad", "--out", f"o{EVIL}.zip"],
    ["router", "import", f"o{EVIL}.zip", "--name", "again"],
    ["router", "train", "--bench", "evil", "--kind", "knn", "--name", "more"],
    ["router", "rm", "bad", "--dry-run"],
    ["router", "use", "bad"],
    ["route", "a red car", "--router", "bad"],
    ["route", f"a red car {EVIL}"],
    ["route", "a red car", "--pool", f"x{EVIL}"],
    ["bench", "ls"],
    ["bench", "ls", "-q"],
    ["bench", "report", "evil"],
    ["bench", "report", f"b{EVIL}"],
    ["bench", "rm", f"b{EVIL}", "--dry-run"],
    ["bench", "rm", f"none{EVIL}", "--yes"],
    ["bench", "import", "evil.csv", "--name", f"b{EVIL}"],
    ["ls"],
    ["ls", "--all"],
    ["ls", "-q"],
    ["show", f"model{EVIL}"],
    ["show", "model"],
    ["verify", f"model{EVIL}"],
    ["rm", f"model{EVIL}", "--dry-run"],
    ["rm", f"model{EVIL}"],
    ["ps"],
    ["stop", f"model{EVIL}"],
    ["pull", f"org/x{EVIL}", "--dry-run"],
    ["import", f"no{EVIL}", "--name", "y"],
    ["config", "show"],
    ["config", "path"],
    ["doctor"],
    [f"no{EVIL}"],
    ["--debug", "show", f"no{EVIL}"],
]


def test_every_command_shows_what_others_wrote_and_obeys_nothing(
    home: Inside, tmp_path: Path
) -> None:
    picture = next((tmp_path / f"pictures{EVIL}").glob("*.png"))
    given = {"{picture}": str(picture), "{id}": picture.stem}
    shown = 0
    for command in COMMANDS:
        ran = home(*(given.get(word, word) for word in command))
        assert_nothing_is_obeyed(ran)
        assert ran.code in (0, 2, 3, 7), f"{command}: {ran.err}"
        shown += "␛" in ran.out + ran.err
    assert shown > len(COMMANDS) // 2
    for command in (["history", "ls"], ["router", "ls"], ["bench", "ls"], ["why", "plain.png"]):
        ran = home(*command, "--json")
        assert ran.code == 0
        assert_nothing_is_obeyed(ran)
        assert repr(EVIL)[1:-1] in str(ran.document)


def test_whatever_command_is_given_controls_obeys_none(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    seen = set()
    for path, line in command_lines(()):
        if path in seen or path[0] == "starter":
            continue  # the first is enough here, and one that draws is none for here
        seen.add(path)
        ran = inside(*line)
        assert_nothing_is_obeyed(ran)
        assert ran.code in (0, 2, 3, 8), f"{line}: {ran.err}"
        assert "bug of ours" not in ran.err
    assert {("router", "train"), ("why",)} <= seen


def test_a_broken_setting_is_told_and_not_obeyed(inside: Inside, tmp_path: Path) -> None:
    file = paths.current().config_file
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f'["x{EVIL}"]\ny = 1\n'.replace("\x1b", "\\u001b").replace("\x07", "\\u0007"))
    for command in (["config", "validate"], ["config", "show"], ["ls"]):
        assert_nothing_is_obeyed(inside(*command))


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_an_export_is_shown_in_a_terminal_and_goes_as_it_is_into_a_pipe(
    home: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    piped = home("bench", "export", "evil").out
    assert EVIL in piped
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    home("bench", "export", "evil")
    assert_nothing_is_obeyed(Ran(0, terminal.getvalue(), ""))
    assert terminal.getvalue().count("\n") == piped.count("\n")


def test_in_a_terminal_tables_and_lines_have_our_colours_and_no_others(
    home: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    for command in (["why", "plain.png"], ["history", "ls"], ["ls"], ["route", "a", "--router"]):
        terminal = Terminal()
        monkeypatch.setattr(sys, "stdout", terminal)
        home(*command, *(["bad"] if command[-1] == "--router" else []))
        assert_nothing_is_obeyed(Ran(0, terminal.getvalue(), ""))


def test_progress_and_questions_show_what_they_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert output.ask(f"Remove {EVIL}? [y/N]") == "y"
    output.progress(EVIL, last=True)
    output.note(EVIL, "and\ra second\nline")
    told = capsys.readouterr().err
    assert_nothing_is_obeyed(Ran(0, "", told.replace("\r\x1b[2K", "")))
    assert told.count("\n") == 3


def test_a_file_name_that_is_no_text_goes_into_a_pipe_as_its_bytes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), "utf-8", errors="surrogateescape")
    monkeypatch.setattr(sys, "stdout", stream)
    output.line("caf\udce9.png")
    assert stream.buffer.getvalue() == b"caf\xe9.png\n"  # type: ignore[attr-defined]


PRINTS = {"print", "echo", "secho", "confirm", "prompt", "print_exception", "print_exc"}


def test_nothing_prints_but_the_one_place_that_does() -> None:
    ours = ROOT / "cems_tui" / "cli"
    for path in sorted(ours.rglob("*.py")):
        if path == ours / "output.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            where = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
            match node:
                case ast.Call(func=ast.Name(id=name)):
                    assert name not in PRINTS, where
                case ast.Call(func=ast.Attribute(value=ast.Name(id=of), attr=name)):
                    of_ours = (of, name) in {("console", "print"), ("output", "confirm")}
                    assert name not in PRINTS or of_ours, where
                case ast.Attribute(attr="write" | "writelines", value=ast.Attribute(attr=stream)):
                    assert stream not in ("stdout", "stderr"), where
                case ast.Call(keywords=keywords):
                    assert all(word.arg != "file" for word in keywords), where
