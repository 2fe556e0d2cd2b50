"""`cems history stats` in words: what is known, and what is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from cems_tui.cli import options as o
from cems_tui.cli import output
from cems_tui.cli.text_layout import Column
from cems_tui.profile import Profile
from cems_tui.settings import Settings
from cems_tui.store.statistics import Foresight, FunctionStats, Group, GroupBy, Stats
from cems_tui.text import counted, visible
from cems_tui.views.figures import UNKNOWN, Money
from cems_tui.views.plot import Line, plotted
from cems_tui.views.savings import instead_words, percent, savings_lines, strategy_words
from cems_tui.views.scales import Scale, constants_lines, labels
from cems_tui.views.worth import drift_lines, regret_lines, worth_words

PLOT_WIDTH = 80
"""Cells of a plot in a pipe."""


def stats(
    search: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SEARCH…", help="What finds pictures, as in `history ls`: since:monday."
        ),
    ] = None,
    group_by: Annotated[
        GroupBy | None, typer.Option("--group-by", help="One line for each; JSON has all figures.")
    ] = None,
    plot: Annotated[
        bool, typer.Option("--plot", help="Draw cost and quality of each group; by day.")
    ] = False,
    session: o.SessionName = None,
    json: o.Json = False,
) -> None:
    """Print what pictures took, cost and scored, and whether routing was worth it."""
    profile = Profile.current()
    asked = " ".join(search or ())
    group: GroupBy | None = group_by or ("day" if plot else None)
    with profile.history() as store:
        found = store.stats(session=session, search=asked)
        groups = [] if group is None else store.stats_by(group, session=session, search=asked)
        drifts = store.drifts()
        measured = store.measured_regret(session=session, search=asked)
    if json:
        document = found.to_json() | {
            "drift": [one.to_json() for one in drifts],
            "measured_regret": [asdict(one) for one in measured],
        }
        if group is not None:
            document["group_by"] = group
            document["groups"] = [
                {"key": one.key, "name": one.name, **one.stats.to_json()} for one in groups
            ]
        output.json_document(document)
        return
    if group is None:
        for line in stats_lines(found, profile.settings):
            output.line(line)
    else:
        _print_groups(group, groups, profile.settings)
    if plot:
        in_time = group in ("day", "week", "session")
        _print_plots(groups, output.money_of(profile.settings), in_time=in_time)
    if found.pictures:
        output.line()
        output.line(f"worth it? {worth_words(found.worth)}")
    for number, line in enumerate(regret_lines(measured, output.money_of(profile.settings))):
        output.line(f"{'given up' if number == 0 else '':<10}{line}")
    for line in drift_lines(drifts):
        output.line(f"drift     {line}")


def stats_lines(stats: Stats, settings: Settings) -> Iterator[str]:
    """Totals first, then savings, then a line a function."""
    failed = "" if stats.failures is None else f", {stats.failures} failed"
    sessions = counted(stats.sessions or 0, "session")
    yield f"{counted(stats.pictures, 'picture')} in {sessions}{failed}"
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
    energy = UNKNOWN if stats.energy_wh is None else f"{stats.energy_wh:.4g} Wh"
    yield f"energy    {energy}{_beside(stats.unmetered, 'not measured')}"
    for number, line in enumerate(savings_lines(stats.savings, money)):
        yield f"{'saved' if number == 0 else '':<10}{line}"
    for number, one in enumerate(stats.savings.against):
        label = "instead" if number == 0 else ""
        yield f"{label:<10}always {strategy_words(one)}: {instead_words(one, money)} expected"
    known = " · ".join(
        f"{part} {value:.2f}{_beside(stats.untimed[part], 'not measured')}"
        for part, value in stats.seconds.items()
        if value is not None
    )
    yield f"seconds   {known or UNKNOWN}"
    for number, foresight in enumerate(stats.foresight):
        yield f"{'foresight' if number == 0 else '':<10}{_foresight_words(foresight)}"
    for number, regret in enumerate(stats.regret):
        mean = f"{regret.mean:.3f}{_ends(regret.interval)} {visible(regret.metric)}"
        yield (
            f"{'regret' if number == 0 else '':<10}{mean} on {counted(regret.pictures, 'picture')} "
            "whose prompt another function drew too, the luck of a seed included"
        )
    yield ""
    called = labels((s.metric, s.scorer) for f in stats.functions for s in f.scores)
    for function in stats.functions:
        yield _function_line(function, settings, called)
    yield from constants_lines(called)


def _foresight_words(one: Foresight) -> str:
    """`starter foresaw 1.310 mixed, measured 1.280: −0.030 [−0.050, −0.010], 8 % outside`."""
    sign = f"{one.difference:+.3f}".replace("-", "−")
    outside = ""
    if one.bounded:
        outside = f"; {percent(one.outside / one.bounded)} outside 90 % intervals"
    return (
        f"{visible(one.router or 'no router')} foresaw {one.predicted:.3f} {visible(one.metric)}, "
        f"measured {one.measured:.3f}: {sign}{_ends(one.interval)} on "
        f"{counted(one.pictures, 'picture')}{outside}"
    )


def _ends(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f" [{interval[0]:.3f}, {interval[1]:.3f}]".replace("-", "−")


def _print_groups(group: GroupBy, groups: Sequence[Group], settings: Settings) -> None:
    """A line a group: what it took, cost, scored, and saved."""
    if not groups:
        output.note("no picture is like that")
        return
    money = output.money_of(settings)
    columns = (
        Column(group),
        Column("pictures", right=True),
        Column("pinned", right=True, spare=6),
        Column("load s", right=True, spare=4),
        Column("draw s", right=True, spare=3),
        Column("score s", right=True, spare=2),
        Column("Wh", right=True, spare=1),
        Column(money.unit, right=True),
        Column("saved", right=True),
        Column("foreseen", right=True, spare=5),
        Column("measured", right=True),
        Column("regret", right=True, spare=7),
    )
    output.table(columns, [_group_cells(one, money) for one in groups])
    output.line("draw: encode + denoise + decode · saved: against the best single function")


def _group_cells(group: Group, money: Money) -> tuple[str, ...]:
    stats = group.stats
    drawn = [stats.seconds[part] for part in ("encode", "denoise", "decode")]
    whole = None if None in drawn else sum(part for part in drawn if part is not None)
    priced = stats.pictures - stats.unpriced
    each = None if stats.cost_usd is None or not priced else stats.cost_usd / priced
    best = next((one for one in stats.savings.against if one.against == "best single"), None)
    share = None if best is None else best.saved_share
    foresight = stats.foresight[0] if len(stats.foresight) == 1 else None
    regret = stats.regret[0] if len(stats.regret) == 1 else None
    return (
        visible(group.name),
        str(stats.pictures),
        str(stats.savings.pinned),
        _figure(stats.seconds["load"], 2),
        _figure(whole, 2),
        _figure(stats.seconds["score"], 2),
        _figure(stats.energy_wh, 3),
        _figure(money.thousand(each), 4),
        UNKNOWN if share is None else f"{100 * share:+.0f} %".replace("-", "−"),
        _figure(None if foresight is None else foresight.predicted, 3),
        _figure(None if foresight is None else foresight.measured, 3),
        _figure(None if regret is None else regret.mean, 3),
    )


def _figure(value: float | None, decimals: int) -> str:
    return UNKNOWN if value is None else f"{value:.{decimals}f}"


def _print_plots(groups: Sequence[Group], money: Money, *, in_time: bool) -> None:
    """Money a picture, then predicted and measured quality, oldest or largest group first."""
    ordered = [*reversed(groups)]
    costs = []
    for one in ordered:
        priced = one.stats.pictures - one.stats.unpriced
        known = one.stats.cost_usd if priced else None
        costs.append(money.thousand(None if known is None else known / priced))
    names = [one.name for one in ordered]
    charts = [("cost a picture", money.unit, [Line("measured", costs)])]
    scales = dict.fromkeys((f.metric, f.scorer) for one in ordered for f in one.stats.foresight)
    for metric, scorer in scales:
        found = [
            next((f for f in one.stats.foresight if (f.metric, f.scorer) == (metric, scorer)), None)
            for one in ordered
        ]
        lines = [
            Line("foreseen", [None if f is None else f.predicted for f in found]),
            Line("measured", [None if f is None else f.measured for f in found]),
        ]
        charts.append((f"mean {metric}", metric, lines))
    width = output.width_of(output.data_stream()) or PLOT_WIDTH
    for title, unit, lines in charts:
        output.line()
        for row in plotted(title, unit, names, lines, width, joined=in_time):
            output.line(row, hang=0)


def _function_line(function: FunctionStats, settings: Settings, called: Mapping[Scale, str]) -> str:
    mean = output.money_of(settings).per_thousand_words(function.mean_cost_usd)
    scores = "  ".join(
        f"{called[score.metric, score.scorer]} {score.mean:.3f} "
        f"({score.count}, {_name(score.scorer)})"
        for score in function.scores
    )
    return (
        f"{function.function:<20} {counted(function.pictures, 'picture'):<13} {mean:>16}  "
        f"{_seconds(function.mean_seconds)} s  {scores or 'not scored'}"
    )


def _name(scorer: str) -> str:
    """An instrument without its digest and its constants."""
    return scorer.partition(":")[0].partition("(")[0]


def _beside(count: int, what: str) -> str:
    return f" ({count} {what} beside)" if count else ""


def _seconds(seconds: float | None) -> str:
    return UNKNOWN if seconds is None else f"{seconds:.3f}"
