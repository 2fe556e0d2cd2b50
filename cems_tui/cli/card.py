"""The price card and the receipt of a picture, for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cems_tui.cli import output
from cems_tui.cli.output import unit_per_thousand, usd_per_thousand
from cems_tui.domain.decision import Candidate, RoutingDecision
from cems_tui.domain.generation import Generation
from cems_tui.routing.explain.explanation import Explanation
from cems_tui.routing.explain.words import rows
from cems_tui.settings import Settings
from cems_tui.text import one_line, visible

if TYPE_CHECKING:
    from rich.table import Table


LEAST_NEEDED = ("load s", "memory MB", "seconds")
"""The columns that go first where a terminal is too narrow for all."""


def price_card(decision: RoutingDecision, settings: Settings, width: int | None = None) -> Table:
    """Every candidate with predicted quality, price, seconds and memory; the pick marked.

    Args:
        width: columns of the terminal; names are whole where the least needed figures can go.
    """
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=None,
        pad_edge=False,
        title=Text(f"“{one_line(decision.prompt, 70)}”", style="bold"),
        title_justify="left",
        caption=Text(visible(decision.reason)),
        caption_justify="left",
    )
    metric = decision.metric or "quality"
    unit = unit_per_thousand(settings)
    titles = ("", "function", metric, "±90 %", unit, "seconds", "load s", "memory MB", "")
    cells = [_cells(c, c.function == decision.choice, settings) for c in decision.candidates]
    shown = _fitting(titles, cells, width)
    for place in shown:
        left = titles[place] in ("", "function")
        table.add_column(titles[place], justify="left" if left else "right")
    for candidate, row in zip(decision.candidates, cells, strict=True):
        picked = candidate.function == decision.choice
        style = "bold" if picked else ("" if candidate.allowed else "dim")
        table.add_row(*(Text(row[place]) for place in shown), style=style)
    return table


def _fitting(titles: Sequence[str], cells: Sequence[Sequence[str]], width: int | None) -> list[int]:
    """The places of the columns that fit, or of all if no width is given."""
    widths = [max(map(len, column)) for column in zip(titles, *cells, strict=True)]
    shown = list(range(len(titles)))
    for name in LEAST_NEEDED:
        if width is None or sum(widths[place] + 2 for place in shown) - 2 <= width:
            break
        shown.remove(titles.index(name))
    return shown


def explanation_table(told: Explanation, settings: Settings) -> Table:
    """Why the pick is the pick, a name and a text a row."""
    from rich.table import Table
    from rich.text import Text

    sign = "$" if settings.pricing.currency == "USD" else f"{settings.pricing.currency} "

    def money(usd: float) -> str:
        return f"{sign}{usd * 1000 * settings.pricing.per_usd:.3g} per 1,000"

    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in rows(told, money):
        table.add_row(Text(name, style="dim"), Text(text))
    return table


def _cells(candidate: Candidate, picked: bool, settings: Settings) -> list[str]:
    estimated = candidate.cost_source != "measured"
    price = usd_per_thousand(
        candidate.cost_usd,
        estimated=estimated,
        per_usd=settings.pricing.per_usd,
        currency=settings.pricing.currency,
    )
    return [
        "▸" if picked else " ",
        candidate.function,
        _number(candidate.quality, 3),
        _interval(candidate),
        price,
        _number(candidate.seconds, 3, estimated),
        "0 ●" if candidate.resident else _number(candidate.load_seconds, 1, True),
        _number(candidate.memory_bytes, 0, estimated, scale=1e-6),
        _remark(candidate),
    ]


def _number(value: float | None, decimals: int, estimated: bool = False, scale: float = 1.0) -> str:
    if value is None:
        return "—"
    return f"{'~' if estimated else ''}{value * scale:,.{decimals}f}"


def _interval(candidate: Candidate) -> str:
    if candidate.interval is None:
        return "—"
    low, high = candidate.interval
    return f"{low:.2f}…{high:.2f}"


def _remark(candidate: Candidate) -> str:
    if candidate.quality_source == "unknown":
        return "quality unknown"
    if not candidate.allowed:
        return "not in the pool"
    if candidate.fits is False:
        return "too big"
    if not candidate.installed:
        return "not installed"
    return candidate.cost_source or "unpriced"


def receipt_lines(generation: Generation, settings: Settings) -> list[str]:
    """What a finished picture was, scored and cost, against the dearest candidate."""

    def money(usd: float | None, estimated: bool = False) -> str:
        return usd_per_thousand(
            usd,
            estimated=estimated,
            per_usd=settings.pricing.per_usd,
            currency=settings.pricing.currency,
        )

    lines = [str(generation.image)]
    if generation.scores:
        lines.append("scores  " + "  ".join(f"{s.metric} {s.value:.3f}" for s in generation.scores))
    cost = "unpriced" if generation.cost_usd is None else f"{money(generation.cost_usd)} per 1,000"
    dearest = generation.decision.dearest
    against = ""
    if dearest is not None and dearest.function != generation.executed:
        price = money(dearest.cost_usd, dearest.cost_source != "measured")
        against = f"; the dearest, {dearest.function}, would have cost {price}"
    lines.append(f"cost    {cost}{against}")
    seconds = generation.seconds
    parts = (
        ("load", seconds.load),
        ("encode", seconds.encode),
        ("denoise", seconds.denoise),
        ("decode", seconds.decode),
        ("score", seconds.score),
    )
    told = " · ".join(f"{name} {value:.2f}" for name, value in parts if value is not None)
    lines.append(
        f"time    {seconds.total:.2f} s ({told}) · {generation.executed} · seed {generation.seed}"
    )
    return lines


def print_decision(
    decision: RoutingDecision,
    settings: Settings,
    *,
    json: bool,
    quiet: bool,
    told: Explanation | None = None,
) -> None:
    """One decision on stdout: JSON, a name, or the card, with its explanation where asked for."""
    if json:
        said = {} if told is None else {"explanation": told.to_json()}
        output.json_line({**decision.to_json(), **said})
    elif quiet:
        output.line(decision.choice or "")
    else:
        console = output.console()
        console.print(price_card(decision, settings, console.width))
        if told is not None:
            console.print(explanation_table(told, settings))
        for text in (*decision.notes, *filter(None, [decision.refusal])):
            output.note(f"note: {text}")
        console.print()
