"""Sums of the history that are kept, so that a million pictures are added up at once.

One SELECT makes the sums of any pictures: those of the newest rows (folded into the kept sums
some at a time, see `fold`), of a row that goes (taken off by a trigger), of all rows (once,
by a migration), or of the rows that a search finds (read directly). Kept are the sums of everything
(session and day empty) and of each day of each session. Who reads a rollup reads a view: the kept
sums, and beside them those of the few pictures that are not folded yet, made as they are read.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from cems_tui.domain.savings import Z_90, Role

PARTS = ("start", "load", "encode", "denoise", "decode", "score", "total")
"""Of the seconds."""

FOLDED_AT = 8
"""How many pictures are folded together: one by one costs more than to write the picture."""

OF_ROUTER = ("router", "metric", "router_sha256")
OF_PICTURES = ("session", "day", "function", *OF_ROUTER)

KEPT = (("''", "''"), ("session", "day"))
"""The session and the day, in SQL, that a picture's sums are kept under."""

_ROUTER = (
    "coalesce(router, '') AS router, coalesce(metric, '') AS metric, "
    "coalesce(router_sha256, '') AS router_sha256"
)


Figures = Mapping[str, tuple[Literal["count", "sum"], str]]
"""By name: how many pictures have a value of an expression, or its sum over them."""

_BILLED = "seconds_encode + seconds_denoise + seconds_decode"
_MISSED = "(measured_quality - predicted_quality)"
_BOUNDED = f"({_MISSED} + predicted_low + predicted_high)"

_TOTALS: Figures = {
    "pictures": ("count", "1"),
    "priced": ("count", "cost_usd"),
    "cost_usd": ("sum", "cost_usd"),
    "load_priced": ("count", "load_cost_usd"),
    "load_cost_usd": ("sum", "load_cost_usd"),
    "metered": ("count", "energy_wh"),
    "energy_wh": ("sum", "energy_wh"),
    **{f"timed_{part}": ("count", f"seconds_{part}") for part in PARTS},
    **{f"seconds_{part}": ("sum", f"seconds_{part}") for part in PARTS},
    "billed": ("count", _BILLED),
    "seconds_billed": ("sum", _BILLED),
    "foreseen": ("count", _MISSED),
    "predicted": ("sum", f"iif({_MISSED} IS NULL, NULL, predicted_quality)"),
    "measured": ("sum", f"iif({_MISSED} IS NULL, NULL, measured_quality)"),
    "missed_squares": ("sum", f"{_MISSED} * {_MISSED}"),
    "bounded": ("count", _BOUNDED),
    "outside": (
        "sum",
        f"iif({_BOUNDED} IS NULL, NULL, "
        "measured_quality NOT BETWEEN predicted_low AND predicted_high)",
    ),
}
"""Of `generations`; what is unknown is in no sum, and the count beside it says how many are."""

_SCORES: Figures = {"readings": ("count", "value"), "value": ("sum", "value")}
"""Of `scores`."""

_OWN = f"((interval_high - interval_low) / {2 * Z_90})"
_SUMS: Figures = {
    "pictures": ("count", "1"),
    "usd": ("sum", "cost_usd"),
    "ran_usd": ("sum", "ran_usd"),
    "known": ("count", "quality"),
    "quality": ("sum", "quality"),
    "gains": ("count", "gained"),
    "gained": ("sum", "gained"),
    "gains_quality": ("sum", "iif(gained IS NULL, NULL, quality)"),
    "spreads": ("count", "gained_variance"),
    "variance": ("sum", "gained_variance"),
    "own_spreads": ("count", f"iif(gained IS NULL, NULL, {_OWN})"),
    "own_variance": ("sum", f"iif(gained IS NULL, NULL, {_OWN} * {_OWN})"),
}
"""The fields of `savings.Sums`, by their names; of `candidates` that are `compared`."""

SUMS = tuple(_SUMS)
ROLES: Mapping[Role, str] = {"any": "", "cheapest": "cheapest_", "dearest": "dearest_"}
"""What a function was among those that could draw a picture, and how its sums' names begin."""

