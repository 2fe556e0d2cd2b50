"""What is asked for beside the prompt: seed, how many, size, negative, budget; each editable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from cems_tui.domain.request import ANY_SEED, MAX_SEED
from cems_tui.text import one_line
from cems_tui.views.figures import DOLLARS, Money

MOST_PICTURES = 100
"""Of one prompt at a time."""

SIDES = (8, 4096)
"""The shortest and the longest side of a picture, pixels."""


@dataclass(frozen=True, slots=True)
class Extras:
    """What holds for the next pictures."""

    seed: int | None = None
    """None draws one for each picture."""

    count: int = 1
    size: tuple[int, int] | None = None
    """Width and height in pixels; None is each function's own."""

    negative: str = ""
    budget_usd: float | None = None
    """The most a picture may cost, US dollars; None leaves it to the dial."""


@dataclass(frozen=True, slots=True)
class Field:
    """One of them: how it is told and read."""

    name: str
    title: str
    hint: str
    told: Callable[[Extras, Money], str]
    """In the line; a word that stands alone where nothing is set."""

    text: Callable[[Extras, Money], str]
    """In the box where it is edited."""

    read: Callable[[str, Money], dict[str, Any]]
    """What a text sets. Raises ValueError with what is wrong."""


def _seed(text: str, _money: Money) -> dict[str, Any]:
    if text.strip().lower() in ("", "any", str(ANY_SEED)):
        return {"seed": None}
    if not text.strip().isdecimal() or not 0 <= int(text) <= MAX_SEED:
        raise ValueError("a seed is a whole number from 0 to 2⁶⁴−1, or nothing for any")
    return {"seed": int(text)}


def _count(text: str, _money: Money) -> dict[str, Any]:
    number = text.strip().removesuffix("×").removesuffix("x") or "1"
    if not number.isdecimal() or not 1 <= int(number) <= MOST_PICTURES:
        raise ValueError(f"how many is a whole number from 1 to {MOST_PICTURES}")
    return {"count": int(number)}


def _size(text: str, _money: Money) -> dict[str, Any]:
    if not text.strip():
        return {"size": None}
    sides = text.lower().replace("×", "x").replace(" ", "").split("x")
    if len(sides) == 1:
        sides *= 2
    least, most = SIDES
    if len(sides) != 2 or not all(s.isdecimal() and least <= int(s) <= most for s in sides):
        raise ValueError(f"a size is WIDTHxHEIGHT, each side from {least} to {most} pixels")
    return {"size": (int(sides[0]), int(sides[1]))}


def _negative(text: str, _money: Money) -> dict[str, Any]:
    return {"negative": text.strip()}


def _budget(text: str, money: Money) -> dict[str, Any]:
    number = text.strip().removesuffix("/k").removeprefix(money.sign.strip()).strip()
    if not number:
        return {"budget_usd": None}
    try:
        value = float(number)
    except ValueError:
        value = -1.0
    if not 0 < value < float("inf"):
        raise ValueError(f"a budget is a price of 1,000 pictures above 0, in {money.currency}")
    return {"budget_usd": value / 1000 / money.per_usd}


def _thousand(extras: Extras, money: Money) -> str:
    value = money.thousand(extras.budget_usd)
    return "" if value is None else f"{value:g}"


FIELDS = (
    Field(
        "seed", "Seed", "A number draws the same picture again; empty is any.",
        lambda e, m: "seed any" if e.seed is None else f"seed {e.seed}",
        lambda e, m: "" if e.seed is None else str(e.seed), _seed,
    ),
    Field(
        "count", "How many", "Pictures of the prompt; with a seed the next ones count up from it.",
        lambda e, m: f"{e.count}×", lambda e, m: str(e.count), _count,
    ),
    Field(
        "size", "Size", "WIDTHxHEIGHT in pixels; empty is each function's own.",
        lambda e, m: "size own" if e.size is None else f"{e.size[0]}×{e.size[1]}",
        lambda e, m: "" if e.size is None else f"{e.size[0]}x{e.size[1]}", _size,
    ),
    Field(
        "negative", "Negative prompt", "What should not be in the picture.",
        lambda e, m: f"not {one_line(e.negative, 16)}" if e.negative else "not —",
        lambda e, m: e.negative, _negative,
    ),
    Field(
        "budget", "Budget", "The most that 1,000 such pictures may cost; empty leaves it to the "
        "dial.",
        lambda e, m: f"max {m.per_thousand(e.budget_usd)}" if e.budget_usd else "max —",
        lambda e, m: _thousand(e, m), _budget,
    ),
)  # fmt: skip
BETWEEN = " · "


class RequestLine(Widget, can_focus=True):
    """`seed any · 1× · size own · not — · max —`."""

    HELP = (
        "What is asked for beside the prompt. ← and → choose, enter or a click edits, backspace "
        "sets back what is chosen."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "move(-1)", "Left", show=False),
        Binding("right,l", "move(1)", "Right", show=False),
        Binding("enter", "edit", "change", show=True),
        Binding("backspace,delete", "clear", "set back", show=True),
    ]

    @dataclass
    class Edit(Message):
        """The user wants to change a field."""

        field: Field

    @dataclass
    class Changed(Message):
        """Something else is asked for now."""

        extras: Extras

    extras: reactive[Extras] = reactive(Extras())
    at = reactive(0)

    def __init__(self, money: Money = DOLLARS) -> None:
        """`money` is what the budget is told in."""
        super().__init__(id="request")
        self._money = money

    def render(self) -> Content:
        parts = []
        for index, (field, told) in enumerate(self._told()):
            here = self.has_focus and index == self.at
            default = told == field.told(Extras(), self._money)
            style = "bold reverse" if here else "$muted" if default else "bold"
            parts.append(Content.styled(told, style))
        return (
            Content.styled(BETWEEN, "$muted")
            .join(parts)
            .truncate(max(1, self.content_size.width), ellipsis=True)
        )

    def action_move(self, fields: int) -> None:
        self.at = max(0, min(len(FIELDS) - 1, self.at + fields))

    def action_edit(self) -> None:
        self.post_message(self.Edit(FIELDS[self.at]))

    def action_clear(self) -> None:
        field = FIELDS[self.at]
        self.set(field.read("1" if field.name == "count" else "", self._money))

    def set(self, changes: dict[str, Any]) -> None:
        """Takes over what was read of a text."""
        changed = replace(self.extras, **changes)
        if changed != self.extras:
            self.extras = changed
            self.post_message(self.Changed(changed))

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        column = 0
        for index, (_, told) in enumerate(self._told()):
            if offset is not None and column <= offset.x < column + len(told):
                self.at = index
                self.action_edit()
            column += len(told) + len(BETWEEN)

    def _told(self) -> list[tuple[Field, str]]:
        return [(field, field.told(self.extras, self._money)) for field in FIELDS]
