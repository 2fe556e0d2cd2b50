"""The queue in the database: jobs are added whole, taken one at a time, and never lost.

A row belongs to nobody until a process takes it (`adopt`), or is added by the process that is
going to work on it; that process holds a lock for as long as it lives. What the rows of a dead
one come back as is decided by `settle`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from cems_tui.domain.job import FINISHED, UNFINISHED, Foreseen, JobState, QueuedJob, Wish
from cems_tui.errors import UnknownName, UsageError
from cems_tui.store.connection import Connection
from cems_tui.store.generations import AT_ONCE, SHOWN_MATCHES
from cems_tui.store.queue_rows import job_of, job_row
from cems_tui.typed import LARGEST_FIGURE

FINISHED_KEPT = 1_000
"""Finished jobs that are remembered; older ones are forgotten when others are added."""

INTERRUPTED = "the process that worked on it ended"
_HELD = "state IN ('waiting', 'running') AND owner IS NOT NULL"
_FREE = "owner = NULL, wish = NULL"


@dataclass(frozen=True, slots=True)
class JobPlace:
    """What the order of the queue looks at, of one job that waits."""

    number: int
    id: str
    submission: str
    priority: str
    tier: int
    model: str | None
    seconds: float | None
    load_seconds: float | None
    cost_usd: float | None
    load_cost_usd: float | None
    owner: str | None = None

    @classmethod
    def of(cls, number: int, submission: str, priority: str, seen: Foreseen) -> JobPlace:
        """The place of a job that is no row yet."""
        return cls(
            number,
            "",
            submission,
            priority,
            0,
            seen.model,
            seen.seconds,
            seen.load_seconds,
            seen.cost_usd,
            seen.load_cost_usd,
        )


class Queue:
    """The table of jobs."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, jobs: Iterable[QueuedJob]) -> dict[str, int]:
        """Append jobs: all of them, or none; the number of each by its id.

        Raises:
            StorageError: they cannot be written.
        """
        home = self._connection.home
        rows = [job_row(job, home) for job in jobs]
        if not rows:
            return {}
        columns = ", ".join(rows[0])
        marks = ", ".join("?" * len(rows[0]))
        with self._connection.transaction() as db:
            before = db.execute("SELECT coalesce(max(number), 0) FROM jobs").fetchone()[0]
            db.executemany(
                f"INSERT INTO jobs ({columns}) VALUES ({marks})",
                [tuple(row.values()) for row in rows],
            )
            db.execute(
                f"DELETE FROM jobs WHERE state IN {_texts(FINISHED)} AND number NOT IN "
                f"(SELECT number FROM jobs WHERE state IN {_texts(FINISHED)} "
                "ORDER BY number DESC LIMIT ?)",
                [FINISHED_KEPT],
            )
            added = db.execute("SELECT id, number FROM jobs WHERE number > ?", [before])
            return {row[0]: row[1] for row in added}

    def jobs(
        self, states: Sequence[JobState] = UNFINISHED, most: int | None = None
    ) -> list[QueuedJob]:
        """The jobs in those states, as moved and then as added; damaged rows are told as failed."""
        known = [*UNFINISHED, *FINISHED]
        damaged = f" OR state NOT IN {_texts(known)}" if "failed" in states else ""
        return self._jobs(
            f"WHERE state IN {_texts(states)}{damaged} ORDER BY tier, number LIMIT ?",
            [-1 if most is None else most],
        )

    def numbered(self, numbers: Sequence[int]) -> list[QueuedJob]:
        """The jobs of those numbers that are still there."""
        found = []
        for part in _parts(numbers):
            found += self._jobs(f"WHERE number IN {_marks(part)}", part)
        return found

    def numbers(self, states: Sequence[JobState]) -> list[int]:
        """The numbers of all jobs in those states."""
        rows = self._connection.rows(f"SELECT number FROM jobs WHERE state IN {_texts(states)}")
        return [int(row[0]) for row in rows]

    def owners(self) -> list[str]:
        """Who has jobs that wait or run."""
        return [
            str(row[0])
            for row in self._connection.rows(f"SELECT DISTINCT owner FROM jobs WHERE {_HELD}")
        ]

    def places(self) -> list[JobPlace]:
        """What waits with an owner or without, light enough to be read before every job."""
        rows = self._connection.rows(
            "SELECT number, id, submission, priority, tier, model, seconds, load_seconds, "
            "cost_usd, load_cost_usd, owner FROM jobs WHERE state = 'waiting' ORDER BY tier, number"
        )
        return [_place(row) for row in rows]

    def counts(self) -> dict[str, int]:
        """How many jobs there are, by state."""
        rows = self._connection.rows("SELECT state, count(*) FROM jobs GROUP BY state")
        return {str(row[0]): int(row[1]) for row in rows}

    def job(self, number: int) -> QueuedJob | None:
        """The job of that number; None when it is gone."""
        found = self._jobs("WHERE number = ?", [number])
        return found[0] if found else None

    def find(self, id_or_prefix: str) -> QueuedJob:
        """The job of that id, or the only one whose id begins so.

        Raises:
            UnknownName: there is none.
            UsageError: there are several.
        """
        wanted = id_or_prefix.strip().upper()
        found = self._jobs(
            "WHERE substr(id, 1, ?) = ? OR '#' || number = ? ORDER BY id LIMIT ?",
            [len(wanted), wanted, wanted, SHOWN_MATCHES + 1],
        )
        if not found or not wanted:
            raise UnknownName(
                f"there is no job {id_or_prefix!r} in the queue",
                "`cems queue ls --all` prints the ids.",
            )
        exact = [job for job in found if job.id == wanted]
        if len(found) > 1 and not exact:
            shown = ", ".join(job.id for job in found[:SHOWN_MATCHES])
            more = " …" if len(found) > SHOWN_MATCHES else ""
            raise UsageError(
                f"{id_or_prefix!r} begins the ids of several jobs: {shown}{more}",
                "Give more of the id.",
            )
        return (exact or found)[0]

    def version(self) -> tuple[int, int]:
        """Another value than before means that somebody wrote to the database since."""
        changed = self._connection.rows("PRAGMA data_version")[0][0]
        return int(changed), self._connection.db.total_changes

    # What the process that works on jobs does.

    def settle(self, alive: Callable[[str], bool]) -> int:
        """Bring back what dead processes left: paused, or done if its picture is there.

        Args:
            alive: whether the process of an owner still lives.

        Returns:
            How many jobs came back paused.
        """
        return sum(self.leave(owner) for owner in self.owners() if not alive(owner))

    def leave(self, owner: str) -> int:
        """Give back what an owner has not done; how many jobs came back paused.

        A picture is recorded before its job is done: where it is there, the job is.
        """
        of_owner = f"{_HELD} AND owner = ?"
        with self._connection.transaction() as db:
            db.execute(
                f"UPDATE jobs SET state = 'done', reason = '', {_FREE} WHERE {of_owner} "
                "AND state = 'running' AND id IN (SELECT id FROM generations)",
                [owner],
            )
            db.execute(
                f"UPDATE jobs SET state = 'cancelled', reason = '', {_FREE} WHERE {of_owner} "
                "AND state = 'running' AND wish = 'cancel'",
                [owner],
            )
            return db.execute(
                "UPDATE jobs SET state = 'paused', paused_by = 'interruption', reason = ?, "
                f"{_FREE} WHERE {of_owner}",
                [INTERRUPTED, owner],
            ).rowcount

    def adopt(self, owner: str) -> int:
        """Take what anybody may take: what waits for nobody, and what was interrupted."""
        return self._change(
            "state = 'waiting', owner = ?, paused_by = NULL, reason = ''",
            "(state = 'waiting' AND owner IS NULL) "
            "OR (state = 'paused' AND paused_by = 'interruption')",
            [owner],
        )

    def claim(self, number: int, owner: str) -> QueuedJob | None:
        """Begin a job of that owner; None when it does not wait any more, or is there already."""
        mine = "state = 'waiting' AND owner = ? AND number = ?"
        with self._connection.transaction() as db:
            db.execute(
                f"UPDATE jobs SET state = 'done', {_FREE} WHERE {mine} "
                "AND id IN (SELECT id FROM generations)",
                [owner, number],
            )
            begun = db.execute(
                f"UPDATE jobs SET state = 'running', wish = NULL, reason = '' WHERE {mine}",
                [owner, number],
            ).rowcount
        return self.job(number) if begun else None

    def put_back(self, number: int) -> None:
        """What was claimed was not begun after all: it waits again."""
        self._change("state = 'waiting', wish = NULL", "state = 'running' AND number = ?", [number])

    def wish(self, number: int) -> Wish | None:
        """What was asked of a job that runs."""
        rows = self._connection.rows("SELECT wish FROM jobs WHERE number = ?", [number])
        if not rows:
            return "cancel"
        found: Wish | None = rows[0][0] if rows[0][0] in ("cancel", "pause") else None
        return found

    def finish(self, number: int) -> None:
        """It is done."""
        self._change(
            "state = 'done', reason = '', hint = '', exit_code = 0, owner = NULL, wish = NULL",
            "number = ?",
            [number],
        )

    def fail(self, number: int, reason: str, hint: str, exit_code: int) -> None:
        """It could not be done."""
        self._change(
            "state = 'failed', reason = ?, hint = ?, exit_code = ?, owner = NULL, wish = NULL",
            "number = ?",
            [reason, hint, exit_code, number],
        )

    def stopped(self, number: int) -> None:
        """It ended at its step because that was asked: cancelled, or paused."""
        self._change(
            "state = CASE WHEN wish = 'pause' THEN 'paused' ELSE 'cancelled' END, "
            "paused_by = CASE WHEN wish = 'pause' THEN 'user' END, reason = '', "
            "owner = NULL, wish = NULL",
            "number = ?",
            [number],
        )

    def foresee(self, told: Iterable[tuple[int, Foreseen]]) -> None:
        """Keep what jobs are expected to take."""
        with self._connection.transaction() as db:
            db.executemany(
                "UPDATE jobs SET function = ?, model = ?, seconds = ?, cost_usd = ?, "
                "load_seconds = ?, load_cost_usd = ? WHERE number = ?",
                [(*asdict(foreseen).values(), number) for number, foreseen in told],
            )

    # What the user does.

    def pause(self, numbers: Sequence[int]) -> int:
        """Keep jobs from starting; one that runs ends at its next step and begins anew later."""
        asked = self._change(
            "wish = 'pause'", "state = 'running' AND wish IS NULL", numbers=numbers
        )
        return asked + self._change(
            "state = 'paused', paused_by = 'user', reason = '', owner = NULL",
            "state = 'waiting' OR (state = 'paused' AND paused_by = 'interruption')",
            numbers=numbers,
        )

    def resume(self, numbers: Sequence[int], owner: str | None = None) -> int:
        """Have paused jobs wait for their turn again, and an owner take those that have none."""
        return self._change(
            "state = 'waiting', paused_by = NULL, reason = '', owner = ?",
            "state = 'paused' OR (state = 'waiting' AND owner IS NULL)",
            [owner],
            numbers=numbers,
        )

    def cancel(self, numbers: Sequence[int]) -> int:
        """Take jobs out of the queue; one that runs ends at its next step."""
        asked = self._change(
            "wish = 'cancel'", "state = 'running' AND wish IS NOT 'cancel'", numbers=numbers
        )
        return asked + self._change(
            "state = 'cancelled', paused_by = NULL, reason = '', owner = NULL",
            "state IN ('waiting', 'paused')",
            numbers=numbers,
        )

    def retry(self, numbers: Sequence[int], owner: str | None = None) -> int:
        """Have failed and cancelled jobs wait again."""
        return self._change(
            "state = 'waiting', reason = '', hint = '', exit_code = NULL, owner = ?",
            "state IN ('failed', 'cancelled') AND id NOT IN (SELECT id FROM generations)",
            [owner],
            numbers=numbers,
        )

    def move(self, numbers: Sequence[int], *, first: bool) -> int:
        """Put jobs before, or behind, all others that are not finished."""
        rows = self._connection.rows(
            "SELECT DISTINCT tier FROM jobs WHERE state IN ('waiting', 'paused')"
        )
        tiers = [0, *(row[0] for row in rows if _is_tier(row[0]))]
        tier = min(tiers) - 1 if first else max(tiers) + 1
        return self._change("tier = ?", "state IN ('waiting', 'paused')", [tier], numbers=numbers)

    def remove(self, numbers: Sequence[int]) -> int:
        """Forget jobs that do not run."""
        removed = 0
        with self._connection.transaction() as db:
            db.execute("PRAGMA secure_delete = ON")
            for part in _parts(numbers):
                removed += db.execute(
                    f"DELETE FROM jobs WHERE state <> 'running' AND number IN {_marks(part)}", part
                ).rowcount
        return removed

    def _jobs(self, clauses: str, arguments: Sequence[Any] = ()) -> list[QueuedJob]:
        home = self._connection.home
        rows = self._connection.rows(f"SELECT * FROM jobs {clauses}", arguments)
        return [job_of(row, home) for row in rows]

    def _change(
        self,
        change: str,
        where: str,
        arguments: Sequence[Any] = (),
        *,
        numbers: Sequence[int] | None = None,
    ) -> int:
        """Update the rows, all or none of them; how many."""
        changed = 0
        with self._connection.transaction() as db:
            if numbers is None:
                return db.execute(f"UPDATE jobs SET {change} WHERE {where}", arguments).rowcount
            for part in _parts(numbers):
                changed += db.execute(
                    f"UPDATE jobs SET {change} WHERE ({where}) AND number IN {_marks(part)}",
                    [*arguments, *part],
                ).rowcount
        return changed