OF_ANY = ("known", "quality")
"""Sums that only the choice of the best single function needs."""

_ALTERNATIVES: Figures = {
    f"{begin}{name}": (kind, f"iif({role}, {sql}, NULL)" if begin else sql)
    for role, begin in ROLES.items()
    for name, (kind, sql) in _SUMS.items()
    if not begin or name not in OF_ANY
}
ALTERNATIVES = tuple(_ALTERNATIVES)


@dataclass(frozen=True, slots=True)
class Rollup:
    """One kind of kept sums, and the SELECT that makes them of any pictures."""

    table: str
    """Its view."""

    key: tuple[str, ...]
    figures: Figures
    source: str
    """What the SELECT reads, with places for the session and the day in the key, and for a
    condition on `generations`."""

    def select(
        self,
        where: str,
        session: str = "''",
        day: str = "''",
        *,
        added_up: bool = True,
    ) -> str:
        """The SELECT of the key and the figures over the pictures that `where` takes.

        Args:
            added_up: whether equal keys are one row; else they may be several, to be added up.
        """
        source = self.source.format(session=session, day=day, where=where)
        figures = ", ".join(
            f"{_figure(kind, sql, added_up=added_up)} AS {name}"
            for name, (kind, sql) in self.figures.items()
        )
        keys = ", ".join(self.key)
        grouped = f"GROUP BY {keys}" if added_up else ""
        return f"SELECT {keys}, {figures} FROM ({source}) {grouped}"

    @property
    def folded(self) -> str:
        """The table of the sums of the pictures that were folded."""
        return self.table.replace("rollup", "folded")

    def statements(self) -> Iterator[str]:
        """What makes a table by the name of the view, fills it, and keeps it row by row.

        So it was before pictures were folded.
        """
        columns = ", ".join(f"{name} NOT NULL" for name in (*self.key, *self.figures))
        yield f"CREATE TABLE {self.table} ({columns}, PRIMARY KEY ({self._keys})) WITHOUT ROWID"
        for session, day in KEPT:
            yield f"INSERT INTO {self.table} {self.select('1', session, day)}"
        yield f"""
            CREATE TRIGGER {self.table}_new AFTER INSERT ON generations BEGIN
                {self._of_one("NEW", "+", self.table)}
            END
        """
        yield f"""
            CREATE TRIGGER {self.table}_old BEFORE DELETE ON generations BEGIN
                {self._of_one("OLD", "-", self.table)} {self._emptied(self.table)}
            END
        """

    def statements_of_folding(self) -> Iterator[str]:
        """What makes of that table the folded sums, with the view over them and what is newer."""
        yield f"DROP TRIGGER IF EXISTS {self.table}_new"
        yield f"DROP TRIGGER IF EXISTS {self.table}_old"
        yield f"ALTER TABLE {self.table} RENAME TO {self.folded}"
        # the plus keeps the index of sessions out of it: the newest pictures are found by number
        kept_apart = (("''", "''"), ("+session", "+day"))
        newer = "".join(
            f" UNION ALL {self.select(f'number > {_FOLDED}', *kept)}" for kept in kept_apart
        )
        yield f"CREATE VIEW {self.table} AS SELECT * FROM {self.folded}{newer}"
        yield f"""
            CREATE TRIGGER {self.folded}_old BEFORE DELETE ON generations
            WHEN OLD.number <= {_FOLDED} BEGIN
                {self._of_one("OLD", "-", self.folded)} {self._emptied(self.folded)}
            END
        """

    def folds(self) -> Iterator[str]:
        """What adds the pictures up to a number, the one argument, that are not folded yet."""
        for kept in KEPT:
            found = self.select(f"number > {_FOLDED} AND number <= ?", *kept)
            yield self._changed(self.folded, "+", found)

    def _of_one(self, row: str, sign: str, table: str) -> str:
        """What changes a table by the row of a trigger."""
        return "".join(
            self._changed(table, sign, self.select(f"number = {row}.number", *kept, added_up=False))
            + ";"
            for kept in KEPT
        )

    def _changed(self, table: str, sign: str, found: str) -> str:
        changed = ", ".join(f"{name} = {name} {sign} excluded.{name}" for name in self.figures)
        return (
            f"INSERT INTO {table} SELECT * FROM ({found}) "
            f"WHERE 1 ON CONFLICT ({self._keys}) DO UPDATE SET {changed}"
        )

    def _emptied(self, table: str) -> str:
        """What removes the keys of a picture that goes where no picture is left."""
        return (
            f"DELETE FROM {table} WHERE {next(iter(self.figures))} <= 0 "
            "AND session IN ('', OLD.session) AND day IN ('', OLD.day);"
        )

    @property
    def _keys(self) -> str:
        return ", ".join(self.key)


