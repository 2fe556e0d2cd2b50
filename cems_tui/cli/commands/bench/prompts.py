"""`cems bench prompts`: the sets of prompts there are, and what is in one."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from cems_tui.bench.analysis import WordCount, word_counts
from cems_tui.bench.prompt_sets import PUBLIC, fetched, spectrum
from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.cli.bench_prompts import STARTER_PROMPTS, prompts_named
from cems_tui.cli.text_layout import Column
from cems_tui.profile import Profile
from cems_tui.starter.benchmark_prompts import benchmark_prompts
from cems_tui.views.figures import UNKNOWN


def prompts(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[SET|FILE]", help="Whose prompts; without it the sets are listed."),
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
            (one["group"] or UNKNOWN, str(one["difficulty"] or UNKNOWN), str(one["prompt"]))
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
