"""The live price card as lines of text: which columns fit, and what stands in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.content import Content

from cems_tui.pricing import GIGABYTE
from cems_tui.routing.decision import Candidate, RoutingDecision
from cems_tui.text import one_line, visible
from screens import figures

RESIDENT, INSTALLED, MISSING = "●", "○", "⇣"
LEGEND = "● resident  ○ installed  ⇣ not installed  ~ estimated"
NAME_CELLS = 24
"""A longer function name is shortened."""

BAR_CELLS = (8, 21)
"""The narrowest and the widest drawing of an interval."""

WORTH_SAYING = 1.3
"""How many times dearer than the choice a candidate is before the card says so."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: equally wide cells under a title."""

    title: str
    cells: tuple[str, ...]
    style: str = ""
    left: bool = False
    """Whether text stands at the left, as words do; figures stand at the right."""

    @property
    def width(self) -> int:
        return max(len(self.title), *(len(cell) for cell in self.cells))

    def at(self, row: int | None) -> Content:
        """The padded cell of a row; None is the title."""
        text = self.title if row is None else self.cells[row]
        padded = text.ljust(self.width) if self.left else text.rjust(self.width)
        return Content.styled(padded, "$muted" if row is None else self.style)


def card(decision: RoutingDecision, width: int) -> tuple[Content, list[Content]]:
    """The header and one line a candidate, at most `width` cells wide."""
    columns = _fitting(decision, width)
    rows = [_row(decision, columns, index) for index in range(len(decision.candidates))]
    header = Content("     ") + Content("  ").join([column.at(None) for column in columns])
    return header, rows


def reason(decision: RoutingDecision) -> str:
    """Why the choice is the choice, or why there is none and what can be done about it."""
    pinnable = decision.choice is None and not nothing_installed(decision)
    return one_line(decision.reason, 1000) + (" · space pins a function" if pinnable else "")


def nothing_installed(decision: RoutingDecision) -> bool:
    return not any(candidate.installed for candidate in decision.candidates)


def why(candidate: Candidate, decision: RoutingDecision) -> str:
    """In two words, what sets this candidate apart from the choice."""
    if candidate.function == decision.choice:
        return {"pinned": "pinned", "tradeoff": "best", "lambda": "best"}.get(
            decision.policy.kind, "chosen"
        )
    if candidate.fits is False:
        return "too big"
    if not candidate.installed and not candidate.allowed:
        return "not here"
    if not candidate.allowed:
        return "left out"
    if candidate.quality is None:
        return "unrated"
    return _against(candidate, decision.chosen)


def short_name(function: str, cells: int = NAME_CELLS) -> str:
    """The function's name, cut before its `@steps` if it is too long."""
    name = visible(function)
    if len(name) <= cells:
        return name
    model, at, steps = name.rpartition("@")
    kept = cells - len(at + steps)
    return one_line(model, kept) + at + steps if kept >= 4 else one_line(name, cells)


def state_sign(candidate: Candidate) -> str:
    """Where the weights are."""
    if candidate.resident:
        return RESIDENT
    return INSTALLED if candidate.installed else MISSING


def _against(candidate: Candidate, chosen: Candidate | None) -> str:
    if chosen is None:
        return ""
    if chosen.cost_usd and candidate.cost_usd is not None:
        ratio = candidate.cost_usd / chosen.cost_usd
        if ratio >= WORTH_SAYING:
            return f"{figures.times(ratio)} dear"
    if chosen.quality is not None and candidate.quality is not None:
        return f"{candidate.quality - chosen.quality:+.2f} q".replace("-", "−")
    return ""


def _fitting(decision: RoutingDecision, width: int) -> list[Column]:
    """All columns if they fit; else without the least needed ones, one after the other."""
    least, most = BAR_CELLS
    named = _columns(decision.candidates, decision)
    for left_out in (
        (),
        ("why",),
        ("why", "load"),
        ("why", "load", "GB"),
        ("why", "load", "GB", "s"),
    ):
        kept = {name: column for name, column in named.items() if name not in left_out}
        spare = width - _width(list(kept.values()))
        if spare >= 0:
            break
    kept["interval"] = _interval(decision.candidates, max(least, min(most, least + spare)))
    return list(kept.values())


def _width(columns: Sequence[Column]) -> int:
    return 5 + sum(column.width for column in columns) + 2 * (len(columns) - 1)


def _columns(candidates: Sequence[Candidate], decision: RoutingDecision) -> dict[str, Column]:
    guessed = [c.cost_source is not None and c.cost_source != "measured" for c in candidates]
    known = [False] * len(candidates)
    names = tuple(short_name(c.function) for c in candidates)
    quality = figures.column([c.quality for c in candidates], known, 2, 3)
    run = figures.column([c.seconds for c in candidates], guessed, 2, 3)
    load = figures.column([c.load_seconds for c in candidates], known, 1, 1)
    size = figures.column(
        [None if c.memory_bytes is None else c.memory_bytes / GIGABYTE for c in candidates],
        guessed,
        1,
        3,
    )
    price = figures.column(
        [None if c.cost_usd is None else c.cost_usd * 1000 for c in candidates], guessed, 2, 4
    )
    return {
        "function": Column("function", names, left=True),
        "quality": Column(decision.metric or "quality", tuple(quality), "$quality"),
        "interval": _interval(candidates, BAR_CELLS[0]),
        "s": Column("s", tuple(run)),
        "load": Column("load", tuple(load)),
        "GB": Column("GB", tuple(size)),
        "$/k": Column("$/k", tuple(price), "$cost"),
        "why": Column("why", tuple(why(c, decision) for c in candidates), "$muted", left=True),
    }


def _interval(candidates: Sequence[Candidate], cells: int) -> Column:
    scale = figures.shared_scale([c.interval for c in candidates if c.interval is not None])
    bars = [figures.interval_bar(c.quality, c.interval, scale, cells) for c in candidates]
    return Column("±90 %", tuple(bars), "$quality", left=True)


def _row(decision: RoutingDecision, columns: Sequence[Column], index: int) -> Content:
    candidate = decision.candidates[index]
    chosen = candidate.function == decision.choice
    line = (
        Content.styled(" ▸" if chosen else "  ", "bold $quality")
        + Content.styled(f" {state_sign(candidate)} ", "$quality" if candidate.resident else "")
        + Content("  ").join([column.at(index) for column in columns])
    )
    if chosen:
        return line.stylize("bold")
    return line if candidate.allowed else line.stylize("dim")
