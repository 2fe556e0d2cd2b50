"""The cells of a table of any source, checked: a value once, however many rows hold it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from math import inf, isnan
from typing import TYPE_CHECKING, Any

from cems_tui.errors import UsageError
from cems_tui.score_tables.table import (
    COLUMNS,
    NUMBERS,
    REQUIRED,
    ScoreTable,
    Texts,
    appearance,
    together,
)
from cems_tui.text import MAX_PROMPT_CHARACTERS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SHOWN_ERRORS = 5

MOST_FUNCTIONS = 300
MOST_METRICS = 30
"""Of one table: every function is compared on every metric."""

LARGEST_NUMBER = 1e100
"""Squares and sums of larger numbers are beyond all floats."""


class _Absent:
    """Stands in the rows that do not have a column which others have."""

    def __repr__(self) -> str:
        return "absent"


ABSENT = _Absent()


@dataclass(frozen=True, slots=True)
class Cells:
    """A column as it was found: its values, each once, and where each row's stands."""

    places: NDArray[np.int64]
    values: Sequence[Any]

    @classmethod
    def of(cls, found: Sequence[Any]) -> Cells:
        import numpy as np

        kinds = set(map(type, found)) - {type(None), _Absent}
        # 1, 1.0 and True are equal, and so are 0.0 and -0.0, but they do not say the same
        plain = kinds <= {str, int} or kinds <= {str, bool}
        keys = found if plain else [one if type(one) is str else _key(one) for one in found]
        values = dict(zip(keys, found, strict=True))
        where = {key: place for place, key in enumerate(values)}
        places = np.fromiter(map(where.__getitem__, keys), np.int64, len(keys))
        return cls(places, list(values.values()))


@dataclass(frozen=True, slots=True)
class Found:
    """A table as it was found, nothing checked yet."""

    rows: int
    columns: Mapping[str, Any]
    """`Cells` of each known column; figures may be numbers already, NaN where there is none."""

    line_numbers: Callable[[], Sequence[int]]
    """Where each row stands; asked when there is something to say of one."""

    ignored: Sequence[str] = ()
    """Columns that mean nothing here, in order of appearance."""

    overfull: Sequence[int] = ()
    """Rows with more cells than there are columns."""

    def lacks(self, row: int) -> str:
        """What is wrong with a row that does not have every required column."""
        absent = [
            name for name in REQUIRED if name not in self.columns or self._cell(name, row) is ABSENT
        ]
        return f"no {', '.join(absent)}"

    def _cell(self, name: str, row: int) -> Any:
        column = self.columns[name]
        return column.values[column.places[row]] if isinstance(column, Cells) else column[row]


def found_columns(columns: Mapping[str, Sequence[Any]]) -> Found:
    """A table given as columns of Python's values."""
    rows = len(next(iter(columns.values()), ()))
    return Found(
        rows,
        {name: column_of(name, values) for name, values in columns.items() if name in COLUMNS},
        lambda: range(1, rows + 1),
        [name for name in columns if name not in COLUMNS],
    )


def found_rows(lines: Iterable[tuple[int, Mapping[Any, Any]]]) -> Found:
    """A table given row by row, each with the line it stands on."""
    numbers: list[int] = []
    rows: list[Mapping[Any, Any]] = []
    overfull: list[int] = []
    ignored: dict[str, None] = {}
    known = frozenset(COLUMNS)
    for number, values in lines:
        if None in values:
            overfull.append(len(rows))
        elif not values.keys() <= known:
            ignored |= dict.fromkeys(str(name) for name in values if name not in known)
        numbers.append(number)
        rows.append(values)
    columns = {}
    for name in COLUMNS:
        without = ABSENT if name in REQUIRED else None
        columns[name] = column_of(name, [values.get(name, without) for values in rows])
    return Found(len(rows), columns, lambda: numbers, list(ignored), overfull)


def column_of(name: str, values: Sequence[Any]) -> Any:
    """The column of that name with these values: numbers where all are, else cells."""
    import numpy as np

    if name in NUMBERS and set(map(type, values)) <= {float, int, type(None)}:
        try:
            return np.array(values, dtype=np.float64)
        except OverflowError:
            pass  # an integer beyond all floats is told of as a cell
    return Cells.of(values)


