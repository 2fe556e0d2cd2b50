"""What the user configured: config.toml read, checked and explained.

A setting that is absent has its default; one that cannot be followed is an error with the
line's name, never ignored.
"""

from __future__ import annotations

import json
import math
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from cems_tui.errors import ConfigError, UnknownName
from cems_tui.files import read_bytes, write_text
from cems_tui.paths import ensure
from cems_tui.text import as_utf8

BALANCED = "balanced"
"""What `routing.tradeoff` says instead of a number."""

_LARGEST_BYTES = 256_000
_MOST_DOTS = 1_000
"""In one line."""

Check = Callable[[Any], str | None]
"""None when the value is fine, else what it should be."""


def _number(low: float, high: float = math.inf) -> Check:
    def check(value: Any) -> str | None:
        fine = isinstance(value, int | float) and not isinstance(value, bool)
        if fine and math.isfinite(value) and low <= value <= high:
            return None
        return f"a number of at least {low:g}" if high == math.inf else f"{low:g} to {high:g}"

    return check


def _dial(value: Any) -> str | None:
    if value == BALANCED or _number(0, 1)(value) is None:
        return None
    return f'0 to 1, or "{BALANCED}"'


def _one_of(*choices: str) -> Check:
    return lambda value: None if value in choices else f"one of {', '.join(filter(None, choices))}"


def _text(value: Any) -> str | None:
    return None if isinstance(value, str) else "a text in quotes"


def _yes_or_no(value: Any) -> str | None:
    return None if isinstance(value, bool) else "true or false"


def _some_of(*choices: str) -> Check:
    def check(value: Any) -> str | None:
        names = value.split(",") if isinstance(value, str) else [None]
        fine = all(name is not None and name.strip() in ("", *choices) for name in names)
        return None if fine else f'some of "{",".join(choices)}"'

    return check


def _ranges(value: Any) -> str | None:
    wrong = 'four numbers, "NIMA_MIN,NIMA_MAX,CLIP_MIN,CLIP_MAX"'
    if not isinstance(value, str):
        return wrong
    if not value.strip():
        return None
    try:
        nima_min, nima_max, clip_min, clip_max = map(float, value.split(","))
    except ValueError:
        return wrong
    return None if nima_min < nima_max and clip_min < clip_max else wrong


Holds = Literal["at once", "with a fresh engine", "when cems is opened again"]
"""From when on an open app follows a setting; a command reads it when it begins."""

AT_ONCE: Holds = "at once"
FRESH_ENGINE: Holds = "with a fresh engine"
OPENED_AGAIN: Holds = "when cems is opened again"


def _setting(default: Any, help: str, check: Check, holds: Holds = OPENED_AGAIN) -> Any:
    """A field that can be configured: the one place where its name is written."""
    return field(default=default, metadata={"help": help, "check": check, "holds": holds})


@dataclass(frozen=True, slots=True)
class Routing:
    """How functions are chosen."""

    tradeoff: float | str = _setting(
        BALANCED,
        "0 = cheapest, 1 = best quality, balanced = where more cost buys less quality than it is",
        _dial,
        AT_ONCE,
    )
    router: str = _setting("", "the checkpoint to ask; empty: the contract's rule", _text)
    load_cost: str = _setting(
        "auto",
        "count load time in the price: on, off, or auto (on in the app and for several prompts)",
        _one_of("auto", "on", "off"),
    )

    def counts_load(self, *, several: bool) -> bool:
        """Whether load time counts in prices; `auto` means where several pictures are made."""
        return several if self.load_cost == "auto" else self.load_cost == "on"


@dataclass(frozen=True, slots=True)
class Prices:
    """What a picture costs, and in what that is shown."""

    usd_per_gb_second: float = _setting(
        0.0000166667, "US dollars for a gigabyte of device memory held for a second", _number(0)
    )
    usd_per_kwh: float = _setting(
        0, "US dollars for a kilowatt-hour of electricity; 0: not known", _number(0)
    )
    currency: str = _setting("USD", "what prices are shown in", _text)
    per_usd: float = _setting(1.0, "how much of that currency a US dollar is", _number(0))


