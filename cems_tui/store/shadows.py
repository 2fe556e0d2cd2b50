"""Which routed pictures were drawn again with a function that was not chosen, by known chances."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random

from cems_tui.domain.generation import now
from cems_tui.domain.request import new_id
from cems_tui.evidence.regret import Lot, MeasuredRegret, measured_regret
from cems_tui.store.connection import Connection
from cems_tui.store.generations import insert

SESSION = "shadow"
"""The session that such pictures belong to: what they cost is told apart."""


@dataclass(frozen=True, slots=True)
class Shadow:
    """A lot: a routed picture, and the function that is to draw its prompt too."""

    id: str
    """That the picture drawn for it will have."""

    picture: str
    """The routed picture's id."""

    prompt: str
    width: int
    height: int
    function: str
    propensity: float
    """The chance of just this lot when it was drawn."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What the pictures of one day's lots took."""

    pictures: int
    cost_usd: float
    """Of the priced ones, loading included where it is known."""

    seconds: float
    """Of loading, drawing and scoring, as far as measured."""

    def since(self, before: Spent) -> Spent:
        """What was spent beyond that."""
        return Spent(
            self.pictures - before.pictures,
            self.cost_usd - before.cost_usd,
            self.seconds - before.seconds,
        )


@dataclass(frozen=True, slots=True)
class Shadows:
    """The lots in one database."""

    connection: Connection

    def open(self) -> Shadow | None:
        """The oldest lot that was drawn and not followed: the next to be, so that none is left out
        for what it takes.

        Raises:
            StorageError: the database cannot be read.
        """
        rows = self.connection.rows(
            f"{_LOTS} WHERE ended IS NULL AND shadows.id NOT IN (SELECT id FROM generations) "
            "ORDER BY shadows.id LIMIT 1"
        )
        return _shadow(rows[0]) if rows else None

    def draw(self, functions: Sequence[str], chance: Random) -> Shadow | None:
        """A fresh lot, kept before anything is drawn for it; None where none can be drawn.

        A picture is drawn by lot among those that no lot was drawn of yet, then a function among
        those that could have drawn it and did not.

        Args:
            functions: what can draw now.

        Raises:
            StorageError: it cannot be written.
        """
        frame, arguments = _frame(functions)
        with self.connection.transaction() as db:
            size = int(db.execute(f"SELECT COUNT(*) {frame}", arguments).fetchone()[0])
            if not size:
                return None
            at = chance.randrange(size)
            row = db.execute(
                f"SELECT id, number {frame} ORDER BY number LIMIT 1 OFFSET ?", [*arguments, at]
            ).fetchone()
            others = sorted(
                one[0]
                for one in db.execute(
                    f"SELECT function FROM candidates WHERE generation = ? AND {_ABLE} "
                    f"AND function IN ({_marks(functions)}) "
                    "AND function <> (SELECT executed FROM generations WHERE id = ?)",
                    [row["id"], *functions, row["id"]],
                )
            )
            lot = {
                "id": new_id(),
                "created": now(),
                "picture": row["id"],
                "function": chance.choice(others),
                "frame": size,
                "functions": len(others),
            }
            insert(db, "shadows", lot)
            return _shadow(db.execute(f"{_LOTS} WHERE shadows.id = ?", [lot["id"]]).fetchone())

    def waiting(self, functions: Sequence[str]) -> int:
        """How many pictures no lot was drawn of yet, that one could be drawn of.

        Raises:
            StorageError: the database cannot be read.
        """
        frame, arguments = _frame(functions)
        return int(self.connection.rows(f"SELECT COUNT(*) {frame}", arguments)[0][0])

    def end(self, lot_id: str) -> None:
        """A lot was followed: its picture is there, or could not be drawn.

        Raises:
            StorageError: it cannot be written.
        """
        with self.connection.transaction() as db:
            db.execute("UPDATE shadows SET ended = ? WHERE id = ?", [now(), lot_id])

    def drawn(self) -> int:
        """How many pictures were drawn for lots.

        Raises:
            StorageError: the database cannot be read.
        """
        found = self.connection.rows(
            "SELECT COUNT(*) FROM shadows WHERE id IN (SELECT id FROM generations)"
        )
        return int(found[0][0])

    def spent(self, day: datetime) -> Spent:
        """What lots took on a day of this machine.

        Raises:
            StorageError: the database cannot be read.
        """
        [row] = self.connection.rows(
            """
            SELECT COUNT(*) AS pictures, total(cost_usd) + total(load_cost_usd) AS usd,
                total(seconds_total) AS seconds
            FROM shadows JOIN generations ON generations.id = shadows.id WHERE day = ?
            """,
            [f"{day:%Y-%m-%d}"],
        )
        return Spent(row["pictures"], row["usd"], row["seconds"])

    def regrets(self, where: str = "1", arguments: Sequence[object] = ()) -> list[MeasuredRegret]:
        """What the lots say of routed pictures, by the instrument that read them.

        A function that no lot fell on yet is not told of.

        Args:
            where: which routed pictures, as a condition on `generations`.

        Raises:
            StorageError: the database cannot be read.
        """
        lots = self._lots(where, arguments)
        if not lots:
            return []
        pictures: dict[tuple[str, str], int] = {}
        could: dict[tuple[str, str], dict[str, int]] = {}
        for row in self.connection.rows(
            f"""
            SELECT metric, scorer, COUNT(*) AS n FROM generations
            WHERE {_ROUTED} AND ({where}) GROUP BY metric, scorer
            """,
            arguments,
        ):
            pictures[row["metric"], row["scorer"]] = row["n"]
        for row in self.connection.rows(
            f"""
            SELECT metric, scorer, candidates.function AS other, COUNT(*) AS n
            FROM (SELECT id, executed, metric, scorer FROM generations
                WHERE {_ROUTED} AND ({where})) AS mine
            JOIN candidates ON generation = mine.id
            WHERE {_ABLE} AND candidates.function <> executed
            GROUP BY metric, scorer, other
            """,
            arguments,
        ):
            could.setdefault((row["metric"], row["scorer"]), {})[row["other"]] = row["n"]
        return [
            measured_regret(*scale, found, _known(could[scale], found), pictures[scale])
            for scale, found in sorted(lots.items())
        ]

    def _lots(self, where: str, arguments: Sequence[object]) -> Mapping[tuple[str, str], list[Lot]]:
        """The lots with both pictures read by one instrument."""
        found: dict[tuple[str, str], list[Lot]] = {}
        for row in self.connection.rows(
            f"""
            SELECT mine.metric AS metric, mine.scorer AS scorer, shadows.function AS other,
                functions, theirs.cost_usd - mine.cost_usd AS usd,
                (CASE WHEN higher_is_better THEN value ELSE -value END) - mine.measured_quality
                    AS gained
            FROM (SELECT * FROM generations
                WHERE id IN (SELECT picture FROM shadows) AND {_ROUTED} AND ({where})) AS mine
            JOIN shadows ON shadows.picture = mine.id
            JOIN generations AS theirs ON theirs.id = shadows.id
                AND theirs.executed = shadows.function
            JOIN scores ON scores.generation = theirs.id AND scores.metric = mine.metric
                AND scores.scorer = mine.scorer
            """,
            arguments,
        ):
            lot = Lot(row["other"], 1.0 / row["functions"], row["gained"], row["usd"])
            found.setdefault((row["metric"], row["scorer"]), []).append(lot)
        return found


