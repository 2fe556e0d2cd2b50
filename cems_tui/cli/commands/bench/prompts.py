"""`cems bench prompts`: the sets of prompts there are, and what is in one."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from cems_tui.bench.analysis import WordCount, word_counts
from cems_tui.bench.prompt_sets import (
    PUBLIC,
    fetch,
    fetched,
    public_prompts,
    read_prompt_file,
    spectrum,
)
from cems_tui.bench.prompts import PromptLine
from cems_tui.cancel import was_interrupted
from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.cli.text_layout import Column
from cems_tui.errors import UsageError
from cems_tui.models.hub.client import Hub
from cems_tui.profile import Profile
from cems_tui.starter.benchmark_prompts import benchmark_prompts
from cems_tui.text import counted
from cems_tui.views.figures import UNKNOWN

STARTER_PROMPTS = 300
"""Prompts in the set called `starter`."""

HISTORY = "history"
BENCH = "bench:"
"""Before the name of a benchmark, also of an imported one, whose prompts are drawn."""

HISTORY_PROMPTS = 120
"""The most prompts in the set called `history`, the latest: about what retraining needs."""

LATEST_PICTURES = 2_000
"""Pictures that the prompts of the history are looked for among."""


def prompts(
    name: Annotated[
        str | None,
        typer.Argument(metavar="SET|FILE", help="Whose prompts; without it the sets are listed."),
    ] = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """List the sets of prompts, or print the prompts of one; a public one is fetched first."""
    profile = Profile.current()
    if name is None:
        _list_sets(profile, json=json, quiet=quiet)
        return
    difficulty = {one.prompt: one.difficulty for one in spectrum()} if name == "spectrum" else {}
    lines = prompts_named(name, profile)
    rows = [
        {"prompt": one.prompt, "group": one.group, "difficulty": difficulty.get(one.prompt)}
        for one in lines
    ]
    if json:
        output.json_document(rows)
        return
    if quiet:
        for one in lines:
            output.line(one.prompt)
        return
    output.table(
        (Column("group"), Column("difficulty", right=True), Column("prompt")),
        [
            (str(one["group"] or UNKNOWN), str(one["difficulty"] or UNKNOWN), str(one["prompt"]))
            for one in rows
        ],
    )
    for count in word_counts([one.prompt for one in lines], [one.group or "" for one in lines])[:1]:
        output.note(f"{count.prompts:,} prompts, {_words(count)}")


def _list_sets(profile: Profile, *, json: bool, quiet: bool) -> None:
    rows = [_own("spectrum", [one.prompt for one in spectrum()], "written for this program")]
    starter = [prompt for prompt, _ in benchmark_prompts(STARTER_PROMPTS)]
    rows.append(_own("starter", starter, "what the starter models can draw"))
    for one in PUBLIC.values():
        there = fetched(one, profile.paths.prompt_sets)
        rows.append(
            {
                "name": one.name,
                "told": one.told,
                "licence": one.licence if there is None else there.licence,
                "source": one.repository if there is None else str(there),
                "fetched": there is not None,
                "words": None,
            }
        )
    rows.append(_own("history", None, "one's own prompts; history:QUERY searches, as `history ls`"))
    if json:
        output.json_document(
            [
                {**row, "words": None if row["words"] is None else asdict(row["words"])}
                for row in rows
            ]
        )
        return
    if quiet:
        for row in rows:
            output.line(str(row["name"]))
        return
    output.table(
        (Column("set"), Column("what"), Column("licence"), Column("words", spare=2)),
        [
            (
                str(row["name"]),
                str(row["told"]),
                str(row["licence"] or UNKNOWN),
                UNKNOWN if row["words"] is None else _words(row["words"]),
            )
            for row in rows
        ],
    )


def _own(name: str, prompts: list[str] | None, told: str) -> dict[str, Any]:
    counts = None if prompts is None else word_counts(prompts, [""] * len(prompts))[0]
    number = "" if counts is None else f"{counts.prompts:,} prompts, "
    return {
        "name": name,
        "told": f"{number}{told}",
        "licence": None if prompts is None else "Apache-2.0",
        "source": None,
        "fetched": True,
        "words": counts,
    }


def _words(count: WordCount) -> str:
    deviation = UNKNOWN if count.deviation is None else f"{count.deviation:.1f}"
    return f"{count.least} to {count.most} words, mean {count.mean:.1f}, sd {deviation}"


# What `--prompts` names: a file, one of our sets, a public one, one's history, a benchmark.


def prompts_named(name: str, profile: Profile) -> list[PromptLine]:
    """The prompts of a file or set, each once; what is left out is told.

    Raises:
        UsageError: they cannot be read, or there are none.
        DownloadError: a public set cannot be had.
    """
    lines = _all_of(name, profile)
    once: dict[str, PromptLine] = {}
    for line in lines:
        text = line.prompt.strip()
        once.setdefault(text, replace(line, prompt=text))
    if len(once) < len(lines):
        output.note(f"{counted(len(lines) - len(once), 'prompt')} repeated: drawn once")
    return list(once.values())


def _all_of(name: str, profile: Profile) -> list[PromptLine]:
    if Path(name).exists():
        return read_prompt_file(name, output.note)
    if name == "spectrum":
        return [PromptLine(one.prompt, group=one.kind) for one in spectrum()]
    if name == "starter":
        return [
            PromptLine(prompt=prompt, group=group)
            for prompt, group in benchmark_prompts(STARTER_PROMPTS)
        ]
    if name == HISTORY or name.startswith(f"{HISTORY}:"):
        return _history(name.removeprefix(HISTORY).removeprefix(":"), profile)
    if name.startswith(BENCH):
        with profile.history() as store:
            groups = store.benches.prompts(name.removeprefix(BENCH))
        return [PromptLine(prompt, group=group) for prompt, group in groups.items()]
    if name in PUBLIC:
        return _public(name, profile)
    return read_prompt_file(name, output.note)


def _history(query: str, profile: Profile) -> list[PromptLine]:
    """The latest prompts of one's own that a search finds."""
    with profile.history() as store:
        drawn = store.generations(query or None, limit=LATEST_PICTURES)
    latest = dict.fromkeys(one.prompt for one in drawn if not one.negative)
    if not latest:
        raise UsageError(
            f"there is no prompt in the history{f' for {query!r}' if query else ''}",
            "Draw some: cems generate PROMPT."
            if not query
            else "`cems history ls` searches alike.",
        )
    return [PromptLine(prompt) for prompt in list(latest)[:HISTORY_PROMPTS]]


def _public(name: str, profile: Profile) -> list[PromptLine]:
    one, folder = PUBLIC[name], profile.paths.prompt_sets
    record = fetched(one, folder)
    if record is None:
        record = fetch(one, folder, Hub(), output.note, was_interrupted)
    output.note(f"{name}: {record}")
    return public_prompts(one, record, folder, output.note)
