"""The settings as the app shows and changes them: config.toml and nothing beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cems_tui.errors import ConfigError
from cems_tui.settings import (
    SETTINGS,
    Setting,
    located_problems,
    read_document,
    setting_named,
    stands,
    toml_value,
    write_setting,
)


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting as it stands in config.toml; or something there that is none."""

    name: str
    """`section.key`, or a section that nothing knows."""

    setting: Setting | None
    """None of what no setting is."""

    value: Any
    """What holds: the file's, or the default."""

    given: bool
    """Whether the file says it."""

    problem: str = ""
    """Why what the file says cannot be followed."""

    @property
    def key(self) -> str:
        return self.name

    @property
    def text(self) -> str:
        """The value as the file would write it."""
        return toml_value(self.value)


@dataclass(frozen=True, slots=True)
class SettingsDesk:
    """The settings of one profile. Every method reads a disk: call it in a thread."""

    config_file: Path

    def rows(self) -> tuple[SettingRow, ...]:
        """Every setting, as `cems config show` lists them; what is wrong in the file comes first.

        Raises:
            ConfigError: it cannot be read, or is not TOML.
        """
        document = read_document(self.config_file)
        wrong = dict(located_problems(document))
        known = {setting.name for setting in SETTINGS}
        strange = [
            SettingRow(name, None, "", given=True, problem=sentence)
            for name, sentence in wrong.items()
            if name not in known
        ]
        rows = []
        for setting in SETTINGS:
            given = stands(document, setting.name)
            problem = wrong.get(setting.name, "")
            follows = given and not problem
            value = document[setting.section][setting.key] if follows else setting.default
            rows.append(SettingRow(setting.name, setting, value, given, problem))
        return (*strange, *sorted(rows, key=lambda row: not row.problem))

    def change(self, name: str, text: str) -> None:
        """Give a setting the value that a text means; the file's comments stay.

        Raises:
            UnknownName: there is no such setting.
            ConfigError: it is not such a value, or the file cannot be followed.
            StorageError: it cannot be written.
        """
        setting = setting_named(name)
        value = setting.parsed(text)
        if not isinstance(read_document(self.config_file).get(setting.section, {}), dict):
            raise ConfigError(f"{self.config_file}: {setting.section} is no section there")
        write_setting(self.config_file, name, value)

    def restore(self, name: str) -> None:
        """Take what the file says under a name out of it: the default holds again.

        Raises:
            ConfigError: the file is not TOML.
            StorageError: it cannot be written.
        """
        write_setting(self.config_file, name, None)