_FOLDED = "(SELECT through FROM folded_pictures)"

FOLDED_PICTURES = (
    "CREATE TABLE folded_pictures (through INTEGER NOT NULL)",
    "INSERT INTO folded_pictures SELECT coalesce(MAX(number), 0) FROM generations",
    # the number of the newest picture comes again when that picture goes
    """
    CREATE TRIGGER folded_pictures_old AFTER DELETE ON generations BEGIN
        UPDATE folded_pictures SET through = min(
            through, (SELECT coalesce(MAX(number), 0) FROM generations));
    END
    """,
)
"""Up to which number pictures are in the kept sums."""


def fold(db: sqlite3.Connection, newest: int, *, at: int = FOLDED_AT) -> None:
    """Add the newest pictures to the kept sums when there are enough of them.

    It belongs into the transaction of the newest picture: all is kept, or nothing.

    Args:
        newest: the number of the newest picture.
        at: how many are enough.
    """
    [through] = db.execute("SELECT through FROM folded_pictures").fetchone()
    if newest - through < at:
        return
    for statement in _FOLDS:
        db.execute(statement, [newest])
    db.execute("UPDATE folded_pictures SET through = ?", [newest])


def _figure(kind: Literal["count", "sum"], sql: str, *, added_up: bool) -> str:
    if added_up:
        return f"COUNT({sql})" if kind == "count" else f"TOTAL({sql})"
    return f"({sql} IS NOT NULL)" if kind == "count" else f"coalesce({sql}, 0.0)"


ROLLUPS = (
    Rollup(
        "rollup_totals",
        (*OF_PICTURES, "scorer", "pinned"),
        _TOTALS,
        f"""
        SELECT {{session}} AS session, {{day}} AS day, executed AS function, {_ROUTER},
            coalesce(scorer, '') AS scorer, policy = 'pinned' AS pinned, cost_usd, load_cost_usd,
            energy_wh, {", ".join(f"seconds_{part}" for part in PARTS)},
            predicted_quality, predicted_low, predicted_high, measured_quality
        FROM generations WHERE {{where}}
        """,
    ),
    Rollup(
        "rollup_scores",
        (*OF_PICTURES, "score_metric", "scorer", "higher_is_better"),
        _SCORES,
        f"""
        SELECT session, day, function, router, made.metric AS metric, router_sha256,
            scores.metric AS score_metric, scores.scorer AS scorer, higher_is_better, value
        FROM (
            SELECT id, {{session}} AS session, {{day}} AS day, executed AS function, {_ROUTER}
            FROM generations WHERE {{where}}
        ) AS made CROSS JOIN scores ON scores.generation = made.id
        """,
    ),
    Rollup(
        "rollup_alternatives",
        (*OF_PICTURES, "other"),
        _ALTERNATIVES,
        f"""
        SELECT session, day, made.function AS function, router, metric, router_sha256,
            candidates.function AS other, cost_usd, ran_usd, quality, gained, gained_variance,
            interval_low, interval_high, cheapest, dearest
        FROM (
            SELECT id, {{session}} AS session, {{day}} AS day, executed AS function, {_ROUTER}
            FROM generations WHERE policy <> 'pinned' AND {{where}}
        ) AS made CROSS JOIN candidates ON candidates.generation = made.id AND compared
        """,
    ),
)

_FOLDS = tuple(statement for rollup in ROLLUPS for statement in rollup.folds())
