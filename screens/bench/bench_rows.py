"""A benchmark as a line of the list, as a matrix, as strategies; its bill before it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from textual.content import Content

from cems_tui.text import byte_count, counted, one_line, visible
from cems_tui.views.bill import duration
from cems_tui.views.figures import UNKNOWN, Money
from screens import figures
from screens.widgets.columns import Column, family_of, short_name
from screens.widgets.facts import Fact

if TYPE_CHECKING:
    from cems_tui.bench.desk.bench_desk import BenchFacts, Progress
    from cems_tui.bench.report import FunctionRow, MetricReport
    from cems_tui.store.benches import BenchSummary
    from screens.widgets.paged_list import Look

STATUS_WORDS = {"running": "running", "done": "done", "stopped": "stopped", "imported": "table"}
MOST_FAILURES = 50
"""Of what failed, the number that is listed."""

GUESS = "a guess: beside other programs every picture takes longer, and its seconds are billed"

NAME_CELLS, GROUP_CELLS, FUNCTION_CELLS = 14, 16, 12
BAR_CELLS = 11


class BenchRow:
    """A benchmark in the list, with whether this app runs it."""

    def __init__(self, summary: BenchSummary, *, runs: bool) -> None:
        self.summary = summary
        self.runs = runs
        self.key = summary.name

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BenchRow):
            return NotImplemented
        return (self.runs, self.summary) == (other.runs, other.summary)

    def __hash__(self) -> int:
        return hash(self.key)


def line(row: BenchRow, look: Look[BenchRow]) -> Content:
    """`› mine  running  212 cells  2 failed`."""
    one = row.summary
    words = "running" if row.runs else STATUS_WORDS[one.status]
    if one.status == "running" and not row.runs:
        words = "stopped"  # whoever ran it is gone, or is another window
    failed = f"  ✗ {one.failed}" if one.failed else ""
    return Content.assemble(
        ("›" if look.pointed else " ", "bold"),
        ("● " if row.runs else "  ", "bold $quality"),
        (one_line(visible(one.name), NAME_CELLS).ljust(NAME_CELLS + 1), "bold"),
        (f"{words:<8}", "$quality" if row.runs else "$muted"),
        (f"{one.cells:>7,}", ""),
        (failed, "$error"),
    )


def cell_text(progress: Progress | None, row: FunctionRow | None, *, whole: bool) -> str:
    """A cell of the matrix: a mean, `▒ 31/60` under way, `✗ 2` failed, `···` to come.

    Args:
        whole: whether the mean is told with its interval.
    """
    if progress is None:
        return UNKNOWN
    mean = "" if row is None or row.mean is None else f"{row.mean:.2f}"
    if mean and whole and row is not None and row.ci95 is not None:
        mean += f" ±{(row.ci95[1] - row.ci95[0]) / 2:.2f}".replace("0.", ".")
    failed = f"✗{progress.failed}" if progress.failed else ""
    tried = progress.made + progress.failed
    if not tried:
        return "···"
    if tried < progress.planned:
        return " ".join(filter(None, (mean, f"▒{tried}/{progress.planned}", failed)))
    return " ".join(filter(None, (mean, failed))) or UNKNOWN


def matrix_columns(facts: BenchFacts, found: MetricReport | None, money: Money) -> list[Column]:
    """Groups of prompts down, functions across; then shares of prompts won, and prices."""
    rows: dict[tuple[str | None, str], FunctionRow] = {}
    for row in () if found is None else found.functions:
        rows[row.group, row.function] = row
    names = [
        one_line("all" if group is None else visible(group), GROUP_CELLS) for group in facts.groups
    ]
    family = family_of(facts.functions)
    columns = [Column(f"{family}…" if family else "", (*names, "wins", money.unit), left=True)]
    for function in facts.functions:
        cells = [
            cell_text(
                facts.progress.get((group, function)),
                rows.get((group, function)),
                whole=group is None,
            )
            for group in facts.groups
        ]
        total = rows.get((None, function))
        won = UNKNOWN if total is None or total.won is None else figures.percent(total.won)
        price = None if total is None else money.thousand(total.cost_usd)
        cells += [won, UNKNOWN if price is None else f"{price:.3g}"]
        columns.append(
            Column(short_name(function.removeprefix(family), FUNCTION_CELLS), tuple(cells))
        )
    return columns


def strategies(found: MetricReport | None, money: Money, width: int) -> list[Content]:
    """CEMS' table of strategies: quality with its interval, the other metrics, the price."""
    analysis = None if found is None else found.analysis
    if found is None or analysis is None:
        words = "nothing to tell until some prompts have a score of every function"
        return [Content.styled(words, "$muted")]
    ways = sorted(
        analysis.strategies,
        key=lambda one: -one.quality.value if found.higher_is_better else one.quality.value,
    )
    scale = figures.shared_scale([one.quality.ci95 for one in ways])
    others = list(ways[0].metrics)
    columns = [
        Column("strategy", tuple(one_line(visible(w.name), 28) for w in ways), left=True),
        Column(found.metric, tuple(f"{w.quality.value:.3f}" for w in ways), "bold"),
        Column(
            "95 %",
            tuple(
                figures.interval_bar(w.quality.value, w.quality.ci95, scale, BAR_CELLS)
                for w in ways
            ),
            "$quality",
        ),
        Column(money.unit, tuple(_price(w.cost_usd, money) for w in ways), "$cost"),
    ]
    columns += [Column(name, tuple(_other(w.metrics.get(name)) for w in ways)) for name in others]
    shown: list[Column] = []
    for column in columns:
        if sum(one.width + 2 for one in (*shown, column)) <= width:
            shown.append(column)
    lines = [
        Content("  ").join([column.at(row) for column in shown])
        for row in (None, *range(len(ways)))
    ]
    if analysis.headroom is not None:
        oracle = analysis.headroom.oracle
        told = (
            f"an oracle gains {oracle.value:.3g} ({oracle.ci95[0]:.3g} … {oracle.ci95[1]:.3g}) "
            f"over always {visible(analysis.headroom.best_single)}; "
            f"{found.complete_prompts:,} prompts have every score"
        )
        lines += [Content(""), *Content.styled(told, "$muted").wrap(max(20, width))]
    return lines


