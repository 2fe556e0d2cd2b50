"""What others wrote is shown and never obeyed, by every command that reads."""

from __future__ import annotations

import ast
import io
import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from cems_tui import paths
from cems_tui.cli import output
from cems_tui.domain.note import Note
from cems_tui.domain.request import new_id
from cems_tui.domain.score import Score
from cems_tui.profile import Profile
from cems_tui.score_tables.formats import ScoreTable, write_table
from cems_tui.store.receipts import write_png
from tests.cli.cems import ROOT, Ran
from tests.cli.inside import Inside, inside
from tests.routing.fakes import table_with_signal
from tests.store.records import candidate, decision, generation

__all__ = ["inside"]

EVIL = "\x1b[31m\x1b]52;c;ZXZpbA==\x07\x1b]8;;mailto:e\x1b\\\x9b2J\x90q\u202e\u2066\u200f\x7f\x08"
"""Colours, the clipboard, a link, C1, bidirectional and other controls."""

SGR = re.compile(r"\x1b\[[\d;]*m")
RAW = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
"""Every control but line end and tab, and every character that turns or hides text."""


def assert_nothing_is_obeyed(ran: Ran) -> None:
    """Of controls only our own colours reached the streams."""
    for stream in (ran.out, ran.err):
        found = RAW.search(SGR.sub("", stream.replace("\x1b[31m", "OBEYED\x1b")))
        assert found is None, stream[max(0, found.start() - 60) : found.end() + 20]


@pytest.fixture
def home(inside: Inside, tmp_path: Path) -> Inside:
    """A home in which whatever others can write holds controls."""
    table = table_with_signal(60)
    rows = tuple(
        replace(
            row,
            prompt=row.prompt + EVIL,
            function=row.function + EVIL,
            metric=row.metric + EVIL,
            prompt_id=row.prompt_id + EVIL,
            group=EVIL,
            rater=EVIL,
        )
        for row in table.rows
    )
    write_table(ScoreTable.of(rows), tmp_path / "evil.csv")
    for name in ("evil", f"b{EVIL}"):
        assert_nothing_is_obeyed(inside("bench", "import", "evil.csv", "--name", name))
    ran = inside("router", "train", "--bench", "evil", "--kind", "ridge", "--name", "good")
    assert ran.code == 0, ran.err
    assert_nothing_is_obeyed(ran)
    routers = Profile.current().routers.own
    card = json.loads((routers / "good.json").read_text())
    for key in ("about", "interval", "created", "kind"):
        card[key] = f"{card.get(key)}{EVIL}"
    card["training"]["table"] = EVIL
    card["scorers"] = {f"m{EVIL}": EVIL}
    card["evaluation"]["verdict_in_words"] = EVIL
    (routers / "bad.json").write_text(json.dumps({**card, "name": "bad"}))
    (routers / "bad.safetensors").write_bytes((routers / "good.safetensors").read_bytes())

    folder = tmp_path / f"pictures{EVIL}"
    folder.mkdir()
    with Profile.current().records() as store:
        session = store.session()
        made = generation(
            session,
            folder,
            id=new_id(),
            prompt=f"a car {EVIL}",
            negative=EVIL,
            function=f"f{EVIL}",
            executed=f"g{EVIL}",
            fallback=EVIL,
            sampler=EVIL,
            model=f"m{EVIL}",
            scores=(Score(f"nima{EVIL}", 5.0, f"scorer{EVIL}"),),
            decision=decision(
                f"a car {EVIL}",
                choice=f"f{EVIL}",
                router=f"r{EVIL}",
                metric=f"nima{EVIL}",
                reason=f"because {EVIL}",
                notes=(Note("other", EVIL),),
                refusal=EVIL,
                candidates=(candidate(f"f{EVIL}"), candidate(f"h{EVIL}", rank=2, cost_usd=1.0)),
            ),
            score_error=EVIL,
        )
        store.add_generation(made)
    from PIL import Image

    write_png(Image.new("RGB", (8, 8)), made.image, made.to_json())
    write_png(Image.new("RGB", (8, 8)), tmp_path / "plain.png", made.to_json())

    ledger = paths.current().models / "ledger"
    ledger.mkdir(parents=True)
    weights = paths.current().models / "org--evil" / ("a" * 40)
    weights.mkdir(parents=True)
    (weights / f"x{EVIL}.json").write_text("{}")
    entry = {
        "format": 1,
        "name": f"model{EVIL}",
        "repo": "org/evil",
        "commit": "a" * 40,
        "folder": f"org--evil/{'a' * 40}",
        "files": [{"path": f"x{EVIL}.json", "bytes": 2}],
        "pipeline": EVIL,
        "family": f"fam{EVIL}",
        "licence": f"mit{EVIL}",
        "accepted": EVIL,
        "origin": EVIL,
        "steps": [4],
    }
    for name in (f"model{EVIL}", "model"):
        (ledger / f"{name}.json").write_text(json.dumps({**entry, "name": name}))
    (ledger / f"broken{EVIL}.json").write_text("{")
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
