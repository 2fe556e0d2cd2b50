"""A setting as a line of the list and as a sheet."""

from __future__ import annotations

from textual.content import Content

from cems_tui.services.app.settings_desk import SettingRow
from cems_tui.settings import toml_value
from cems_tui.text import one_line, visible
from screens.widgets.facts import Fact
from screens.widgets.paged_list import Look

NAME_CELLS, VALUE_CELLS, WIDE_VALUE_CELLS = 27, 20, 28
WIDE = 100
"""Cells from which on a row says what the setting means."""


def header(width: int) -> Content:
    """The titles of the columns."""
    values = _value_cells(width)
    words = f"    {'setting':<{NAME_CELLS}} {'value':<{values}} from"
    return Content.styled(words + ("     what it is" if width > WIDE else ""), "$muted")


def line(row: SettingRow, look: Look[SettingRow]) -> Content:
    """`  routing.tradeoff   0.4   file`; `✗` where it cannot be followed, `▪` where it is given."""
    sign, style = ("✗", "bold $error") if row.problem else ("▪" if row.given else " ", "$quality")
    values = _value_cells(look.width)
    value = "cannot be followed" if row.problem else row.text
    made = Content.assemble(
        ("›" if look.pointed else " ", "bold"),
        (f"{sign}  ", style),
        (one_line(visible(row.name), NAME_CELLS).ljust(NAME_CELLS + 1), "bold"),
        (one_line(visible(value), values).ljust(values + 1), "$error" if row.problem else ""),
        ("file" if row.given else "default", "" if row.given else "$muted"),
    )
    if look.width > WIDE and row.setting is not None:
        room = look.width - made.cell_length - 2
        pad = " " * (9 - (4 if row.given else 7))
        made += Content.styled(pad + one_line(row.setting.help, max(8, room)), "$muted")
    return made


def facts(row: SettingRow) -> list[Fact]:
    """All of a setting: what it means, what it is and can be, from when on it holds."""
    found = []
    if row.problem:
        found.append(Fact("wrong", visible(row.problem), "$error"))
    if row.setting is None:
        return [*found, Fact("to do", "d takes it out of the file")]
    return [
        *found,
        Fact("means", row.setting.help),
        Fact("is", f"{visible(row.text)}, {'as the file says' if row.given else 'the default'}"),
        Fact("can be", row.setting.allowed),
        Fact("default", toml_value(row.setting.default)),
        Fact("holds", f"{row.setting.holds}; commands read it when they begin"),
    ]


def _value_cells(width: int) -> int:
    return WIDE_VALUE_CELLS if width > WIDE else VALUE_CELLS
