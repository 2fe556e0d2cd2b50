"""The scores of one's own pictures and benchmarks, read from the database."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cems_tui.domain.bench import BenchPrompt
from cems_tui.domain.pricing import Pricing
from cems_tui.score_tables.formats import parse_columns
from cems_tui.score_tables.mixed import computed_prices
from cems_tui.score_tables.own import Instrument, OwnReading, Scored, distinct, own_table
from cems_tui.score_tables.table import Row
from cems_tui.store.votes import SCORER

if TYPE_CHECKING:
    from cems_tui.store.database import Store


@dataclass(frozen=True, slots=True)
class OwnScores:
    """What was read here, as score tables with prices."""

    history: Callable[[], AbstractContextManager[Store]]
    """The database, for reading."""

    pricing: Callable[[], Pricing]
    """What memory over time costs, as the user configured it."""

    def readings(self, also: Collection[str] = ()) -> list[OwnReading]:
        """Every score of the history and of the benchmarks run here; a picture's counts once.
        Votes are a metric of their own among them.

        Args:
            also: imported tables that count as one's own: the scores of others, unless asked for.

        Raises:
            UnknownName: there is no benchmark of such a name.
        """
        with self.history() as store:
            for name in also:
                store.benches.summary(name)  # raises where there is none
            votes = (OwnReading(Instrument(SCORER), Row(**row)) for row in store.votes.readings())
            found = [*_from_history(store), *_from_benches(store, also), *votes]
            return list(distinct(found))

    def table(
        self,
        metric: str | None,
        prefer: Mapping[str, str | None] | None = None,
        functions: Collection[str] = (),
        also: Collection[str] = (),
    ) -> Scored:
        """All of them as one table; as `readings` and `own_table`."""
        return own_table(self.readings(also), metric, self.pricing(), prefer, functions)

    def bench(self, name: str) -> Scored:
        """A benchmark of the database.

        Raises:
            UnknownName: there is none of that name.
            UsageError: it holds no rows.
        """
        with self.history() as store:
            columns = store.benches.columns(name)
            scorers = store.benches.scorers(name)
        table = parse_columns(columns, name)
        return Scored(table, scorers, computed_prices(table, self.pricing()))


def _from_history(store: Store) -> Iterator[OwnReading]:
    for said in store.readings():
        scorer = said.pop("scorer")
        yield OwnReading(
            Instrument(scorer), Row(prompt_id=BenchPrompt.of(said["prompt"]).id, **said)
        )


def _from_benches(store: Store, also: Collection[str]) -> Iterator[OwnReading]:
    for bench in store.benches.summaries():
        if bench.status == "imported" and bench.name not in also:
            continue
        scorers = store.benches.scorers(bench.name)
        for said in store.benches.long_rows(bench.name):
            scorer = scorers[said["metric"]]
            instrument = Instrument(scorer, None if scorer else bench.name)
            seed = said["seed"]
            row = Row(
                **{
                    **said,
                    "prompt_id": BenchPrompt.of(said["prompt"]).id,
                    "seed": None if seed is None else str(seed),
                }
            )
            yield OwnReading(instrument, row)
