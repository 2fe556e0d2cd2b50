"""The price card and the receipt of a picture, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cems_tui.cli import output
from cems_tui.cli.notes import NoteTeller
from cems_tui.cli.output import usd_per_thousand
from cems_tui.domain.decision import RoutingDecision
from cems_tui.domain.generation import Generation
from cems_tui.domain.note import Note
from cems_tui.routing.explain.explanation import Explanation
from cems_tui.routing.explain.words import rows
from cems_tui.settings import Settings
from cems_tui.text import one_line, visible
from cems_tui.views.price_card import (
    LEAST_NEEDED,
    PriceColumn,
    blocked_lines,
    price_columns,
    state_sign,
)

if TYPE_CHECKING:
    from rich.table import Table


SIGN_CELLS = 3
"""Width of the pick's mark and of the sign that says where the weights are."""


def price_card(decision: RoutingDecision, settings: Settings, width: int | None = None) -> Table:
    """Every candidate with predicted quality, seconds, memory and price; the pick marked.

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
    columns = _fitting(decision, settings, width)
    table.add_column("")
    for column in columns:
        table.add_column(column.title, justify="left" if column.left else "right")
    for row, candidate in enumerate(decision.candidates):
        picked = candidate.function == decision.choice
        style = "bold" if picked else ("" if candidate.allowed else "dim")
        signs = f"{'▸' if picked else ' '} {state_sign(candidate)}"
        table.add_row(signs, *(Text(column.cells[row]) for column in columns), style=style)
    return table


def _fitting(decision: RoutingDecision, settings: Settings, width: int | None) -> list[PriceColumn]:
    """The columns that fit, or all if no width is given."""
    pricing = settings.pricing
    columns = price_columns(decision, pricing.currency, pricing.per_usd)
    widths = {
        name: 2 + max(map(len, (column.title, *column.cells))) for name, column in columns.items()
    }
    for name in LEAST_NEEDED:
        if width is None or SIGN_CELLS + sum(widths[name] for name in columns) <= width:
            break
        del columns[name]
    return list(columns.values())


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
    tell: NoteTeller,
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
        for text in blocked_lines(decision):
            tell(Note("fit", text))
        tell.of(decision)
        console.print()
