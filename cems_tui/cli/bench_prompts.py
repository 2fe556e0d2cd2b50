"""What `--prompts` of a benchmark names: a file, one of our sets, a public one, one's history."""

from __future__ import annotations

from pathlib import Path

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
from cems_tui.cli import output
from cems_tui.errors import UsageError
from cems_tui.models.hub.client import Hub
from cems_tui.profile import Profile
from cems_tui.starter.benchmark_prompts import benchmark_prompts
from cems_tui.text import counted

STARTER_PROMPTS = 300
"""Prompts in the set called `starter`."""

HISTORY = "history"
BENCH = "bench:"
"""Before the name of a benchmark, also of an imported one, whose prompts are drawn."""

HISTORY_PROMPTS = 120
"""The most prompts in the set called `history`, the latest: about what retraining needs."""

LATEST_PICTURES = 2_000
"""Pictures that the prompts of the history are looked for among."""


def prompts_named(name: str, profile: Profile) -> list[PromptLine]:
    """The prompts of a file or set, each once; what is left out is told.

    Raises:
        UsageError: they cannot be read, or there are none.
        DownloadError: a public set cannot be had.
    """
    lines = _all_of(name, profile)
    once = list({line.prompt: line for line in reversed(lines)}.values())[::-1]
    if len(once) < len(lines):
        output.note(f"{counted(len(lines) - len(once), 'prompt')} repeated: drawn once")
    return once


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
