"""Score tables in the long form, kept as columns: a row a score, repeats and missing cells kept.

A text stands once, however many rows say it. Rows are made where somebody wants to see one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from cems_tui.errors import UnknownName

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DIGESTED_ROWS = 4096
"""Rows that are spelled out at once to be digested."""


@dataclass(frozen=True, slots=True)
class Row:
    """One score of one picture. None is unknown or missing, never 0."""

    prompt_id: str
    prompt: str
    function: str
    metric: str
    score: float | None
    """None is a missing cell."""

    cost_usd: float | None = None
    seconds: float | None = None
    memory_gb: float | None = None
    seed: str | None = None
    rater: str | None = None
    group: str | None = None
    """The source data set, for stratified splits."""

    higher_is_better: bool = True


COLUMNS = tuple(field.name for field in fields(Row))
"""The contract's columns, the required ones first."""

REQUIRED = COLUMNS[:5]
NUMBERS = ("score", "cost_usd", "seconds", "memory_gb")


@dataclass(frozen=True, slots=True, eq=False)
class Texts:
    """A column of texts."""

    places: NDArray[np.int64]
    """Where in `values` each row's text stands; -1 of a row without one."""

    values: tuple[str, ...]
    """Each text once, in order of appearance."""

    @classmethod
    def of(cls, texts: Iterable[str | None]) -> Texts:
        import numpy as np

        listed = list(texts)
        values = dict.fromkeys(text for text in listed if text is not None)
        where: dict[str | None, int] = {text: place for place, text in enumerate(values)}
        where[None] = -1
        return cls(np.array([where[text] for text in listed], dtype=np.int64), tuple(values))

    @classmethod
    def appearing(cls, places: NDArray[np.int64], values: Sequence[str]) -> Texts:
        """The column of places in `values`, which may stand in any order or in no row."""
        import numpy as np

        told = places >= 0
        renumbered, order, _ = appearance(places[told], len(values))
        dense = np.full(len(places), -1, dtype=np.int64)
        dense[told] = renumbered
        return cls(dense, tuple(values[place] for place in order.tolist()))

    def __eq__(self, other: object) -> bool:
        import numpy as np

        if not isinstance(other, Texts):
            return NotImplemented
        return self.values == other.values and np.array_equal(self.places, other.places)

    def says(self, text: str) -> NDArray[np.bool_]:
        """Which rows say that text."""
        import numpy as np

        place = self.values.index(text) if text in self.values else len(self.values)
        return np.asarray(self.places == place)

    def listed(self) -> list[str | None]:
        """The text of each row."""
        said = (*self.values, None)
        return [said[place] for place in self.places.tolist()]


@dataclass(frozen=True, slots=True)
class Pivot:
    """One metric of a table as a matrix, higher is better."""

    metric: str
    prompt_ids: tuple[str, ...]
    prompts: tuple[str, ...]
    groups: tuple[str, ...]
    """The source data set of each prompt; empty text when the table names none."""

    functions: tuple[str, ...]
    scores: NDArray[np.float64]
    """Means over repeats, shape (N, M), NaN where missing; negated if lower is better."""

    repeats: NDArray[np.int64]
    """How many scores each mean is of, shape (N, M)."""

    readings: tuple[tuple[int, int, float], ...]
    """Every score: its row, its column, its value (negated if lower is better)."""

    negated: bool

    @property
    def complete(self) -> NDArray[np.bool_]:
        """Which prompts have a score of every function, shape (N,)."""
        import numpy as np

        return np.asarray(~np.isnan(self.scores).any(axis=1))


