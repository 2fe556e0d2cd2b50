"""The scores of one's own pictures and benchmarks, kept apart by the instrument that read them.

Scores of two instruments are never averaged or compared, so a table is of one instrument a metric.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from cems_tui import profile
from cems_tui.domain.bench import BenchPrompt
from cems_tui.domain.pricing import Pricing
from cems_tui.domain.score import METRIC as MIXED
from cems_tui.errors import UsageError
from cems_tui.score_tables.files import parse_columns
from cems_tui.score_tables.mixed import PARTS, computed_prices
from cems_tui.score_tables.table import Row, ScoreTable
from cems_tui.store.database import Store


@dataclass(frozen=True, slots=True)
class Instrument:
    """Who read a score."""

    scorer: str | None
    """The scorer's id; None where a table does not say."""

    bench: str | None = None
    """The table, where it does not say: its scores can only be compared with one another."""


@dataclass(frozen=True, slots=True)
class OwnReading:
    """One score of one's own, and who read it."""

    instrument: Instrument
    row: Row


def own_readings() -> list[OwnReading]:
    """Every score of the history and of the benchmarks; a picture's score counts once."""
    with profile.open_history() as store:
        return list(_distinct([*_from_history(store), *_from_benches(store)]))


def own_table(
    readings: Iterable[OwnReading],
    metric: str | None,
    prefer: Mapping[str, str | None] | None = None,
    functions: Collection[str] = (),
) -> Scored:
    """A score table of one instrument a metric: the preferred one, else the one that read most.

    Args:
        metric: the only one wanted, `mixed` standing for its parts; None is all of them.
        prefer: scorer ids by metric.
        functions: the instrument that read most of these is taken, where one read any.

    Raises:
        UsageError: there is no such score.
    """
    by_metric: dict[str, dict[Instrument, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for reading in readings:
        if reading.row.score is not None:
            by_metric[reading.row.metric][reading.instrument].append(reading.row)
    by_metric.pop(MIXED, None)  # made anew from its parts, with constants of its own
    wanted = list(by_metric) if metric is None else list(PARTS if metric == MIXED else (metric,))
    rows: list[Row] = []
    scorers: dict[str, str | None] = {}
    for name in wanted:
        if not by_metric.get(name):
            raise UsageError(
                f"there is no {name} score of one's own",
                "Generate pictures, or score some: cems bench run --prompts starter.",
            )
        instrument = _chosen(by_metric[name], (prefer or {}).get(name), functions)
        scorers[name] = instrument.scorer
        rows += by_metric[name][instrument]
    if not rows:
        raise UsageError(
            "there is no score of one's own to learn from",
            "Generate pictures, or score some: cems bench run --prompts starter.",
        )
    table = ScoreTable.of(rows)
    return Scored(table, scorers, computed_prices(table, pricing()))


def _chosen(
    found: Mapping[Instrument, list[Row]], preferred: str | None, functions: Collection[str]
) -> Instrument:
    """The preferred instrument when it read anything, else the one that read most."""
    if preferred is not None and Instrument(preferred) in found:
        return Instrument(preferred)

    def readings(one: Instrument) -> tuple[int, int]:
        wanted = sum(row.function in functions for row in found[one])
        return (wanted, len(found[one]))

    return max(found, key=readings)


def _from_history(store: Store) -> Iterator[OwnReading]:
    for said in store.readings():
        scorer = said.pop("scorer")
        yield OwnReading(
            Instrument(scorer), Row(prompt_id=BenchPrompt.of(said["prompt"]).id, **said)
        )


def _from_benches(store: Store) -> Iterator[OwnReading]:
    for bench in store.benches.summaries():
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


def _distinct(readings: Iterable[OwnReading]) -> Iterator[OwnReading]:
    """Without second readings of the same seed: that is the same picture again."""
    seen: set[tuple[object, ...]] = set()
    for reading in readings:
        row = reading.row
        if row.seed is None:
            yield reading
            continue
        key = (reading.instrument, row.prompt_id, row.function, row.metric, row.seed, row.rater)
        if key not in seen:
            seen.add(key)
            yield reading


# Benchmarks of the database as score tables, with what their rows do not say themselves.


@dataclass(frozen=True, slots=True)
class Scored:
    """A score table, who read it, and what its functions cost."""

    table: ScoreTable
    scorers: Mapping[str, str | None]
    """The instrument of each metric; None where the table does not say."""

    prices: Mapping[str, float | None]
    """US dollars a picture of each function; None is unknown."""


def scored_bench(name: str) -> Scored:
    """A benchmark of the database.

    Raises:
        UnknownName: there is none of that name.
        UsageError: it holds no rows.
    """
    with profile.open_history() as store:
        columns = store.benches.columns(name)
        scorers = store.benches.scorers(name)
    table = parse_columns(columns, name)
    return Scored(table, scorers, computed_prices(table, pricing()))


def pricing() -> Pricing:
    """What memory over time costs, as the user configured it."""
    return Pricing(float(profile.open_planner_settings()["pricing.usd_per_gb_second"]))
