"""The doctor: everything a picture depends on, and one key for what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll

from cems_tui.text import counted
from screens.commands import bindings
from screens.dialogs import Answer, Question
from screens.doctor import finding_rows
from screens.doctor.commands import DOCTOR
from screens.doctor.finding_rows import FindingRow
from screens.messages import PlaceAsked, PlaceEntered
from screens.places import HOME, MODELS, ROUTERS
from screens.services.defaults import Services
from screens.services.engine import EngineState
from screens.widgets.desk_screen import DeskScreen
from screens.widgets.facts import FactSheet
from screens.widgets.keys import KeyLine
from screens.widgets.paged_list import PagedList
from screens.widgets.status import StatusLine
from screens.widgets.too_small import TooSmall

if TYPE_CHECKING:
    from cems_tui.services.doctor import Doctor, Finding, Remedy

    DoctorFactory = Callable[[], Doctor]

WHERE_MENDED = {"pull": MODELS.id, "retrain": ROUTERS.id, "draw": HOME.id}
"""The place where a remedy of a kind is done, with its own questions."""


class Findings(PagedList[FindingRow]):
    """What was found, what needs one first."""

    HELP = (
        "One row a finding of `cems doctor`: ✗ needs you, · is good to know, ✓ is fine. enter does "
        "what mends it, goes where that is done, or copies the line for a shell."
    )
    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "choose", "mend", show=True)]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What needs nothing cannot be mended."""
        if action == "choose":
            return self.row is not None and self.row.finding.remedy is not None
        return True


class DoctorScreen(DeskScreen["DoctorFactory"]):
    """Composes the findings and the sheet of one; each look is a doctor's of its own, so that
    what another window changed is seen."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(DOCTOR)
    JUMPS: ClassVar[dict[str, str]] = {"l": "findings", "d": "remedy"}
    AUTO_FOCUS = "#findings"

    def __init__(self, services: Services) -> None:
        doctor = services.desks.doctor
        assert doctor is not None
        super().__init__(lambda: doctor)
        self._services = services

    def compose(self) -> ComposeResult:
        yield StatusLine("doctor", self._services.defaults.money)
        with Container(id="body"):
            yield Findings(finding_rows.line, empty="looking …", id="findings")
            with VerticalScroll(id="remedy"):
                yield FactSheet(())
        yield KeyLine()
        yield TooSmall()

    def on_mount(self) -> None:
        self._list.border_title = "Doctor"
        self.query_one("#remedy").border_title = "What mends it"
        self._services.engine.changed.subscribe(self, self._tell_totals)
        self._tell_totals(self._services.engine.state)
        self._look()

    def _tell_totals(self, state: EngineState) -> None:
        self.query_one(StatusLine).totals = state.totals

    @on(PlaceEntered)
    def _look(self) -> None:
        """Looks at everything; what was found before stays until then."""
        self._list.border_subtitle = "looking …"
        self.ask(lambda doctor: doctor().examine(), self._show)

    def _show(self, found: list[Finding]) -> None:
        terminal = finding_rows.terminal_finding(self._services.new_image)
        if terminal is not None:
            found = [*found, terminal]
        order = ("problem", "note", "ok")
        sorted_ones = sorted(found, key=lambda one: order.index(one.status))
        self._list.show_rows(
            [FindingRow(one, number) for number, one in enumerate(sorted_ones)],
        )
        problems = sum(one.status == "problem" for one in found)
        notes = sum(one.status == "note" for one in found)
        told = counted(problems, "problem") if problems else "no problem"
        self._list.border_subtitle = f"{told}, {counted(notes, 'note')} of {len(found)} looked at"

    @on(PagedList.Pointed, "#findings")
    def _pointed(self, message: PagedList.Pointed) -> None:
        row: FindingRow | None = message.row
        sheet = self.query_one("#remedy FactSheet", FactSheet)
        sheet.facts = () if row is None else tuple(finding_rows.facts(row.finding))
        self.refresh_bindings()

    @on(PagedList.Chosen, "#findings")
    def _chosen(self) -> None:
        self.action_mend()

    # --- what the user does ------------------------------------------------------------------

    def action_mend(self) -> None:
        """Asks before anything is written."""
        remedy = self._remedy
        if remedy is None:
            return
        if remedy.kind in WHERE_MENDED:
            self.post_message(PlaceAsked(WHERE_MENDED[remedy.kind]))
        elif remedy.kind == "copy":
            self.copy(remedy.command)
        else:
            row = self._list.row
            assert row is not None

            def mend(answer: Answer | None) -> None:
                if answer == "yes":
                    self.ask(lambda doctor: doctor().mend(remedy), lambda _: self._mended(remedy))

            sheet = finding_rows.facts(row.finding)
            question = Question("Mend it?", sheet, "enter does it · esc lets it be", ("yes",))
            self.app.push_screen(question, mend)

    def _mended(self, remedy: Remedy) -> None:
        self.notify(remedy.command, title="Done, as this does:", markup=False)
        self._look()

    def action_copy_command(self) -> None:
        remedy = self._remedy
        self.copy("cems doctor" if remedy is None else remedy.command)

    def action_again(self) -> None:
        self._look()

    def action_next(self) -> None:
        """To the next that needs one, or is good to know; round and round."""
        rows = [self._list.at(place) for place in range(self._list.count)]
        places = [n for n, row in enumerate(rows) if row and row.finding.status != "ok"]
        if places:
            beyond = [place for place in places if place > self._list.index]
            self._list.point((beyond or places)[0])

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The footer offers what has a meaning now."""
        return self._remedy is not None if action == "mend" else True

    @property
    def _list(self) -> PagedList[FindingRow]:
        return self.query_one("#findings", PagedList)

    @property
    def _remedy(self) -> Remedy | None:
        row = self._list.row
        return None if row is None else row.finding.remedy