@dataclass(frozen=True, slots=True, eq=False)
class ScoreTable:
    """Prompts × functions × metrics, as read or measured: `Row`'s fields, each as a column.

    A figure that is unknown is NaN.
    """

    prompt_id: Texts
    prompt: Texts
    function: Texts
    metric: Texts
    score: NDArray[np.float64]
    cost_usd: NDArray[np.float64]
    seconds: NDArray[np.float64]
    memory_gb: NDArray[np.float64]
    seed: Texts
    rater: Texts
    group: Texts
    higher_is_better: NDArray[np.bool_]

    @classmethod
    def of(cls, rows: Iterable[Row]) -> ScoreTable:
        import numpy as np

        listed = list(rows)
        columns: dict[str, Any] = {}
        for name in COLUMNS:
            values = [getattr(row, name) for row in listed]
            if name in NUMBERS:
                columns[name] = np.array(values, dtype=np.float64)
            elif name == "higher_is_better":
                columns[name] = np.array(values, dtype=np.bool_)
            else:
                columns[name] = Texts.of(values)
        return cls(**columns)

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.score)

    def __eq__(self, other: object) -> bool:
        import numpy as np

        if not isinstance(other, ScoreTable):
            return NotImplemented
        return all(
            one == two if isinstance(one, Texts) else np.array_equal(one, two, equal_nan=True)
            for one, two in (
                (getattr(self, name), getattr(other, name))
                for name in COLUMNS
                if name != "higher_is_better"
            )
        ) and np.array_equal(self.higher_is_better, other.higher_is_better)

    @property
    def rows(self) -> tuple[Row, ...]:
        """The table row by row, made anew at every access."""
        return tuple(map(Row, *self.listed().values()))

    def listed(self) -> dict[str, list[Any]]:
        """The columns as lists of Python's own values; None is unknown."""
        return {name: _listed(getattr(self, name)) for name in COLUMNS}

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> ScoreTable:
        """Some of its rows, by their places or by a mask."""
        columns: dict[str, Any] = {}
        for name in COLUMNS:
            column = getattr(self, name)
            columns[name] = (
                Texts.appearing(column.places[rows], column.values)
                if isinstance(column, Texts)
                else column[rows]
            )
        return ScoreTable(**columns)

    def joined(self, other: ScoreTable) -> ScoreTable:
        """Its rows, then the other's."""
        import numpy as np

        columns: dict[str, Any] = {}
        for name in COLUMNS:
            first, second = getattr(self, name), getattr(other, name)
            if isinstance(first, Texts):
                values = tuple(dict.fromkeys((*first.values, *second.values)))
                where = {text: place for place, text in enumerate(values)}
                moved = np.array([*(where[text] for text in second.values), -1], dtype=np.int64)
                columns[name] = Texts(np.concatenate((first.places, moved[second.places])), values)
            else:
                columns[name] = np.concatenate((first, second))
        return ScoreTable(**columns)

    @property
    def metrics(self) -> tuple[str, ...]:
        """In order of appearance."""
        return self.metric.values

    @property
    def functions(self) -> tuple[str, ...]:
        """In order of appearance."""
        return self.function.values

    @property
    def prompts(self) -> dict[str, str]:
        """Text by id, in order of appearance."""
        import numpy as np

        said = np.zeros(len(self.prompt_id.values), dtype=np.int64)
        said[self.prompt_id.places] = self.prompt.places
        texts = self.prompt.values
        return {
            name: texts[place]
            for name, place in zip(self.prompt_id.values, said.tolist(), strict=True)
        }

    @property
    def groups(self) -> tuple[str, ...]:
        """The source data set of each prompt, by its first row; empty text where it names none."""
        _, _, first = appearance(self.prompt_id.places, len(self.prompt_id.values))
        return self._groups_at(first)

    @property
    def digest(self) -> str:
        """`sha256:…` over all rows in order."""
        digest = hashlib.sha256()
        for part in _spelled([getattr(self, name) for name in COLUMNS], len(self)):
            digest.update(part)
        return f"sha256:{digest.hexdigest()}"

    def missing(self, metric: str) -> int:
        """How many (prompt, function) cells have no score."""
        import numpy as np

        return int(np.isnan(self.pivot(metric).scores).sum())

    def missing_cells(self) -> dict[str, int]:
        """Of every metric, how many of all prompts × all functions have no score."""
        import numpy as np

        prompts, functions = len(self.prompt_id.values), len(self.functions)
        cell = self.prompt_id.places * functions + self.function.places
        found = {}
        for place, metric in enumerate(self.metrics):
            scored = cell[(self.metric.places == place) & ~np.isnan(self.score)]
            found[metric] = prompts * functions - len(np.unique(scored))
        return found

    def costs(self) -> dict[str, float | None]:
        """Mean price of each function in US dollars; None where no row has one."""
        import numpy as np

        known = ~np.isnan(self.cost_usd)
        means: dict[str, float | None] = {}
        for place, name in enumerate(self.functions):
            values = self.cost_usd[known & (self.function.places == place)].tolist()
            means[name] = sum(values) / len(values) if values else None
        return means

    def pivot(self, metric: str) -> Pivot:
        """One metric as a matrix of means over repeats.

        Raises:
            UnknownName: the table has no such metric.
        """
        import numpy as np

        own = np.flatnonzero(self.metric.says(metric))
        if not len(own):
            raise UnknownName.of("metric", metric, self.metrics)
        row, ids, first = appearance(self.prompt_id.places[own], len(self.prompt_id.values))
        column, names, _ = appearance(self.function.places[own], len(self.functions))
        first = own[first]
        negated = not self.higher_is_better[own[0]]
        scored = ~np.isnan(self.score[own])
        row, column = row[scored], column[scored]
        score = self.score[own][scored]
        score = -score if negated else score
        shape = (len(ids), len(names))
        cell = row * shape[1] + column
        count = np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape)
        total = np.bincount(cell, score, minlength=shape[0] * shape[1]).reshape(shape)
        with np.errstate(invalid="ignore", divide="ignore"):
            means = np.where(count > 0, total / count, np.nan)
        return Pivot(
            metric=metric,
            prompt_ids=tuple(self.prompt_id.values[place] for place in ids.tolist()),
            prompts=tuple(
                self.prompt.values[place] for place in self.prompt.places[first].tolist()
            ),
            groups=self._groups_at(first),
            functions=tuple(self.functions[place] for place in names.tolist()),
            scores=means,
            repeats=count,
            readings=tuple(zip(row.tolist(), column.tolist(), score.tolist(), strict=True)),
            negated=negated,
        )

    def _groups_at(self, rows: NDArray[np.intp]) -> tuple[str, ...]:
        said = (*self.group.values, "")
        return tuple(said[place] for place in self.group.places[rows].tolist())


