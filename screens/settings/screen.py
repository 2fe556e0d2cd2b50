"""The settings: each with its meaning, checked before it is written, followed where it can be."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.content import Content

from cems_tui.errors import ConfigError
from cems_tui.settings import AT_ONCE, BALANCED, FRESH_ENGINE, toml_value
from cems_tui.text import visible
from screens.commands import bindings
from screens.dialogs import Answer, Question, TextQuestion
from screens.messages import DialSet, PlaceEntered
from screens.places import HOME
from screens.services.defaults import Services
from screens.services.engine import EngineState
from screens.settings import setting_rows
from screens.settings.commands import SETTINGS
from screens.widgets.desk_screen import DeskScreen
from screens.widgets.facts import FactSheet
from screens.widgets.keys import KeyLine
from screens.widgets.paged_list import PagedList
from screens.widgets.status import StatusLine
from screens.widgets.too_small import TooSmall

if TYPE_CHECKING:
    from cems_tui.services.app.settings_desk import SettingRow, SettingsDesk
    from cems_tui.settings import Setting


class SettingList(PagedList["SettingRow"]):
    """Every setting, what is wrong in the file first."""

    HELP = (
        "One row a setting of config.toml: ▪ is given there, ✗ cannot be followed, the others have "
        "their defaults. enter changes one; what else the file says stays, comments too."
    )
    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "choose", "change", show=True)]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What is no setting cannot be changed."""
        if action == "choose":
            return self.row is not None and self.row.setting is not None
        return True


class SettingsScreen(DeskScreen["SettingsDesk"]):
    """Composes the list and the sheet of one; the file is read again when one comes back."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(SETTINGS)
    JUMPS: ClassVar[dict[str, str]] = {"l": "settings", "d": "meaning"}
    AUTO_FOCUS = "#settings"

    def __init__(self, services: Services) -> None:
        assert services.desks.settings is not None
        super().__init__(services.desks.settings)
        self._services = services
        self._before: list[SettingRow] = []
        """What the changed settings were, oldest first."""

    def compose(self) -> ComposeResult:
        yield StatusLine("settings", self._services.defaults.money)
        with Container(id="body"):
            yield SettingList(setting_rows.line, header=setting_rows.header, id="settings")
            with VerticalScroll(id="meaning"):
                yield FactSheet(())
        yield KeyLine()
        yield TooSmall()

    def on_mount(self) -> None:
        self._list.border_title = "Settings"
        self.query_one("#meaning").border_title = "Meaning"
        self._services.engine.changed.subscribe(self, self._tell_totals)
        self._tell_totals(self._services.engine.state)
        self._read()

    def _tell_totals(self, state: EngineState) -> None:
        self.query_one(StatusLine).totals = state.totals

    @on(PlaceEntered)
    def _read(self) -> None:
        """The user's editor may have changed the file meanwhile."""

        def read(desk: SettingsDesk) -> tuple[str, tuple[SettingRow, ...]]:
            return str(desk.config_file), desk.rows()

        self.ask(read, self._show, self._list.fail)

    def _show(self, found: tuple[str, tuple[SettingRow, ...]]) -> None:
        file, rows = found
        self._list.show_rows(rows)
        self._list.border_subtitle = Content(visible(file))
        self._list.redraw()

    @on(PagedList.Pointed, "#settings")
    def _pointed(self, message: PagedList.Pointed) -> None:
        row: SettingRow | None = message.row
        sheet = self.query_one("#meaning FactSheet", FactSheet)
        sheet.facts = () if row is None else tuple(setting_rows.facts(row))
        named = "Meaning" if row is None else visible(row.name)
        self.query_one("#meaning").border_title = Content(named)
        self.refresh_bindings()

    @on(PagedList.Chosen, "#settings")
    def _chosen(self) -> None:
        self.action_change()

    # --- what the user does ------------------------------------------------------------------

    def action_change(self) -> None:
        """Yes becomes no; any other value is asked for."""
        row = self._list.row
        setting = None if row is None else row.setting
        if row is None or setting is None:
            return
        if isinstance(row.value, bool):
            self._write(row, toml_value(not row.value))
            return

        def check(text: str) -> None:
            try:
                setting.parsed(text)
            except ConfigError as error:
                raise ValueError(str(error)) from error

        hint = f"{setting.help}\n{setting.allowed}; {setting.holds}"
        text = row.value if isinstance(row.value, str) else row.text

        def written(text: str | None) -> None:
            if text is not None:
                self._write(row, text)

        self.app.push_screen(TextQuestion(row.name, hint, text, check), written)

    def action_restore(self) -> None:
        row = self._list.row
        if row is None or not row.given:
            return
        if not row.problem:
            self._before.append(row)
            self._put(row.name, None)
            return

        def take(answer: Answer | None) -> None:
            if answer == "yes":
                self._put(row.name, None)

        keys = "enter takes it out · esc lets it be"
        self.app.push_screen(
            Question(f"Take {row.name} out of the file?", setting_rows.facts(row), keys, ("yes",)),
            take,
        )

    def action_undo(self) -> None:
        """As it was before the last change."""
        if not self._before:
            return
        row = self._before.pop()
        text = row.value if isinstance(row.value, str) else row.text
        self._put(row.name, text if row.given else None)

    def action_copy_command(self) -> None:
        row = self._list.row
        if row is not None:
            self.copy(_command(row))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The footer offers what has a meaning now."""
        row = self._list.row
        if action == "change":
            return row is not None and row.setting is not None
        if action == "restore":
            return row is not None and row.given
        if action == "undo":
            return bool(self._before)
        return True

    # --- helpers -----------------------------------------------------------------------------

    @property
    def _list(self) -> PagedList[SettingRow]:
        return self.query_one("#settings", PagedList)

    def _write(self, row: SettingRow, text: str) -> None:
        if not row.problem:
            self._before.append(row)
        self._put(row.name, text)

    def _put(self, name: str, text: str | None) -> None:
        """Writes a value; None takes it out of the file."""

        def put(desk: SettingsDesk) -> SettingRow | None:
            if text is None:
                desk.restore(name)
            else:
                desk.change(name, text)
            return next((row for row in desk.rows() if row.name == name), None)

        self.ask(put, lambda row: self._changed(name, row))

    def _changed(self, name: str, row: SettingRow | None) -> None:
        """The file says something else now: what can be followed is followed."""
        self._read()
        setting = None if row is None else row.setting
        if row is None or setting is None:
            return
        told = f"It holds {self._follow(row, setting)}."
        self.notify(told, title=f"{name} is {visible(row.text)}", markup=False)

    def _follow(self, row: SettingRow, setting: Setting) -> str:
        """Does what the value says as far as this app can; from when on it holds."""
        if row.name == "app.theme":
            self.app.theme = str(row.value)
        elif row.name == "routing.tradeoff":
            dial = None if row.value == BALANCED else float(row.value)
            self.app.get_screen_stack(HOME.id)[0].post_message(DialSet(dial))
        elif setting.holds == FRESH_ENGINE:
            if self._services.engine.state.work.jobs:
                return "with a fresh engine: pictures are under way, so when cems is opened again"
            self._services.engine.restart()
            return "with the fresh engine that starts now"
        return AT_ONCE if setting.holds == AT_ONCE else setting.holds


def _command(row: SettingRow) -> str:
    """The line for a shell that sets it so."""
    if not row.given or row.setting is None:
        return f"cems config set {shlex.quote(row.name)} --default"
    text = row.value if isinstance(row.value, str) else row.text
    return f"cems config set {row.name} {shlex.quote(text)}"
