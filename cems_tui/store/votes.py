"""Votes between two pictures of one prompt, and the pairs that can be voted on."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from cems_tui.domain.generation import now
from cems_tui.domain.request import new_id
from cems_tui.errors import UsageError
from cems_tui.evidence.preference import Answer, Judged
from cems_tui.store.connection import Connection
from cems_tui.store.generations import insert
from cems_tui.store.rows import prompt_id

METRIC = "vote"
SCORER = "votes"
"""The scale and the instrument that votes are in score tables: the winner 1, the loser 0."""

PAIRS_LOOKED_AT = 2000
"""Prompts that pairs are taken from: the newest that several functions have drawn."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two pictures of one prompt by two functions, of one size."""

    prompt: str
    one: str
    """A picture's id."""

    other: str
    functions: tuple[str, str]
    """What drew them, in that order."""


@dataclass(frozen=True, slots=True)
class Vote:
    """What a person said of two pictures."""

    id: str
    created: str
    left: str
    """The id of the picture that stood at the left."""

    right: str
    functions: tuple[str, str]
    """What drew them, the left one's first."""

    answer: Answer

    def to_json(self) -> dict[str, Any]:
        """One row of `votes` in `cems vote --report --json`."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Votes:
    """The votes in one database."""

    connection: Connection

    def all(self) -> list[Vote]:
        """Every vote, oldest first.

        Raises:
            StorageError: the database cannot be read.
        """
        return [_vote(row) for row in self.connection.rows(f"{_VOTES} ORDER BY votes.id")]

    def add(self, left: str, right: str, answer: Answer) -> Vote:
        """Keep a vote.

        Raises:
            UsageError: one of the pictures is gone.
            StorageError: it cannot be written.
        """
        row = {
            "id": new_id(),
            "created": now(),
            "left_id": left,
            "right_id": right,
            "answer": answer,
        }
        with self.connection.transaction() as db:
            known = "SELECT COUNT(*) FROM generations WHERE id IN (?, ?)"
            if db.execute(known, [left, right]).fetchone()[0] != 2:
                raise UsageError(
                    "a picture that was voted on was forgotten meanwhile",
                    "The vote was not kept; go on with another pair.",
                )
            insert(db, "votes", row)
            return _vote(db.execute(f"{_VOTES} WHERE votes.id = ?", [row["id"]]).fetchone())

    def undo(self) -> Vote | None:
        """Take the last vote back; None where there is none.

        Raises:
            StorageError: it cannot be written.
        """
        with self.connection.transaction() as db:
            row = db.execute(f"{_VOTES} ORDER BY votes.id DESC LIMIT 1").fetchone()
            if row is None:
                return None
            db.execute("DELETE FROM votes WHERE id = ?", [row["id"]])
        return _vote(row)

    def open_pairs(self) -> list[Pair]:
        """Pairs that nobody voted on: same prompt and size, other functions, none in the trash.

        Raises:
            StorageError: the database cannot be read.
        """
        rows = self.connection.rows(
            """
            SELECT mine.prompt AS prompt, mine.id AS one, other.id AS other,
                mine.executed AS mine_by, other.executed AS other_by
            FROM (SELECT prompt_id FROM repeated_prompts ORDER BY (
                    SELECT MAX(number) FROM generations
                    WHERE prompt_id = repeated_prompts.prompt_id) DESC LIMIT ?) AS repeated
            JOIN generations AS mine ON mine.prompt_id = repeated.prompt_id
            JOIN generations AS other ON other.prompt_id = repeated.prompt_id
                AND other.executed > mine.executed AND other.prompt = mine.prompt
                AND (other.width, other.height) = (mine.width, mine.height)
            WHERE mine.removed IS NULL AND other.removed IS NULL AND NOT EXISTS (
                SELECT 1 FROM votes WHERE (left_id, right_id) = (mine.id, other.id)
                    OR (left_id, right_id) = (other.id, mine.id))
            """,
            [PAIRS_LOOKED_AT],
        )
        return [
            Pair(row["prompt"], row["one"], row["other"], (row["mine_by"], row["other_by"]))
            for row in rows
        ]

    def judged(self) -> dict[tuple[str, str], list[Judged]]:
        """The votes beside what each instrument read of both pictures, by metric and instrument.

        Votes that call both bad say nothing of which is better, and are left out.

        Raises:
            StorageError: the database cannot be read.
        """
        found: dict[tuple[str, str], list[Judged]] = {}
        value = "CASE WHEN {0}.higher_is_better THEN {0}.value ELSE -{0}.value END"
        for row in self.connection.rows(
            f"""
            SELECT answer, mine.metric AS metric, mine.scorer AS scorer,
                {value.format("mine")} - {value.format("theirs")} AS difference
            FROM votes JOIN scores AS mine ON mine.generation = left_id
            JOIN scores AS theirs ON theirs.generation = right_id
                AND theirs.metric = mine.metric AND theirs.scorer = mine.scorer
            WHERE answer <> 'both bad' ORDER BY votes.id
            """
        ):
            won = {"left": 1.0, "right": 0.0, "tie": 0.5}[row["answer"]]
            judged = Judged(row["difference"], won)
            found.setdefault((row["metric"], row["scorer"]), []).append(judged)
        return found

    def readings(self) -> Iterator[dict[str, Any]]:
        """Each vote as two long-form rows on the metric `vote`: the winner 1, the loser 0, of a
        tie both ½, of two bad pictures both 0; the vote is the rater.

        Raises:
            StorageError: the database cannot be read.
        """
        for row in self.connection.rows(
            """
            SELECT votes.id AS vote, answer, left_id, generations.id AS picture, prompt, executed,
                seed, cost_usd
            FROM votes JOIN generations ON generations.id IN (left_id, right_id)
            WHERE removed IS NULL ORDER BY votes.id, generations.id
            """
        ):
            yield _reading(row)


_VOTES = """
    SELECT votes.id AS id, votes.created AS created, left_id, right_id, answer,
        left_one.executed AS left_function, right_one.executed AS right_function
    FROM votes JOIN generations AS left_one ON left_one.id = left_id
    JOIN generations AS right_one ON right_one.id = right_id
"""


def _vote(row: sqlite3.Row) -> Vote:
    functions = row["left_function"], row["right_function"]
    return Vote(
        row["id"], row["created"], row["left_id"], row["right_id"], functions, row["answer"]
    )


def _reading(row: sqlite3.Row) -> dict[str, Any]:
    side = "left" if row["picture"] == row["left_id"] else "right"
    score = {"tie": 0.5, "both bad": 0.0, side: 1.0}.get(row["answer"], 0.0)
    return {
        "prompt_id": prompt_id(row["prompt"], ""),
        "prompt": row["prompt"],
        "function": row["executed"],
        "metric": METRIC,
        "score": score,
        "cost_usd": row["cost_usd"],
        "seed": str(row["seed"]),
        "rater": row["vote"],
        "higher_is_better": True,
    }
