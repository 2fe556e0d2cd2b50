"""`cems history stats` in words: what is known, and what is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.profile import Profile
from cems_tui.settings import Settings
from cems_tui.store.statistics import FunctionStats, Stats
from cems_tui.text import counted
from cems_tui.views.savings import savings_lines
from cems_tui.views.scales import Scale, constants_lines, labels


def stats(session: o.SessionName = None, json: o.Json = False) -> None:
    """Print counts, costs and scores, overall and by function."""
    profile = Profile.current()
    with profile.history() as store:
        found = store.stats(session=session)
    if json:
        output.json_document(found.to_json())
        return
    for line in stats_lines(found, profile.settings):
        output.line(line)


def stats_lines(stats: Stats, settings: Settings) -> Iterator[str]:
    """Totals first, then savings, then a line a function."""
    yield (
        f"{counted(stats.pictures, 'picture')} in {counted(stats.sessions, 'session')}, "
        f"{stats.failures} failed"
    )
    if not stats.pictures:
        return
    money = output.money_of(settings)
    loading = money.total(stats.load_cost_usd)
    priced = stats.pictures - stats.unpriced
    each = ""
    if priced and stats.cost_usd is not None:
        each = f", {money.per_thousand_words(stats.cost_usd / priced)}"
    yield f"cost      {money.total(stats.cost_usd)}{each}{_beside(stats.unpriced, 'unpriced')}"
    yield f"loading   {loading}{_beside(stats.load_unpriced, 'unpriced')}, not in the cost"
    for number, line in enumerate(savings_lines(stats.savings, money)):
        yield f"{'saved' if number == 0 else '':<10}{line}"
    known = " · ".join(f"{k} {v:.2f}" for k, v in stats.seconds.items() if v is not None)
    yield f"seconds   {known or '—'}"
    yield ""
    called = labels((s.metric, s.scorer) for f in stats.functions for s in f.scores)
    for function in stats.functions:
        yield _function_line(function, settings, called)
    yield from constants_lines(called)


def _function_line(function: FunctionStats, settings: Settings, called: Mapping[Scale, str]) -> str:
    mean = output.money_of(settings).per_thousand_words(function.mean_cost_usd)
    scores = "  ".join(
        f"{called[score.metric, score.scorer]} {score.mean:.3f} "
        f"({score.count}, {_name(score.scorer)})"
        for score in function.scores
    )
    return (
        f"{function.function:<20} {function.pictures:>5} pictures  {mean:>16}  "
        f"{_seconds(function.mean_seconds)} s  {scores or 'not scored'}"
    )


def _name(scorer: str) -> str:
    """An instrument without its digest and its constants."""
    return scorer.partition(":")[0].partition("(")[0]


def _beside(count: int, what: str) -> str:
    return f" ({count} {what} beside)" if count else ""


def _seconds(seconds: float | None) -> str:
    return "—" if seconds is None else f"{seconds:.3f}"