def checked(found: Found, name: str, tell: Callable[[str], None] | None = None) -> ScoreTable:
    """The table, if every row can be taken; `name` is for messages.

    Raises:
        UsageError: a row is bad, or there is none.
    """
    faults: dict[int, str] = dict.fromkeys(found.overfull, "more cells than columns")
    columns = {
        column: _checked_column(column, found.columns.get(column), found, faults)
        for column in COLUMNS
    }
    table = ScoreTable(**columns)
    _check_rows(table, found, faults)
    if faults:
        raise _refused(name, found, faults)
    if not found.rows:
        raise UsageError(f"{name} holds no rows", f"It needs the columns {', '.join(REQUIRED)}.")
    for what, most in (("functions", MOST_FUNCTIONS), ("metrics", MOST_METRICS)):
        if (count := len(getattr(table, what))) > most:
            raise UsageError(
                f"{name} has {count:,} {what}; {most:,} is the most",
                f"Look whether its column {what[:-1]} holds what its name says.",
            )
    if found.ignored and tell is not None:
        tell(f"columns of {name} that are not read: {', '.join(map(_named, found.ignored))}")
    return table


def _named(column: str) -> str:
    """The column, and what it may have been meant to be."""
    near = get_close_matches(column, COLUMNS, n=1, cutoff=0.5)
    return f"{column} (did you mean {near[0]}?)" if near else column


def _refused(name: str, found: Found, faults: Mapping[int, str]) -> UsageError:
    numbers = found.line_numbers()
    first = sorted(faults)[:SHOWN_ERRORS]
    shown = "; ".join(f"line {numbers[row]}: {faults[row]}" for row in first)
    more = f"; and {len(faults) - SHOWN_ERRORS} more" if len(faults) > SHOWN_ERRORS else ""
    many = "1 bad row" if len(faults) == 1 else f"{len(faults)} bad rows"
    return UsageError(
        f"{name} has {many}: {shown}{more}", "Nothing was imported; correct the rows and try again."
    )


# A column: what its values mean.


def _checked_column(name: str, column: Any, found: Found, faults: dict[int, str]) -> Any:
    """The column of the table; rows whose cell cannot be taken join the faults, if not there."""
    import numpy as np

    if column is None:
        column = Cells(np.zeros(found.rows, dtype=np.int64), [ABSENT if name in REQUIRED else None])
    check = _CHECKS[name]
    if not isinstance(column, Cells):
        suspect = np.abs(column) > LARGEST_NUMBER
        if name != "score":
            suspect |= column < 0
        for row in np.flatnonzero(suspect).tolist():
            try:
                check(float(column[row]))
            except BadRow as error:
                faults.setdefault(row, str(error))
        return column
    values: list[Any] = []
    bad: dict[int, str] = {}
    for place, value in enumerate(column.values):
        try:
            values.append(check(value))
        except BadRow as error:
            values.append(None)
            bad[place] = str(error)
    if bad:
        for row in np.flatnonzero(np.isin(column.places, list(bad))).tolist():
            place = int(column.places[row])
            lacking = column.values[place] is ABSENT
            faults.setdefault(row, found.lacks(row) if lacking else bad[place])
    if name in NUMBERS:
        return np.array(values, dtype=np.float64)[column.places]
    if name == "higher_is_better":
        return np.array(values, dtype=np.bool_)[column.places]
    texts: dict[str, int] = {}
    places = [-1 if text is None else texts.setdefault(text, len(texts)) for text in values]
    return Texts.appearing(np.array(places, dtype=np.int64)[column.places], tuple(texts))


def _key(value: Any) -> tuple[type, str]:
    return type(value), repr(value)


class BadRow(Exception):
    """Why one row cannot be taken; gathered with others, never shown alone."""