@dataclass(frozen=True, slots=True)
class Drawing:
    """How pictures are made, and where they go."""

    device: str = _setting(
        "auto", "where pictures are drawn", _one_of("auto", "cpu", "cuda", "xpu", "mps")
    )
    precision: str = _setting(
        "auto",
        "what weights are held in; auto: float16 on cuda, xpu and mps, bfloat16 on a processor "
        "with AMX or AVX-512 for it where the model is not tiny, else float32",
        _one_of("auto", "float32", "bfloat16", "float16"),
    )
    threads: float = _setting(
        0, "CPU threads of the engine; 0: the physical cores", _number(0), FRESH_ENGINE
    )
    pictures: str = _setting(
        "", "where pictures go; empty: the pictures folder", _text, FRESH_ENGINE
    )
    score: bool = _setting(True, "score every picture", _yes_or_no, FRESH_ENGINE)

    @property
    def chosen_device(self) -> str | None:
        """The torch device type that is asked for; None is the best there is."""
        return None if self.device == "auto" else self.device


@dataclass(frozen=True, slots=True)
class Device:
    """What the device may hold, and how long."""

    budget_mb: float = _setting(
        0, "megabytes that weights may hold on the device; 0: what is free", _number(0)
    )
    leave_gb: float = _setting(0.0, "gigabytes of the device left to other programs", _number(0))
    keep_alive_minutes: float = _setting(
        0,
        "minutes that a model nobody draws with stays: in the app, and in a resident engine that "
        "then serves the next command; 0: until needed or the end, and no such engine",
        _number(0),
        FRESH_ENGINE,
    )

    @property
    def leave_bytes(self) -> int:
        """Bytes of the device left to other programs."""
        return int(self.leave_gb * 1e9)


@dataclass(frozen=True, slots=True)
class Quality:
    """What is read off pictures, with which instruments, and where.

    The names are those of `scoring.instruments`, which stands above: a test holds them together.
    """

    metrics: str = _setting(
        "nima,clip,mixed",
        "what is read off every picture that is generated",
        _some_of("nima", "clip", "aesthetic", "pickscore", "sharpness", "mixed"),
        FRESH_ENGINE,
    )
    nima: str = _setting(
        "",
        "the instrument for NIMA; empty: by whose picture it is",
        _one_of("", "starter-nima", "nima", "nima-inception"),
        FRESH_ENGINE,
    )
    clip: str = _setting(
        "",
        "the instrument for CLIP; empty: by whose picture it is",
        _one_of("", "starter-clip", "clip-vit-g-14", "clip-vit-b-32"),
        FRESH_ENGINE,
    )
    mixed: str = _setting(
        "",
        "ranges of mixed, NIMA_MIN,NIMA_MAX,CLIP_MIN,CLIP_MAX; empty: the router's",
        _ranges,
        FRESH_ENGINE,
    )
    device: str = _setting(
        "auto",
        "where large scorers read: cpu, cuda, or auto (cuda where they find room)",
        _one_of("auto", "cpu", "cuda"),
        FRESH_ENGINE,
    )


@dataclass(frozen=True, slots=True)
class App:
    """The terminal app."""

    image: str = _setting(
        "auto",
        "how the app draws pictures",
        _one_of("auto", "kitty", "sixel", "halfcell", "unicode"),
    )
    theme: str = _setting("dark", "the colours of the app", _one_of("dark", "light"), AT_ONCE)
    prepare: bool = _setting(
        True,
        "make the engine ready while you write: the first picture starts at once",
        _yes_or_no,
    )


@dataclass(frozen=True, slots=True)
class Storage:
    """What is kept, and who may read it."""

    shared: bool = _setting(
        False,
        "others on this machine may read what is kept, as the umask says; false: only you",
        _yes_or_no,
    )