def _place(row: sqlite3.Row) -> JobPlace:
    """Of a row that a stranger may have written: what is no figure is unknown."""
    return JobPlace(
        row["number"],
        str(row["id"]),
        str(row["submission"]),
        str(row["priority"]),
        row["tier"] if _is_tier(row["tier"]) else 0,
        row["model"] if isinstance(row["model"], str) else None,
        _figure(row["seconds"]),
        _figure(row["load_seconds"]),
        _figure(row["cost_usd"]),
        _figure(row["load_cost_usd"]),
        row["owner"] if isinstance(row["owner"], str) else None,
    )


def _is_tier(value: object) -> bool:
    return isinstance(value, int) and abs(value) < LARGEST_FIGURE


def _figure(value: object) -> float | None:
    if isinstance(value, int | float) and 0 <= value <= LARGEST_FIGURE:
        return float(value)
    return None


def _parts(numbers: Sequence[int]) -> Iterable[Sequence[int]]:
    return (numbers[at : at + AT_ONCE] for at in range(0, len(numbers), AT_ONCE))


def _marks(part: Sequence[int]) -> str:
    return f"({', '.join('?' * len(part))})"


def _texts(words: Sequence[str]) -> str:
    """Words of ours as an SQL list."""
    return "(" + ", ".join(f"'{word}'" for word in words) + ")"
