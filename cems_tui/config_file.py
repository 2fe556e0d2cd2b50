"""One setting written into config.toml; everything else in it stays as the user wrote it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cems_tui.errors import ConfigError, StorageError
from cems_tui.paths import ensure


def write_setting(path: Path, name: str, value: Any) -> None:
    """Give a setting a value; None takes the line away, so that the default holds again.

    Args:
        name: `section.key`.

    Raises:
        ConfigError: the file is not TOML.
        StorageError: it cannot be written.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    section, key = name.split(".", 1)
    try:
        text = path.read_text("utf-8") if path.exists() else ""
        document = tomlkit.parse(text)
    except (TOMLKitError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from error
    if value is None:
        body: Any = document.get(section, {})
        body.pop(key, None)
    else:
        document.setdefault(section, tomlkit.table())[key] = value
    _replace(path, tomlkit.dumps(document))


def _replace(path: Path, text: str) -> None:
    """The file whole, or as it was."""
    ensure(path.parent)
    temporary = path.with_name(f".{path.name}.part")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)