def appearance(
    places: NDArray[np.int64], count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.intp]]:
    """Places below `count` numbered anew, in order of appearance.

    Returns:
        The new number of each; the old place of each new number; the row each first stands in.
    """
    import numpy as np

    rows = len(places)
    first = np.full(count, rows, dtype=np.int64)
    first[places[::-1]] = np.arange(rows - 1, -1, -1)  # of several, the last assigned stays
    present = np.flatnonzero(first < rows)
    order = present[np.argsort(first[present])]
    number = np.empty(count, dtype=np.int64)
    number[order] = np.arange(len(order))
    return number[places], order, first[order]


def together(columns: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """One number for the places of each row: equal where all of them are."""
    import numpy as np

    key = columns[0] + 1
    for column in columns[1:]:
        radix = int(column.max(initial=-1)) + 2
        if int(key.max(initial=0)) >= 2**62 // radix:
            _, key = np.unique(key, return_inverse=True)
        key = key * radix + column + 1
    return key


def _listed(column: Any) -> list[Any]:
    if isinstance(column, Texts):
        return column.listed()
    values: list[Any] = column.tolist()
    return [None if value != value else value for value in values]


def _spelled(columns: Sequence[Any], rows: int) -> Iterator[Any]:
    """The rows as Python writes their tuples, spelled out a distinct value at a time."""
    import numpy as np
    import pyarrow
    import pyarrow.compute as compute

    taken = []
    for number, column in enumerate(columns):
        if isinstance(column, Texts):
            places, values = column.places, [*map(repr, column.values), "None"]
            places = np.where(places < 0, len(column.values), places)
        elif column.dtype == np.bool_:
            places, values = column.astype(np.int64), ["False", "True"]
        else:
            bits, places = np.unique(column.view(np.int64), return_inverse=True)
            numbers = bits.view(np.float64).tolist()
            values = [repr(None if value != value else value) for value in numbers]
        opening = "(" if number == 0 else ""
        closing = ")" if number == len(columns) - 1 else ""
        said = [f"{opening}{value}{closing}".encode() for value in values]
        taken.append((pyarrow.array(said, pyarrow.large_binary()), places))
    separator = pyarrow.scalar(b", ", pyarrow.large_binary())
    for start in range(0, rows, DIGESTED_ROWS):
        part = slice(start, start + DIGESTED_ROWS)
        joined = compute.binary_join_element_wise(
            *(values.take(pyarrow.array(places[part])) for values, places in taken), separator
        )
        yield joined.buffers()[2]
