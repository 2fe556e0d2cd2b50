"""At a terminal of 80 columns no listing and no help breaks a word, whatever the names are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main
from PIL import Image
from typer._click import formatting

from cems_tui.cli.examples import EXAMPLES
from cems_tui.cli.help import ENVIRONMENT, EXIT_CODES
from cems_tui.cli.main import app, main
from cems_tui.cli.text_layout import cells
from cems_tui.domain.decision import Policy
from cems_tui.store.database import open_store
from cems_tui.store.pictures import commit_picture
from tests.cli.terminal import in_terminal
from tests.store.records import candidate, decision, generation

COLUMNS = 80
LONG = "someone--a-finetune-of-a-model-with-a-long-name-v2"
PROMPT = "a photograph of a lighthouse beside an extraordinarily long breakwater at dusk"
BREAKS = "/,;:@=&?_.-\\"


@pytest.fixture(scope="module")
def long_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose names, prompts, settings and path are long."""
    home = tmp_path_factory.mktemp("a folder with a long name") / "of somebody's own home"
    picture = Image.new("RGB", (8, 8))
    with open_store(home / "cems.db") as store:
        session = store.session("an evening with a name that is longer than a line would allow")
        for function in ("starter-turbo@1", f"{LONG}@25"):
            made = generation(
                session,
                home / "pictures",
                prompt=PROMPT,
                function=function,
                executed=function,
                decision=decision(
                    PROMPT,
                    choice=function,
                    policy=Policy.pinned(function),
                    candidates=(candidate(function), candidate(f"{LONG}@4", rank=2)),
                ),
            )
            commit_picture(store, picture, made)
    (home / "config.toml").write_text(
        '[generation]\npictures = "/a/folder/with/a/very/long/name/where/all/pictures/are/to/go"\n'
    )
    return home


def words_of(text: str) -> set[str]:
    """The words of an output, figures being the same: they change from run to run."""
    return set(re.sub(r"[0-9]+", "0", re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)).split())


def assert_whole(shown: str, piped: str) -> None:
    """Every word at the terminal is one of the pipe's, or ends where a long one may."""
    whole = words_of(piped)
    for line in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown).splitlines():
        assert cells(line) <= COLUMNS or line.startswith("/"), "a path is there to be copied"
    for word in words_of(shown):
        bare = word.removesuffix("…")
        if word in whole or bare in whole or not bare:
            continue
        longer = [one for one in whole if bare in one and cells(one) > COLUMNS // 3]
        cut_at = [one for one in longer if any(bare + joint in one for joint in BREAKS)]
        ends = cut_at or [one for one in longer if bare[-1] in BREAKS or one.endswith(bare)]
        assert ends, f"{word!r} is no word of what a pipe is given"


LISTINGS = [
    ("history", "ls"),
    ("history", "ls", "--paths"),
    ("history", "stats"),
    ("history", "ls", "--search", "nothing has these words"),
    ("router", "ls"),
    ("router", "show", "cems-clip"),
    ("config", "show"),
    ("config", "validate"),
    ("doctor",),
    ("ls",),
    ("ls", "--fits"),
    ("bench", "ls"),
    ("show", "starter-base"),
    ("show", "sd-turbo"),
    ("ps",),
    ("route", PROMPT, "--explain"),
    ("show", "a-model-that-nobody-has-ever-heard-of-and-whose-name-is-very-long-indeed"),
]


@pytest.mark.parametrize("arguments", LISTINGS, ids=" ".join)
def test_a_listing_breaks_no_word(
    arguments: tuple[str, ...],
    long_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, shown = in_terminal(*arguments, home=long_home)
    monkeypatch.setenv("CEMS_HOME", str(long_home))
    assert main(list(arguments)) == code
    piped = capsys.readouterr()
    assert_whole(shown, piped.out + piped.err)
    assert len(shown.split()) >= len(piped.out.split()) // 2, "the listing is there"


@pytest.mark.parametrize("command", ["why", "history show"])
def test_a_record_breaks_no_word_and_is_found_by_the_id_that_a_list_shows(
    command: str,
    long_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, listed = in_terminal("history", "ls", home=long_home)
    short = re.findall(r"^(01\w+)", listed, re.MULTILINE)
    assert len(set(short)) == 2
    assert all(10 <= len(one) <= 26 for one in short)
    for one in short:
        code, shown = in_terminal(*command.split(), one, home=long_home)
        assert code == 0, shown
        monkeypatch.setenv("CEMS_HOME", str(long_home))
        assert main([*command.split(), one.lower()]) == 0
        assert_whole(shown, capsys.readouterr().out)


def commands() -> Iterator[tuple[str, ...]]:
    """Every command and group there is, by its words."""

    def below(group: object, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        yield path
        for name in getattr(group, "commands", ()):
            yield from below(group.get_command(None, name), (*path, name))  # type: ignore[attr-defined]

    yield from below(typer.main.get_command(app), ())


@pytest.mark.parametrize("path", list(commands()), ids=" ".join)
def test_the_help_of_every_command_breaks_no_word_and_says_how_it_is_used(
    path: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, shown = in_terminal(*path, "--help", home=tmp_path / "home")
    assert code == 0
    monkeypatch.setattr(formatting, "FORCED_WIDTH", 1000)
    assert main([*path, "--help"]) == 0
    assert_whole(shown, capsys.readouterr().out)
    for example in EXAMPLES[" ".join(("cems", *path))]:
        assert f"  {example}\n" in shown
    for name, _ in (*EXIT_CODES, *ENVIRONMENT):
        assert all(part in shown for part in name.split(", "))
    titles = re.findall(r"^([A-Z][\w ]+):$", shown, re.MULTILINE)
    assert "Examples" in titles
    assert titles[-1] in ("Output", "Environment")


def test_the_help_says_that_cems_alone_opens_the_app(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "`cems` alone opens the terminal app" in capsys.readouterr().out


def test_every_example_is_a_command_line_that_is_understood() -> None:
    root = typer.main.get_command(app)
    for examples in EXAMPLES.values():
        for example in examples:
            words = re.findall(r'"[^"]*"|\S+', example)
            if words[0] != "cems":
                continue
            arguments = [word.strip('"') for word in words[1:]]
            if ">" in arguments:
                arguments = arguments[: arguments.index(">")]
            with root.make_context("cems", arguments) as context:
                _parse(root, context)


def _parse(command: object, context: object) -> None:
    """Parse what is left of a command line, down to the command itself."""
    rest = [*context._protected_args, *context.args]  # type: ignore[attr-defined]
    while rest:
        name, below, rest = command.resolve_command(context, rest)  # type: ignore[attr-defined]
        context = below.make_context(name, rest, parent=context)
        rest = [*context._protected_args, *context.args] if hasattr(below, "commands") else []
        command = below
