"""A home in which whatever others can write holds controls, and every command told of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer.main
from PIL import Image

from cems_tui import paths
from cems_tui.cli.main import app
from cems_tui.domain.note import Note
from cems_tui.domain.request import new_id
from cems_tui.domain.score import Score
from cems_tui.profile import Profile
from cems_tui.score_tables.formats import ScoreTable, write_table
from cems_tui.store.receipts import write_png
from tests.cli.cems import Ran
from tests.routing.fakes import table_with_signal
from tests.store.records import candidate, decision, generation

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


def hostile_home(run: Callable[..., Ran], folder: Path) -> Path:
    """Fill the home of this environment; the picture whose receipt and name are hostile."""
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
    write_table(ScoreTable.of(rows), folder / "evil.csv")
    for name in ("evil", f"b{EVIL}"):
        assert_nothing_is_obeyed(run("bench", "import", "evil.csv", "--name", name))
    ran = run("router", "train", "--bench", "evil", "--kind", "ridge", "--name", "good")
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

    pictures = folder / f"pictures{EVIL}"
    pictures.mkdir()
    with Profile.current().records() as store:
        session = store.session()
        made = generation(
            session,
            pictures,
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
    write_png(Image.new("RGB", (8, 8)), made.image, made.to_json())
    write_png(Image.new("RGB", (8, 8)), folder / "plain.png", made.to_json())

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
    return made.image


def command_lines(known: Sequence[str]) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """Every command, with controls as each of its arguments and values, and with known names.

    Nothing is drawn, fetched or removed: where a command can only say what it would do, it does.

    Args:
        known: names of what is in the home.

    Returns:
        The words that name the command, and the whole line.
    """
    for path, command in _commands(typer.main.get_command(app), ()):
        places = [one for one in command.params if one.param_type_name == "argument"]
        options = [one for one in command.params if one.param_type_name == "option"]
        dry = [one.opts[0] for one in options if one.opts[0] == "--dry-run"]
        evil = [EVIL] * len(places)
        yield path, [*path, *evil, *dry]
        yield path, [*path, *evil, EVIL, f"--{EVIL}"]
        for option in options:
            if not option.is_flag:
                yield path, [*path, *evil, option.opts[0], EVIL, *dry]
        for name in known if places else ():
            yield path, [*path, *[name] * len(places), *dry]


def _commands(group: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name in group.table:
        command = group.get_command(None, name)
        if hasattr(command, "table"):
            yield from _commands(command, (*path, name))
        else:
            yield (*path, name), command
