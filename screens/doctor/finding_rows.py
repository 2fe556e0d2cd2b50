"""A finding as a line of the list and as a sheet; and what the terminal is found to show."""

from __future__ import annotations

from textual.content import Content

from cems_tui.services.doctor import Finding, Remedy
from cems_tui.text import one_line, visible
from screens.picture_widgets import PictureWidgets
from screens.widgets.facts import Fact
from screens.widgets.paged_list import Look

SIGNS = {"ok": ("✓", "$quality"), "note": ("·", "$cost"), "problem": ("✗", "bold $error")}
STATUS_WORDS = {"ok": "fine", "note": "good to know", "problem": "needs you"}
SUBJECT_CELLS = 10

PROTOCOLS = {
    "kitty": "by Kitty's protocol, every pixel",
    "sixel": "by Sixel, every pixel",
    "halfcell": "as half cells of text, two pixels a cell",
    "unicode": "as letters",
}
"""How a terminal shows pictures, in words."""

MENDS = {
    "default": "mends it",
    "restrict": "mends it",
    "pull": "goes to the models",
    "retrain": "goes to the routers",
    "draw": "goes to the studio",
    "copy": "copies the line",
}
"""What enter does about a remedy of a kind."""


class FindingRow:
    """A finding with the key that a list finds it by again."""

    def __init__(self, finding: Finding, number: int) -> None:
        self.finding = finding
        self.key = (finding.subject, finding.detail, number)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FindingRow) and self.finding == other.finding

    def __hash__(self) -> int:
        return hash(self.key)


def line(row: FindingRow, look: Look[FindingRow]) -> Content:
    """`✗ device     generation.device is cuda, and this machine has cpu`."""
    finding = row.finding
    sign, style = SIGNS[finding.status]
    room = look.width - SUBJECT_CELLS - 5
    return Content.assemble(
        ("›" if look.pointed else " ", "bold"),
        (f"{sign} ", style),
        (one_line(finding.subject, SUBJECT_CELLS).ljust(SUBJECT_CELLS + 1), "bold"),
        (one_line(visible(finding.detail), max(8, room)), ""),
    )


def facts(finding: Finding) -> list[Fact]:
    """All of a finding, and what mends it."""
    sign, style = SIGNS[finding.status]
    found = [
        Fact(finding.subject, f"{sign} {STATUS_WORDS[finding.status]}", style),
        Fact("found", visible(finding.detail)),
    ]
    if finding.hint:
        found.append(Fact("to do", visible(finding.hint)))
    if finding.remedy is not None:
        found += [
            Fact("enter", f"{MENDS[finding.remedy.kind]}: {visible(finding.remedy.does)}"),
            Fact("in a shell", visible(finding.remedy.command), "$muted"),
        ]
    return found


def terminal_finding(new_image: object) -> Finding | None:
    """How this terminal shows pictures; None where pictures are not made by what asked it."""
    if not isinstance(new_image, PictureWidgets):
        return None
    said, shows = new_image.answers, PROTOCOLS[new_image.way]
    if new_image.chosen:
        return Finding("terminal", "ok", f"pictures are shown {shows}, as app.image says")
    if not said.complete:
        return Finding(
            "terminal",
            "note",
            f"it did not answer what it can show: pictures are shown {shows}",
            "app.image says what it can, where you know better.",
            remedy=Remedy("copy", "shows them by Kitty's protocol", _IMAGE.format("kitty")),
        )
    if new_image.way == "halfcell":
        return Finding(
            "terminal",
            "note",
            f"it speaks neither Kitty's protocol nor Sixel: pictures are shown {shows}",
            "kitty, ghostty, WezTerm, foot and xterm with Sixel show every pixel.",
            remedy=Remedy("copy", "shows them as letters", _IMAGE.format("unicode")),
        )
    return Finding("terminal", "ok", f"pictures are shown {shows}, as it said it can")


_IMAGE = "cems config set app.image {}"
