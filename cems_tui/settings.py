"""What the user configured: config.toml read, checked and explained.

A setting that is absent has its default; one that cannot be followed is an error with the
line's name, never ignored.
"""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cems_tui import paths
from cems_tui.domain.pricing import CEMS_USD_PER_GB_SECOND
from cems_tui.errors import CemsError, ConfigError
from cems_tui.files import write_text
from cems_tui.paths import ensure
from cems_tui.scoring.instruments import METRICS, instruments_of, metrics_of, ranges_of


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing that can be configured."""

    name: str
    """`section.key`, as in config.toml."""

    default: Any
    help: str
    check: Callable[[Any], str | None]
    """None when the value is fine, else what it should be."""


def _number(low: float, high: float = math.inf) -> Callable[[Any], str | None]:
    def check(value: Any) -> str | None:
        fine = isinstance(value, int | float) and not isinstance(value, bool)
        if fine and math.isfinite(value) and low <= value <= high:
            return None
        return f"a number of at least {low:g}" if high == math.inf else f"{low:g} to {high:g}"

    return check


def _one_of(*choices: str) -> Callable[[Any], str | None]:
    return lambda value: None if value in choices else f"one of {', '.join(filter(None, choices))}"


def _text(value: Any) -> str | None:
    return None if isinstance(value, str) else "a text in quotes"


def _taken_by(read: Callable[[str], object], what: str) -> Callable[[Any], str | None]:
    def check(value: Any) -> str | None:
        if not isinstance(value, str):
            return what
        try:
            read(value)
        except CemsError:
            return what
        return None

    return check


_metrics = _taken_by(metrics_of, f'some of "{",".join(METRICS)}"')
_ranges = _taken_by(ranges_of, 'four numbers, "NIMA_MIN,NIMA_MAX,CLIP_MIN,CLIP_MAX"')
_nima = _one_of("", *instruments_of("nima"))
_clip = _one_of("", *instruments_of("clip"))

SETTINGS: tuple[Setting, ...] = (
    Setting("routing.tradeoff", 0.5, "0 = cheapest, 1 = best quality", _number(0, 1)),
    Setting("routing.router", "", "the checkpoint to ask; empty: the contract's rule", _text),
    Setting(
        "routing.load_cost",
        "auto",
        "count load time in the price: on, off, or auto (on in the app and for several prompts)",
        _one_of("auto", "on", "off"),
    ),
    Setting(
        "pricing.usd_per_gb_second",
        CEMS_USD_PER_GB_SECOND,
        "US dollars for a gigabyte of device memory held for a second",
        _number(0),
    ),
    Setting("pricing.currency", "USD", "what prices are shown in", _text),
    Setting("pricing.per_usd", 1.0, "how much of that currency a US dollar is", _number(0)),
    Setting(
        "generation.threads", 0, "CPU threads of the engine; 0: the physical cores", _number(0)
    ),
    Setting("generation.pictures", "", "where pictures go; empty: the pictures folder", _text),
    Setting(
        "generation.score",
        True,
        "score every picture",
        lambda value: None if isinstance(value, bool) else "true or false",
    ),
    Setting(
        "device.budget_mb",
        0,
        "megabytes that weights may hold on the device; 0: what is free",
        _number(0),
    ),
    Setting("device.leave_gb", 0.0, "gigabytes of the device left to other programs", _number(0)),
    Setting(
        "device.keep_alive_minutes",
        0,
        "the app frees a model it has not drawn with for so many minutes; 0: when needed, or at "
        "the end",
        _number(0),
    ),
    Setting(
        "quality.metrics",
        "nima,clip,mixed",
        "what is read off every picture that is generated",
        _metrics,
    ),
    Setting("quality.nima", "", "the instrument for NIMA; empty: by whose picture it is", _nima),
    Setting("quality.clip", "", "the instrument for CLIP; empty: by whose picture it is", _clip),
    Setting(
        "quality.mixed",
        "",
        "ranges of mixed, NIMA_MIN,NIMA_MAX,CLIP_MIN,CLIP_MAX; empty: the router's",
        _ranges,
    ),
    Setting(
        "quality.device",
        "auto",
        "where large scorers read: cpu, cuda, or auto (cuda where they find room)",
        _one_of("auto", "cpu", "cuda"),
    ),
    Setting(
        "app.image",
        "auto",
        "how the app draws pictures",
        _one_of("auto", "kitty", "sixel", "halfcell", "unicode"),
    ),
)

_BY_NAME = {setting.name: setting for setting in SETTINGS}
_SECTIONS = {name.split(".")[0] for name in _BY_NAME} | {"keys"}


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting's value, and which of them the file gave."""

    values: Mapping[str, Any] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)
    """Key bindings of the app the user changed: command → key."""

    def __getitem__(self, name: str) -> Any:
        return self.values.get(name, _BY_NAME[name].default)

    def source(self, name: str) -> str:
        """`file` when config.toml gives it, else `default`."""
        return "file" if name in self.values else "default"

    def load_cost(self, *, several: bool) -> bool:
        """Whether load time counts in prices; `auto` means where several pictures are made."""
        choice = self["routing.load_cost"]
        return several if choice == "auto" else choice == "on"


def pictures_folder(chosen: Settings) -> Path:
    """Where pictures go unless a command says otherwise.

    Raises:
        ConfigError: the setting names the home of a user who is not there.
    """
    said = chosen["generation.pictures"]
    if not said:
        return paths.current().pictures
    return paths.expanded(said, "generation.pictures").absolute()


def problems(document: Mapping[str, Any]) -> list[str]:
    """What is wrong with a parsed config.toml, one sentence each; empty when nothing is."""
    from difflib import get_close_matches

    found = []
    for section, body in document.items():
        if section not in _SECTIONS or not isinstance(body, dict):
            found.append(f"there is no section [{section}]; known: {', '.join(sorted(_SECTIONS))}")
            continue
        for key, value in body.items():
            name = f"{section}.{key}"
            if section == "keys":
                if not isinstance(value, str) or not value.strip():
                    found.append(f'{name} must be a key in quotes, such as "ctrl+g"')
            elif name not in _BY_NAME:
                near = get_close_matches(name, _BY_NAME, n=1)
                found.append(
                    f"there is no setting {name}" + (f"; did you mean {near[0]}?" if near else "")
                )
            elif wrong := _BY_NAME[name].check(value):
                found.append(f"{name} is {value!r}; it must be {wrong}")
    return found


def read_document(path: Path) -> dict[str, Any]:
    """config.toml as parsed; empty when there is no file.

    Raises:
        ConfigError: the file cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from error


def load(path: Path) -> Settings:
    """The settings of a config file.

    Raises:
        ConfigError: the file cannot be read, or says something that cannot be followed.
    """
    document = read_document(path)
    if wrong := problems(document):
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise ConfigError(f"{path}: {wrong[0]}{more}")
    values = {
        f"{section}.{key}": value
        for section, body in document.items()
        if section != "keys"
        for key, value in body.items()
    }
    return Settings(values, dict(document.get("keys", {})))


def environment_problems() -> list[str]:
    """What is wrong with the environment variables we read."""
    found = []
    budget = os.environ.get("CEMS_DEVICE_BUDGET_MB")
    if budget is not None:
        try:
            fine = math.isfinite(float(budget)) and float(budget) > 0
        except ValueError:
            fine = False
        if not fine:
            found.append(f"CEMS_DEVICE_BUDGET_MB is {budget!r}; it must be a number of megabytes")
    return found


# One setting written into config.toml; everything else in it stays as the user wrote it.


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
    ensure(path.parent)
    write_text(path, tomlkit.dumps(document))
