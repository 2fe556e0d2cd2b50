"""The search language of the history: words, and conditions written `key:value`.

`red car function:starter-turbo score:>5 since:7d` finds pictures of red cars that a function of
starter-turbo drew within a week and that scored above 5. What is no known key is a word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from string import ascii_uppercase
from typing import Any

from cems_tui.errors import UsageError

ORDERS: Mapping[str, str] = {
    "newest": "created DESC, id DESC",
    "oldest": "created, id",
    "cost": "cost_usd IS NULL, cost_usd DESC, created DESC, id DESC",
    "score": (
        "(SELECT value FROM scores WHERE generation = generations.id AND scores.metric = "
        "generations.metric) DESC NULLS LAST, created DESC, id DESC"
    ),
    "rating": "rating IS NULL, rating DESC, starred DESC, created DESC, id DESC",
}

SORTS = tuple(ORDERS)
"""What pictures may be listed by; the last three dearest, best and best-liked first."""

_TERM = re.compile(r'(?P<key>[a-z]+):(?P<value>"[^"]*"|\S*)|(?P<word>"[^"]*"|\S+)')
_NUMBER = re.compile(r"(?P<sign>>=|<=|>|<|=)?(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)")
_AGO = re.compile(r"(?P<count>\d{1,6})(?P<unit>[hdw])")
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
"""Days that stand for the last of their name; today is one of them."""

_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on `generations` in SQL, and its arguments."""

    sql: str
    arguments: tuple[Any, ...] = ()
    of_requests: bool = False
    """Whether it can be asked of a request without a picture too: of `failures`."""


@dataclass(frozen=True, slots=True)
class Search:
    """What was typed, taken apart."""

    words: str
    conditions: tuple[Condition, ...]


def parsed(typed: str, at: datetime) -> Search:
    """The words and the conditions of a search.

    Args:
        at: the present moment, which `since:7d` counts back from; days begin where it has them.

    Raises:
        UsageError: a known key has a value that cannot be one.
    """
    words, conditions = [], []
    for term in _TERM.finditer(typed):
        key = term["key"]
        if key in _READERS:
            conditions.append(_READERS[key](key, term["value"].strip('"'), at))
        else:
            words.append(term[0])
    return Search(" ".join(words), tuple(conditions))


def _name(column: str) -> Callable[[str, str, datetime], Condition]:
    def read(key: str, value: str, at: datetime) -> Condition:
        if not value:
            raise _wrong(key, value, f"a {key}'s name, or none")
        if value == "none" and column == "router":
            return Condition("router IS NULL")
        return Condition(f"{column} = ?", (value,))

    return read


def _function(key: str, value: str, at: datetime) -> Condition:
    """A function, or every step count of its model."""
    if not value:
        raise _wrong(key, value, "a function's name, or a model's")
    return Condition(
        "(executed = ? OR substr(executed, 1, ?) = ?)", (value, len(value) + 1, f"{value}@")
    )


def _session(key: str, value: str, at: datetime) -> Condition:
    if not value:
        raise _wrong(key, value, "a session's name or id")
    return Condition(
        "session IN (SELECT id FROM sessions WHERE name = ? OR substr(id, 1, ?) = ?)",
        (value, max(len(value), 8), value.upper()),
        of_requests=True,
    )


def _figure(sql: str, says: str) -> Callable[[str, str, datetime], Condition]:
    def read(key: str, value: str, at: datetime) -> Condition:
        found = _NUMBER.fullmatch(value)
        if found is None:
            raise _wrong(key, value, says)
        return Condition(sql.format(found["sign"] or "="), (float(found["number"]),))

    return read


def _star(key: str, value: str, at: datetime) -> Condition:
    if value not in ("", "yes", "no"):
        raise _wrong(key, value, "yes or no")
    return Condition("starred = 0" if value == "no" else "starred = 1")


