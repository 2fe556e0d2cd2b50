"""Rows of a score table checked one after the other, each against those before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from cems_tui.bench.cells import BadRow, amount_of, needed_of, number_of, text_of, truth_of
from cems_tui.bench.score_table import Row
from cems_tui.text import MAX_PROMPT_CHARACTERS

COLUMNS = tuple(field.name for field in fields(Row))
_COLUMNS = frozenset(COLUMNS)
REQUIRED = ("prompt_id", "prompt", "function", "metric", "score")


class RowReader:
    """Turns the values of one row after the other into rows; remembers what must not be twice.

    A table repeats its texts thousands of times, so a text is checked when it is first seen.
    """

    def __init__(self) -> None:
        self._known: dict[str, dict[str, str]] = {name: {} for name in REQUIRED[:4]}
        self._seen: dict[tuple[str, ...], int] = {}
        self._prompts: dict[str, str] = {}
        self._directions: dict[str, bool] = {}
        self.ignored: dict[str, None] = {}
        """Columns that mean nothing here, in order of appearance."""

    def read(self, values: Mapping[Any, Any], number: int) -> Row:
        """The row of these values, which stand on line `number`.

        Raises:
            BadRow: it cannot be taken.
        """
        if None in values:
            raise BadRow("more cells than columns")
        if not values.keys() <= _COLUMNS:
            self.ignored |= dict.fromkeys(str(name) for name in values if name not in _COLUMNS)
        higher = values.get("higher_is_better")
        row = Row(
            self._needed(values, "prompt_id"),
            self._needed(values, "prompt"),
            self._needed(values, "function"),
            self._needed(values, "metric"),
            number_of(values, "score"),
            amount_of(values, "cost_usd"),
            amount_of(values, "seconds"),
            amount_of(values, "memory_gb"),
            text_of(values, "seed"),
            text_of(values, "rater"),
            text_of(values, "group"),
            True if higher is None or higher is True else truth_of(higher),
        )
        self._check(row, number)
        return row

    def _needed(self, values: Mapping[Any, Any], name: str) -> str:
        value = values.get(name)
        if not isinstance(value, str):
            if name not in values:
                raise BadRow(f"no {', '.join(one for one in REQUIRED if one not in values)}")
            return needed_of(values, name)
        known = self._known[name].get(value)
        if known is None:
            if name == "prompt" and len(value) > MAX_PROMPT_CHARACTERS:
                raise BadRow(f"prompt has {len(value):,} characters")
            known = self._known[name][value] = needed_of(values, name)
        return known

    def _check(self, row: Row, number: int) -> None:
        if self._prompts.setdefault(row.prompt_id, row.prompt) != row.prompt:
            raise BadRow(f"prompt_id {row.prompt_id} has another prompt further up")
        if self._directions.setdefault(row.metric, row.higher_is_better) != row.higher_is_better:
            raise BadRow(f"higher_is_better of {row.metric} is the opposite further up")
        if row.seed is None and row.rater is None:
            return  # rows without either are repeats
        key = (row.prompt_id, row.function, row.metric, row.seed or "", row.rater or "")
        if self._seen.setdefault(key, number) != number:
            raise BadRow(
                f"the same prompt_id, function, metric, seed and rater as line {self._seen[key]}"
            )