@dataclass(frozen=True, slots=True)
class Benchmarks:
    """What is kept of benchmarks."""

    pictures: str = _setting(
        "webp",
        "how their pictures are kept, without loss: webp, png, or none",
        _one_of("webp", "png", "none"),
        AT_ONCE,
    )
    quota_gb: float = _setting(
        10.0, "gigabytes that the pictures of all benchmarks may hold", _number(0), AT_ONCE
    )

    @property
    def quota_bytes(self) -> int:
        """Bytes that the pictures of all benchmarks may hold."""
        return int(self.quota_gb * 1e9)


@dataclass(frozen=True, slots=True)
class Shadowed:
    """Drawing past prompts again, in idle time, with functions that were not chosen."""

    on: bool = _setting(
        False, "draw past prompts in idle time with what was not chosen", _yes_or_no
    )
    usd_per_day: float = _setting(0.0, "US dollars a day for that; 0: no such limit", _number(0))
    seconds_per_day: float = _setting(0.0, "seconds a day for that; 0: no such limit", _number(0))
    pictures_per_day: float = _setting(0, "pictures a day for that; 0: no such limit", _number(0))


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting's value by section, as in config.toml, and which of them the file gave."""

    routing: Routing = Routing()
    pricing: Prices = Prices()
    generation: Drawing = Drawing()
    device: Device = Device()
    quality: Quality = Quality()
    app: App = App()
    storage: Storage = Storage()
    benchmark: Benchmarks = Benchmarks()
    shadow: Shadowed = Shadowed()
    keys: Mapping[str, str] = field(default_factory=dict)
    """Key bindings of the app the user changed: command → key."""

    given: frozenset[str] = frozenset()
    """Names of the settings that the file gave."""

    @classmethod
    def of(cls, document: Mapping[str, Mapping[str, Any]]) -> Settings:
        """The settings of a document without problems."""
        sections = {
            name: replace(getattr(_DEFAULTS, name), **body)
            for name, body in document.items()
            if name != "keys"
        }
        given = frozenset(f"{name}.{key}" for name in sections for key in document[name])
        return cls(**sections, keys=dict(document.get("keys", {})), given=given)


_NOTHING = object()
"""The value that no setting can have."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing that can be configured."""

    section: str
    key: str
    default: Any
    help: str
    check: Check
    holds: Holds

    @property
    def name(self) -> str:
        """`section.key`, as in config.toml."""
        return f"{self.section}.{self.key}"

    def value(self, settings: Settings) -> Any:
        """What it is set to."""
        return getattr(getattr(settings, self.section), self.key)

    @property
    def allowed(self) -> str:
        """What it can be, in words: `one of auto, on, off`."""
        return self.check(_NOTHING) or ""

    def source(self, settings: Settings) -> str:
        """`file` when config.toml gives it, else `default`."""
        return "file" if self.name in settings.given else "default"

    def parsed(self, text: str) -> Any:
        """The value that a text on the command line means: itself, or what TOML reads in it.

        Raises:
            ConfigError: it is not such a value.
        """
        value: Any = text
        if self.check(text):
            try:
                value = tomllib.loads(f"value = {text}")["value"]
            except ValueError:  # no TOML, or a number of thousands of digits
                value = text
        if wrong := self.check(value):
            raise ConfigError(f"{self.name} cannot be {text!r}; it must be {wrong}", self.help)
        return value


