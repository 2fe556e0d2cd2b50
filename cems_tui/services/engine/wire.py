"""Messages as lines of JSON: what goes through the resident engine's socket.

No pickle is read: a line is one object that names its kind, and every field is held to the type
that the message's class declares.
"""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from cems_tui.domain.decision import RoutingDecision
from cems_tui.domain.generation import Generation
from cems_tui.domain.note import Note
from cems_tui.domain.request import (
    Failed,
    Generated,
    Loading,
    Noted,
    Request,
    Routed,
    Scoring,
    Starting,
    Step,
)
from cems_tui.services.engine.protocol import (
    Cancel,
    Close,
    EngineReady,
    Hello,
    OpenFailed,
    Retire,
    Retiring,
    Started,
    Taken,
    Welcome,
)

KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        *(Hello, Request, Cancel, Close, Retire),
        *(Welcome, Taken, Retiring, OpenFailed, EngineReady, Started),
        *(Routed, Starting, Loading, Step, Scoring, Noted, Generated, Failed),
    )
}
"""What may be said; `Open` and `EngineLost` are said within one process's family only."""

LONGEST_LINE_BYTES = 4_000_000
"""A decision with a thousand candidates and a prompt of the longest kind is a tenth of it."""

_WITH_JSON_OF_THEIR_OWN = (RoutingDecision, Generation, Note)
_KIND = "kind"


class BadMessage(ValueError):
    """A line that says nothing we know."""


def encoded(message: Any) -> bytes:
    """The line of a message, its end included."""
    name = type(message).__name__
    assert KINDS.get(name) is type(message), f"{name} is not said through a socket"
    row = {_KIND: name, **_row(message)}
    return json.dumps(row, ensure_ascii=True).encode("ascii") + b"\n"


def decoded(line: bytes) -> Any:
    """The message of a line.

    Raises:
        BadMessage: it is none, or a field is missing, unknown or of another type.
    """
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadMessage("a line that is not JSON") from error
    if not isinstance(row, dict) or (kind := KINDS.get(str(row.pop(_KIND, "")))) is None:
        raise BadMessage("an object of no known kind")
    return _object(kind, row)


def _row(value: Any) -> dict[str, Any]:
    return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}


def _plain(value: Any) -> Any:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Path():
            return str(value)
        case frozenset():
            return sorted(value)
        case tuple():
            return [_plain(item) for item in value]
        case dict():
            return {str(key): _plain(item) for key, item in value.items()}
        case RoutingDecision() | Generation() | Note():
            return value.to_json()
    return _row(value)


def _object(kind: type[Any], row: Any) -> Any:
    if kind in _WITH_JSON_OF_THEIR_OWN:
        try:
            return kind.from_json(row)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise BadMessage(f"{kind.__name__} is not told as it should be") from error
    if not isinstance(row, dict) or set(row) != {field.name for field in fields(kind)}:
        raise BadMessage(f"{kind.__name__} has other fields")
    hints = get_type_hints(kind)
    return kind(**{name: _value(hints[name], value) for name, value in row.items()})


def _value(hint: Any, value: Any) -> Any:
    """The value as the hint wants it.

    Raises:
        BadMessage: it cannot be.
    """
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return _one_of(get_args(hint), value)
    if origin is Literal and value in get_args(hint):
        return value
    if origin in (tuple, frozenset) and isinstance(value, list):
        return origin(_value(get_args(hint)[0], item) for item in value)
    if origin is dict and isinstance(value, dict):
        return {key: _value(get_args(hint)[1], item) for key, item in value.items()}
    if hint is NoneType and value is None:
        return None
    if hint is float and type(value) in (int, float):
        return float(value)
    if hint in (str, int, bool) and type(value) is hint:
        return value
    if hint is Path and isinstance(value, str):
        return Path(value)
    if isinstance(hint, type) and is_dataclass(hint):
        return _object(hint, value)
    raise BadMessage(f"{str(value)[:50]!r} is not what was expected")


def _one_of(hints: tuple[Any, ...], value: Any) -> Any:
    for hint in hints:
        try:
            return _value(hint, value)
        except BadMessage:
            continue
    raise BadMessage(f"{str(value)[:50]!r} is not what was expected")