def _needed(name: str, value: Any) -> str:
    if value is ABSENT:
        raise BadRow("absent")
    if name == "prompt" and isinstance(value, str) and len(value) > MAX_PROMPT_CHARACTERS:
        raise BadRow(f"prompt has {len(value):,} characters")
    text = _text(value)
    if text is None or not text.strip():
        raise BadRow(f"{name} is empty")
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise BadRow(f"{name} is not valid UTF-8")
    return text


def _text(value: Any) -> str | None:
    """As given; a number that stands for a name loses the `.0` that Parquet may add."""
    if value is None or value == "":
        return None
    if isinstance(value, float):
        if isnan(value):
            return None
        return str(int(value)) if value.is_integer() else str(value)
    return str(value)


def _number(name: str, value: Any) -> float | None:
    """A finite number; None when the cell is empty or says NaN."""
    if value is None or value is ABSENT or value == "":
        return None
    try:
        number = float(value)
    except OverflowError:
        raise BadRow(f"{name} is not a finite number: {value!r}") from None
    except (TypeError, ValueError):
        if isinstance(value, str) and not value.strip():
            return None
        raise BadRow(f"{name} is not a number: {value!r}") from None
    if LARGEST_NUMBER < abs(number) < inf:
        raise BadRow(f"{name} is too large to reckon with: {number:g}")
    if number - number == 0.0 and not isinstance(value, bool):
        if isinstance(value, str) and "_" in value:  # 1_000 is Python, not data
            raise BadRow(f"{name} is not a number: {value!r}")
        return number
    if isnan(number):
        return None
    raise BadRow(f"{name} is not a finite number: {value!r}")


def _amount(name: str, value: Any) -> float | None:
    number = _number(name, value)
    if number is not None and number < 0:
        raise BadRow(f"{name} is negative: {number:g}")
    return number


def _truth(value: Any) -> bool:
    if value is None or value == "":
        return True
    text = str(value).strip().lower()
    if text in ("true", "1", "yes", "1.0"):
        return True
    if text in ("false", "0", "no", "0.0"):
        return False
    raise BadRow(f"higher_is_better is neither true nor false: {value!r}")


_CHECKS: Mapping[str, Callable[[Any], Any]] = {
    **{name: partial(_needed, name) for name in REQUIRED[:4]},
    "score": partial(_number, "score"),
    **{name: partial(_amount, name) for name in NUMBERS[1:]},
    **dict.fromkeys(("seed", "rater", "group"), _text),
    "higher_is_better": _truth,
}


# Rows: what each may not say after those before it.


def _check_rows(table: ScoreTable, found: Found, faults: dict[int, str]) -> None:
    """Rows that contradict or repeat an earlier good one join the faults."""
    import numpy as np

    good = np.ones(found.rows, dtype=np.bool_)
    good[list(faults)] = False
    ids, metrics = table.prompt_id, table.metric
    for row in _others(ids, table.prompt.places, good).tolist():
        said = ids.values[ids.places[row]]
        faults[row] = f"prompt_id {said} has another prompt further up"
    for row in _others(metrics, table.higher_is_better, good).tolist():
        said = metrics.values[metrics.places[row]]
        faults[row] = f"higher_is_better of {said} is the opposite further up"
    # rows without seed and rater are repeats
    told = np.flatnonzero(good & ((table.seed.places >= 0) | (table.rater.places >= 0)))
    names = ("prompt_id", "function", "metric", "seed", "rater")
    key = together([getattr(table, name).places[told] for name in names])
    _, first, group = np.unique(key, return_index=True, return_inverse=True)
    again = np.flatnonzero(first[group] != np.arange(len(told)))
    if len(again):
        numbers = found.line_numbers()
        for row, before in zip(
            told[again].tolist(), told[first[group[again]]].tolist(), strict=True
        ):
            faults[row] = (
                f"the same prompt_id, function, metric, seed and rater as line {numbers[before]}"
            )


def _others(of: Texts, said: Any, good: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Good rows that say something else than the first good row of the same text; good no more."""
    import numpy as np

    rows = np.flatnonzero(good)
    number, _, first = appearance(of.places[rows], len(of.values))
    other: NDArray[np.intp] = rows[said[rows] != said[rows[first]][number]]
    good[other] = False
    return other
