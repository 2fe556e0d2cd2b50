"""The list of models as lines of text: groups, rows, and which columns fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from cems_tui.models.queue import Pull, Pulls
from cems_tui.services.library import Group, Library, ModelFacts, grouped
from cems_tui.text import byte_count, one_line
from cems_tui.views.model_list import (
    ADDS,
    DISK,
    LICENCE,
    MEMORY,
    SIGNS,
    STEPS,
    TITLES,
    ModelRow,
    marks,
    rows,
)
from cems_tui.views.price_card import INSTALLED, RESIDENT
from screens import figures
from screens.widgets.columns import Column

LEGENDS = (
    f"● on the device  {SIGNS}",
    "● on device  ○ here  ⇣ to pull  ~ estimate  ◇G gated  NC noncommercial",
)
"""What the signs mean; the first that fits is shown."""

NAME_CELLS = 24
"""A longer name is shortened."""

LICENCE_CELLS = 30
LEFT_OUT = ((), ("licence",), ("licence", "family"), ("licence", "family", "adds"))
"""Columns that leave where there is no room, the least needed first."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the list: a group's title, or a model's row."""

    text: Content
    model: str | None = None


def matching(models: Sequence[ModelFacts], words: str) -> tuple[ModelFacts, ...]:
    """The models in whose name, family, licence, group or summary every word occurs."""
    wanted = words.lower().split()
    return grouped(
        tuple(facts for facts in models if all(word in _searched(facts) for word in wanted))
    )


def lines(
    models: Sequence[ModelFacts], pulls: Pulls, resident: frozenset[str], width: int
) -> tuple[Content, list[Line]]:
    """The header and every line of the models, already grouped, at most `width` cells wide."""
    listed = rows(models, resident)
    columns = _fitting(models, listed, pulls, width)
    header = Content("    ") + Content("  ").join([column.at(None) for column in columns])
    made: list[Line] = []
    index = 0
    for group, members in groupby(models, key=lambda facts: facts.group):
        shown = list(members)
        made.append(Line(_title(group, shown)))
        for facts in shown:
            sign = listed[index].sign
            style = "bold $quality" if sign == RESIDENT else "" if sign == INSTALLED else "$muted"
            cells = Content("  ").join([column.at(index) for column in columns])
            made.append(Line(Content.assemble("  ", (sign, style), " ") + cells, facts.name))
            index += 1
    return header, made


def pull_state(facts: ModelFacts, pull: Pull | None) -> str:
    """In a word, how its pull goes; what an unfinished one left, where none is queued."""
    if pull is None:
        if facts.fetched_bytes and facts.disk_bytes and not facts.model.installed:
            return figures.percent(facts.fetched_bytes / facts.disk_bytes) + " here"
        return ""
    if pull.state in ("waiting", "failed"):
        return pull.state
    share = "" if pull.share is None else figures.percent(pull.share)
    if pull.state == "paused":
        return f"‖ {share}" if share else "‖ paused"
    return share or "asking"


def window(top: int, at: int, height: int, count: int) -> int:
    """The first of `count` lines that is shown so that line `at` is, moved as little as can be."""
    if at < top + 1:  # the line above tells the group
        top = at - 1
    elif at >= top + height:
        top = at - height + 1
    return max(0, min(top, count - height))


def room(library: Library) -> str:
    """How much of the list this machine can hold, and what is left of its disk."""
    parts = [f"holds {library.holdable} of {len(library.drawing)} models"]
    if library.not_now:
        parts[0] += f", {library.not_now} not now"
    if library.free_bytes is not None:
        parts.append(f"{byte_count(library.free_bytes)} free")
    return " · ".join(parts)


def _searched(facts: ModelFacts) -> str:
    model = facts.model
    words = (facts.name, model.family, model.licence, facts.group, TITLES[facts.group])
    return " ".join((*words, model.summary, marks(facts))).lower()


def _title(group: Group, shown: Sequence[ModelFacts]) -> Content:
    total = sum(facts.disk_bytes or 0 for facts in shown)
    size = f" · {byte_count(total)}" if group == "installed" and total else ""
    return Content.assemble(
        (TITLES[group], "bold $quality" if group == "installed" else "bold"),
        (f" · {len(shown)}{size}", "$muted"),
    )


def _fitting(
    models: Sequence[ModelFacts], listed: Sequence[ModelRow], pulls: Pulls, width: int
) -> list[Column]:
    """All columns if they fit; else without the least needed ones, one after the other."""
    columns = _columns(models, listed, pulls)
    kept: dict[str, Column] = {}
    for left_out in LEFT_OUT:
        kept = {name: column for name, column in columns.items() if name not in left_out}
        if 4 + sum(c.width for c in kept.values()) + 2 * (len(kept) - 1) <= width:
            break
    return list(kept.values())


