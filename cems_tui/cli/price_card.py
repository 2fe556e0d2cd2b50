"""The price card and the receipt of a picture, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cems_tui.cli import output
from cems_tui.cli.notes import NoteTeller
from cems_tui.cli.text_layout import Column, cut
from cems_tui.domain.decision import RoutingDecision
from cems_tui.domain.generation import Generation
from cems_tui.domain.note import Note
from cems_tui.routing.explain.explanation import Explanation
from cems_tui.routing.explain.words import rows
from cems_tui.settings import Settings
from cems_tui.text import visible
from cems_tui.views.dial import place_words
from cems_tui.views.price_card import (
    LEAST_NEEDED,
    PriceColumn,
    blocked_lines,
    price_columns,
    state_sign,
    swap_lines,
)
from cems_tui.views.receipt import energy_words, expected_words, load_words, measured_words

if TYPE_CHECKING:
    from rich.table import Table


TITLE_CELLS = 70
"""Width of a prompt above its card."""

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
        title=Text(f"“{cut(visible(decision.prompt), TITLE_CELLS)}”", style="bold"),
        title_justify="left",
        caption=Text("\n".join(filter(None, (visible(decision.reason), place_words(decision))))),
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
    columns = price_columns(decision, output.money_of(settings))
    widths = {
        name: 2 + max(map(len, (column.title, *column.cells))) for name, column in columns.items()
    }
    for name in LEAST_NEEDED:
        if width is None or SIGN_CELLS + sum(widths[name] for name in columns) <= width:
            break
        columns.pop(name, None)
    return list(columns.values())


def print_explanation(told: Explanation, settings: Settings) -> None:
    """Why the pick is the pick, a name and a text a row."""
    money = output.money_of(settings)
    columns = (Column("what"), Column("told", words="fold"))
    output.table(columns, rows(told, money.per_thousand_words), titles=False)


def receipt_lines(generation: Generation, settings: Settings) -> list[str]:
    """What a finished picture was, scored and cost, and what was expected of it."""
    money = output.money_of(settings)
    lines = [str(generation.image)]
    if generation.scores:
        lines.append("scores  " + "  ".join(f"{s.metric} {s.value:.3f}" for s in generation.scores))
    loading = load_words(generation, money)
    lines.append(f"cost    {measured_words(generation, money)}{f'; {loading}' if loading else ''}")
    expected = expected_words(generation, money)
    if expected:
        lines.append(f"priced  {expected}")
    if energy := energy_words(generation, money):
        lines.append(f"energy  {energy}")
    seconds = generation.seconds
    parts = (
        ("start", seconds.start or None),
        ("load", seconds.load),
        ("encode", seconds.encode),
        ("denoise", seconds.denoise),
        ("decode", seconds.decode),
        ("score", seconds.score),
        ("other", seconds.other),
    )
    told = " · ".join(f"{name} {value:.2f}" for name, value in parts if value is not None)
    lines.append(
        f"time    {seconds.total:.2f} s ({told}) · {generation.executed} · seed {generation.seed}"
    )
    if generation.precision is not None:
        lines[-1] += f" · {generation.precision}"
    if generation.fallback is not None:
        lines.append(f"room    {generation.fallback}")
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
            print_explanation(told, settings)
        for text in swap_lines(decision):
            tell(Note("load", text))
        for text in blocked_lines(decision):
            tell(Note("fit", text))
        tell.of(decision)
        console.print()