def toml_value(value: Any) -> str:
    """A setting's value as config.toml writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else f"{value!r}"


_DEFAULTS = Settings()
SETTINGS = tuple(
    Setting(section.name, one.name, one.default, **one.metadata)
    for section in fields(Settings)
    if section.name not in ("keys", "given")
    for one in fields(getattr(_DEFAULTS, section.name))
)
_BY_NAME = {setting.name: setting for setting in SETTINGS}
_SECTIONS = {setting.section for setting in SETTINGS} | {"keys"}


def setting_named(name: str) -> Setting:
    """The setting of that name, `section.key`.

    Raises:
        UnknownName: there is none; near ones are suggested.
    """
    if name not in _BY_NAME:
        raise UnknownName.of("setting", name, _BY_NAME)
    return _BY_NAME[name]


def problems(document: Mapping[str, Any]) -> list[str]:
    """What is wrong with a parsed config.toml, one sentence each; empty when nothing is."""
    return [sentence for _, sentence in located_problems(document)]


def located_problems(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The same, each behind the name of what is to be mended: `section.key`, or a section."""
    from difflib import get_close_matches

    found: list[tuple[str, str]] = []
    for section, body in document.items():
        if section not in _SECTIONS or not isinstance(body, dict):
            known = ", ".join(sorted(_SECTIONS))
            found.append((section, f"there is no section [{section}]; known: {known}"))
            continue
        for key, value in body.items():
            name = f"{section}.{key}"
            if section == "keys":
                if not isinstance(value, str) or not value.strip():
                    found.append((name, f'{name} must be a key in quotes, such as "ctrl+g"'))
            elif name not in _BY_NAME:
                near = get_close_matches(name, _BY_NAME, n=1)
                meant = f"; did you mean {near[0]}?" if near else ""
                found.append((name, f"there is no setting {name}{meant}"))
            elif wrong := _BY_NAME[name].check(value):
                found.append((name, f"{name} is {value!r}; it must be {wrong}"))
    return found


def stands(document: Mapping[str, Any], name: str) -> bool:
    """Whether a parsed config.toml says something under a name, known or not."""
    section, _, key = name.partition(".")
    body = document.get(section)
    return (section in document) if not key else isinstance(body, dict) and key in body


def read_document(path: Path) -> dict[str, Any]:
    """config.toml as parsed; empty when there is no file.

    Raises:
        ConfigError: the file cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(_config_text(path))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except ValueError as error:  # no TOML, no UTF-8, or a number of thousands of digits
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{path} is nested too deep") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from error


def _config_text(path: Path) -> str:
    """Raises ConfigError of what no config is: a parser's time grows with the square of a key."""
    text = as_utf8(read_bytes(path, _LARGEST_BYTES)).decode().replace("\r\n", "\n")
    if max(line.count(".") for line in text.split("\n")) > _MOST_DOTS:
        raise ConfigError(f"{path} has a key of thousands of parts", "Mend it, or remove it.")
    return text


def load(path: Path) -> Settings:
    """The settings of a config file.

    Raises:
        ConfigError: the file cannot be read, or says something that cannot be followed.
    """
    document = read_document(path)
    if wrong := problems(document):
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise ConfigError(f"{path}: {wrong[0]}{more}")
    return Settings.of(document)


def followed(path: Path) -> tuple[Settings, tuple[str, ...]]:
    """What of a config file can be followed, with the defaults in the place of the rest; and what
    is wrong with the rest, one sentence each."""
    try:
        document = read_document(path)
    except ConfigError as error:
        return Settings(), (str(error),)
    wrong = located_problems(document)
    for name, _ in wrong:
        section, _, key = name.partition(".")
        body = document.get(section)
        if key and isinstance(body, dict):
            body.pop(key, None)
        else:
            document.pop(section, None)
    return Settings.of(document), tuple(sentence for _, sentence in wrong)


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
        name: `section.key`; with None also a whole section.

    Raises:
        ConfigError: the file is not TOML, or its section is no table.
        StorageError: it cannot be written.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    section, _, key = name.partition(".")
    try:
        text = _config_text(path) if path.exists() else ""
        document = tomlkit.parse(text)
    except (TOMLKitError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from error
    if value is None:
        body: Any = document.get(section, {}) if key else document
        body.pop(key or section, None)
    else:
        document.setdefault(section, tomlkit.table())[key] = value
    ensure(path.parent)
    write_text(path, tomlkit.dumps(document))