def _known(could: Mapping[str, int], lots: Sequence[Lot]) -> dict[str, int]:
    """Of the functions that a lot fell on: others may have left this machine before one did."""
    drawn = {lot.other for lot in lots}
    return {name: count for name, count in could.items() if name in drawn}


_ROUTED = """
    policy <> 'pinned' AND measured_quality IS NOT NULL AND removed IS NULL
    AND prompt_id IS NOT NULL AND executed = generations.function
"""
"""What a lot can be drawn of: routed, scored, kept, and drawn by what was chosen."""

_ABLE = "allowed AND fits IS NOT 0 AND blocked_by IS NULL"

_LOTS = """
    SELECT shadows.id AS id, picture, prompt, width, height, shadows.function AS function,
        1.0 / (frame * functions) AS propensity
    FROM shadows JOIN generations ON generations.id = picture
"""


def _frame(functions: Sequence[str]) -> tuple[str, list[object]]:
    return (
        f"""
        FROM generations WHERE {_ROUTED}
            AND NOT EXISTS (SELECT 1 FROM shadows WHERE picture = generations.id)
            AND EXISTS (
                SELECT 1 FROM candidates WHERE generation = generations.id AND {_ABLE}
                    AND candidates.function <> executed
                    AND candidates.function IN ({_marks(functions)}))
        """,
        list(functions),
    )


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


def _shadow(row: sqlite3.Row) -> Shadow:
    return Shadow(**{name: row[name] for name in Shadow.__slots__})
