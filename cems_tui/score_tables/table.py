"""Score tables in the long form: one row a score, repeats and missing cells kept as they are."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from math import isnan
from typing import TYPE_CHECKING

from cems_tui.errors import UnknownName

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


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


@dataclass(frozen=True, slots=True)
class ScoreTable:
    """Prompts × functions × metrics, as read or measured."""

    rows: tuple[Row, ...]

    @classmethod
    def of(cls, rows: Iterable[Row]) -> ScoreTable:
        return cls(tuple(rows))

    @property
    def metrics(self) -> tuple[str, ...]:
        """In order of appearance."""
        return tuple(dict.fromkeys(row.metric for row in self.rows))

    @property
    def functions(self) -> tuple[str, ...]:
        """In order of appearance."""
        return tuple(dict.fromkeys(row.function for row in self.rows))

    @property
    def prompts(self) -> dict[str, str]:
        """Text by id, in order of appearance."""
        return {row.prompt_id: row.prompt for row in self.rows}

    @property
    def digest(self) -> str:
        """`sha256:…` over all rows in order."""
        digest = hashlib.sha256()
        for row in self.rows:
            digest.update(repr(astuple(row)).encode("utf-8", "surrogatepass"))
        return f"sha256:{digest.hexdigest()}"

    def missing(self, metric: str) -> int:
        """How many (prompt, function) cells have no score."""
        import numpy as np

        return int(np.isnan(self.pivot(metric).scores).sum())

    def missing_cells(self) -> dict[str, int]:
        """Of every metric, how many of all prompts × all functions have no score."""
        cells = len(self.prompts) * len(self.functions)
        scored: dict[str, set[tuple[str, str]]] = {metric: set() for metric in self.metrics}
        for row in self.rows:
            if row.score is not None:
                scored[row.metric].add((row.prompt_id, row.function))
        return {metric: cells - len(found) for metric, found in scored.items()}

    def costs(self) -> dict[str, float | None]:
        """Mean price of each function in US dollars; None where no row has one."""
        return self._mean_by_function("cost_usd")

    def seconds(self) -> dict[str, float | None]:
        """Mean seconds of each function; None where no row has any."""
        return self._mean_by_function("seconds")

    def memory_gb(self) -> dict[str, float | None]:
        """Mean gigabytes of each function; None where no row has any."""
        return self._mean_by_function("memory_gb")

    def pivot(self, metric: str) -> Pivot:
        """One metric as a matrix of means over repeats.

        Raises:
            UnknownName: the table has no such metric.
        """
        import numpy as np

        rows = [row for row in self.rows if row.metric == metric]
        if not rows:
            raise UnknownName.of("metric", metric, self.metrics)
        first = {row.prompt_id: row for row in reversed(rows)}
        places = {name: i for i, name in enumerate(dict.fromkeys(row.prompt_id for row in rows))}
        columns = {name: m for m, name in enumerate(dict.fromkeys(row.function for row in rows))}
        negated = not rows[0].higher_is_better
        readings = tuple(_readings(rows, places, columns, negated))
        total, count = (
            np.zeros((len(places), len(columns))),
            np.zeros((len(places), len(columns)), dtype=np.int64),
        )
        for row, column, score in readings:
            total[row, column] += score
            count[row, column] += 1
        with np.errstate(invalid="ignore", divide="ignore"):
            means = np.where(count > 0, total / count, np.nan)
        return Pivot(
            metric=metric,
            prompt_ids=tuple(places),
            prompts=tuple(first[name].prompt for name in places),
            groups=tuple(first[name].group or "" for name in places),
            functions=tuple(columns),
            scores=means,
            repeats=count,
            readings=readings,
            negated=negated,
        )

    def _mean_by_function(self, field: str) -> dict[str, float | None]:
        known: dict[str, list[float]] = {name: [] for name in self.functions}
        for row in self.rows:
            if (value := getattr(row, field)) is not None:
                known[row.function].append(value)
        return {
            name: sum(values) / len(values) if values else None for name, values in known.items()
        }


def _readings(
    rows: Sequence[Row], places: dict[str, int], columns: dict[str, int], negated: bool
) -> Iterable[tuple[int, int, float]]:
    for row in rows:
        if row.score is not None and not isnan(row.score):
            score = -row.score if negated else row.score
            yield places[row.prompt_id], columns[row.function], score