def _columns(
    models: Sequence[ModelFacts], listed: Sequence[ModelRow], pulls: Pulls
) -> dict[str, Column]:
    names = tuple(one_line(facts.name, NAME_CELLS) for facts in models)
    states = tuple(pull_state(facts, pulls.of(facts.name)) for facts in models)
    licences = tuple(_shortened(row.licence) for row in listed)
    columns = {
        "model": Column("model", names, "bold", True),
        "marks": Column("", tuple(row.marks for row in listed), "$cost", True),
        "size": Column(DISK, tuple(row.disk for row in listed)),
        "memory": Column(MEMORY, tuple(row.memory for row in listed)),
        "steps": Column(STEPS, tuple(row.gives for row in listed), "", True),
        "adds": Column(ADDS, tuple(row.adds for row in listed), "$quality"),
        "family": Column("family", tuple(row.family for row in listed), "$muted", True),
        "licence": Column(LICENCE, licences, "$muted", True),
        "state": Column("", states, "bold $quality"),
    }
    needless = [name for name in ("marks", "adds", "state") if not any(columns[name].cells)]
    return {name: column for name, column in columns.items() if name not in needless}


def _shortened(licence: str) -> str:
    """A long licence is cut between words."""
    if len(licence) <= LICENCE_CELLS:
        return licence
    return licence[: LICENCE_CELLS - 1].rpartition(" ")[0] + " …"


# The list of models: a cursor, groups, and as many rows as there is room for.

READING = "reading what is installed and what this machine can hold …"


class ModelShelf(Widget, can_focus=True):
    """Every model of the catalog and of the user, group by group."""

    HELP = (
        "One line a model: ● is on the device, ○ is installed, ⇣ can be pulled. Sizes are decimal "
        "gigabytes, ~ is estimated; ◇G is gated (accept its conditions on the Hub first), NC is "
        "noncommercial. `adds` is the most it would add to what is here by the CEMS scores, or its "
        "own score where nothing scored is here. "
        "enter pulls what is not here and shows what is."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup", "move(-8)", "Page up", show=False),
        Binding("pagedown", "move(8)", "Page down", show=False),
        Binding("g,home", "move(-100000)", "First", show=False),
        Binding("G,end", "move(100000)", "Last", show=False),
    ]

    @dataclass
    class Pointed(Message):
        """The cursor is on another model; None when there is none."""

        model: str | None

    library: reactive[Library | None] = reactive(None)
    pulls: reactive[Pulls] = reactive(Pulls())
    resident: reactive[frozenset[str]] = reactive(frozenset())
    words: reactive[str] = reactive("")
    """What is searched for."""

    model: reactive[str | None] = reactive(None)
    """The one under the cursor."""

    error: reactive[tuple[str, str] | None] = reactive(None)

    def __init__(self) -> None:
        super().__init__(id="shelf")
        self._top = 0
        self.border_title = "Models"

    @property
    def shown(self) -> tuple[ModelFacts, ...]:
        """The models that match what is searched for, in the order of the list."""
        return matching(self.library.models, self.words) if self.library is not None else ()

    def on_resize(self) -> None:
        width = self.content_size.width - 2
        self.border_subtitle = next((text for text in LEGENDS if len(text) <= width), None)

    def watch_library(self) -> None:
        self._settle()

    def watch_words(self) -> None:
        self._settle()

    def watch_model(self, model: str | None) -> None:
        self.post_message(self.Pointed(model))

    def action_move(self, rows: int) -> None:
        """Moves the cursor over the models, not past the ends."""
        names = [facts.name for facts in self.shown]
        if names:
            at = names.index(self.model) if self.model in names else 0
            self.model = names[max(0, min(len(names) - 1, at + rows))]

    def on_click(self, event: events.Click) -> None:
        at = event.y - 2 + self._top  # the border and the header
        found = self._lines()[1]
        if event.y >= 2 and at < len(found) and found[at].model is not None:
            self.model = found[at].model

    def render(self) -> Content:
        width, height = self.content_size
        if self.error is not None:
            message, hint = self.error
            what = Content.assemble(("✗ ", "bold $error"), (message, "bold"))
            return Content("\n").join([*what.wrap(width), *Content(hint).wrap(width)])
        if self.library is None:
            return Content.styled(READING, "$muted")
        header, found = self._lines()
        if not found:
            return Content.styled(f"nothing here matches “{self.words}” · esc shows all", "$muted")
        at = next((n for n, line in enumerate(found) if line.model == self.model), 1)
        self._top = window(self._top, at, max(1, height - 1), len(found))
        rows = [self._drawn(line, width) for line in found[self._top : self._top + height - 1]]
        return Content("\n").join([header.truncate(width), *rows])

    def _drawn(self, line: Line, width: int) -> Content:
        if line.model is None or line.model != self.model:
            return line.text.truncate(width, ellipsis=True)
        marked = Content.styled("›", "bold") + line.text[1:]
        marked = marked.truncate(width, ellipsis=True)
        padded = marked.pad_right(max(0, width - marked.cell_length))
        return padded.stylize("on $panel") if self.has_focus else padded

    def _lines(self) -> tuple[Content, list[Line]]:
        shown = self.shown
        if not shown:
            return Content(""), []
        return lines(shown, self.pulls, self.resident, self.content_size.width)

    def _settle(self) -> None:
        """The cursor stays on its model where it can; the title counts what is shown."""
        names = [facts.name for facts in self.shown]
        if self.model not in names:
            self.model = names[0] if names else None
        if self.library is not None:
            counted = f"{len(names)} of {len(self.library.models)}" if self.words else ""
            self.border_title = " · ".join(part for part in ("Models", counted) if part)