def _moment(sign: str) -> Callable[[str, str, datetime], Condition]:
    def read(key: str, value: str, at: datetime) -> Condition:
        moment = _moment_of(value, at, end=sign == "<")
        if moment is None:
            raise _wrong(key, value, "2026-11-27, 2026-11-27T18:00, today, monday, 12h, 7d or 2w")
        utc = moment.astimezone(UTC).isoformat(timespec="milliseconds")
        return Condition(f"created {sign} ?", (utc,), of_requests=True)

    return read


def _moment_of(value: str, at: datetime, *, end: bool) -> datetime | None:
    """The moment a word or date stands for; of a whole day its end where that is asked for."""
    if ago := _AGO.fullmatch(value):
        try:
            return at - int(ago["count"]) * _UNITS[ago["unit"]]
        except OverflowError:
            return None
    today = at.replace(hour=0, minute=0, second=0, microsecond=0)
    day = {"today": today, "yesterday": today - timedelta(days=1)}.get(value)
    if value in WEEKDAYS:
        day = today - timedelta(days=(today.weekday() - WEEKDAYS.index(value)) % 7)
    if day is None:
        try:
            told = datetime.fromisoformat(value)
        except ValueError:
            return None
        moment = told if told.tzinfo else told.replace(tzinfo=at.tzinfo)
        if len(value) > len("2026-11-27"):
            return moment
        day = moment
    return day + timedelta(days=1) if end else day


def _wrong(key: str, value: str, says: str) -> UsageError:
    return UsageError(
        f"{key}:{value} cannot be searched for", f"Write {key}:{says}; in quotes it is a word."
    )


_READERS: Mapping[str, Callable[[str, str, datetime], Condition]] = {
    "model": _name("model"),
    "function": _function,
    "router": _name("router"),
    "session": _session,
    "score": _figure(
        "EXISTS (SELECT 1 FROM scores WHERE generation = generations.id AND scores.metric = "
        "coalesce(generations.metric, scores.metric) AND value {} ?)",
        "a number, as in score:>5",
    ),
    "cost": _figure("cost_usd {} ?", "US dollars a picture, as in cost:<0.001"),
    "regret": _figure(
        "id IN (SELECT id FROM regrets WHERE regret {} ?)",
        "a score, as in regret:>0.1; only of prompts that several functions drew",
    ),
    "rating": _figure("rating {} ?", "1 to 5, as in rating:>3"),
    "star": _star,
    "since": _moment(">="),
    "until": _moment("<"),
}

KEYS = tuple(_READERS)
"""What conditions begin with."""


UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
    "\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]"
)
"""Thai, Lao, Burmese, Khmer, kana, Chinese characters; and Korean, whose words carry endings."""


def unspaced_pairs(*texts: str) -> set[str]:
    """Each character of a script without spaces, with the one after it: what texts are found by."""
    return {
        text[found.start() : found.start() + 2]
        for text in map(_lower, texts)
        for found in UNSPACED.finditer(text)
    }


def unspaced_piece(word: str) -> Condition:
    """Pictures with this piece of text, which has such a character: the same as `piece` finds.

    They are looked for among those that have all its pairs.
    """
    pairs = sorted(pair for pair in unspaced_pairs(word) if len(pair) == 2)
    if pairs:
        having = " INTERSECT ".join(
            "SELECT number FROM unspaced_pairs WHERE pair = ?" for _ in pairs
        )
        wanted = tuple(pairs)
    else:
        having = "SELECT number FROM unspaced_pairs WHERE pair >= ? AND pair <= ?"
        wanted = (word[-1], word[-1] + chr(0x10FFFF))
    exact = piece(word)
    return Condition(f"(number IN ({having}) AND {exact.sql})", wanted + exact.arguments)


def piece(text: str) -> Condition:
    """Pictures with this piece of text."""
    return Condition(
        "(instr(lower(prompt), lower(?)) OR instr(lower(negative), lower(?)))", (text, text)
    )


def _lower(text: str) -> str:
    """As SQLite does it: ASCII alone."""
    return text.translate(_SMALL)


_SMALL = {ord(letter): letter.lower() for letter in ascii_uppercase}