def _price(usd: float | None, money: Money) -> str:
    price = money.thousand(usd)
    return UNKNOWN if price is None else f"{price:.3g}"


def _other(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.2f}"


def failures(facts: BenchFacts) -> list[Fact]:
    """What failed, and why."""
    told = [
        Fact(
            visible(f"{one.function} #{one.seed}"),
            f"{visible(one.error)}: {one_line(one.prompt, 120)}",
        )
        for one in facts.failures[:MOST_FAILURES]
    ]
    more = len(facts.failures) - MOST_FAILURES
    return [*told, Fact("", f"and {more} more")] if more > 0 else told


def bill(told: Mapping[str, Any], money: Money) -> list[Fact]:
    """`cems bench run --dry-run --json` in words; what is unknown is called so."""
    pictures = int(told["pictures"])
    if not pictures and not told["reads"]:
        return [Fact("left", "nothing is left to draw")]
    cost, seconds, disk = told["cost_usd"], told["seconds"], told["picture_bytes"]
    facts = [Fact("pictures", f"{pictures:,}" + _beside(told))]
    price = UNKNOWN if cost is None else money.total(cost, estimated=True)
    unpriced = told["unpriced"]
    facts.append(Fact("money", price + (f", {unpriced} unpriced beside" if unpriced else "")))
    time = UNKNOWN if seconds is None else duration(seconds)
    untimed = told["untimed"]
    time += f", {untimed} of unknown time beside" if untimed else ""
    scoring = told["score_seconds"]
    time += (
        "; how long reading them takes is not known yet"
        if scoring is None
        else f"; reading them {duration(scoring)} beside"
    )
    facts.append(Fact("time", time))
    facts.append(Fact("", GUESS, "$muted"))
    if disk is None:
        facts.append(Fact("disk", "no picture is kept"))
    else:
        least = "at most " if told["picture_bytes_at_most"] else "~"
        free = byte_count(told["free_bytes"])
        quota = byte_count(max(0, told["quota_left_bytes"]))
        facts.append(
            Fact("disk", f"{least}{byte_count(disk)}; {quota} of its quota left, {free} free")
        )
    return facts


def _beside(told: Mapping[str, Any]) -> str:
    words = []
    if told["kept"]:
        words.append(f"{told['kept']:,} done before")
    if told["reads"]:
        words.append(f"{counted(told['reads'], 'kept picture')} to read")
    if told["left_out"]:
        words.append(f"{told['left_out']:,} left out: not installed any more")
    return f" ({'; '.join(words)})" if words else ""
