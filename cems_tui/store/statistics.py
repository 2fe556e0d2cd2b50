"""What the history adds up to: counts, money, seconds and scores, what is unknown kept apart.

Everything, a day's and a session's pictures are added up already (see `rollups`); what a search
finds is added up by the same SELECTs.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

from cems_tui.domain.savings import Alternative, Role, Savings, Scale, Sums, savings_from
from cems_tui.evidence.drift import Batch, Drift, drift_of
from cems_tui.evidence.mean import Mean, mean_of
from cems_tui.evidence.worth import Pair, Worth, worth_of
from cems_tui.store import rollups
from cems_tui.store.connection import Connection
from cems_tui.store.rollups import PARTS
from cems_tui.store.search import Condition

GroupBy = Literal["day", "week", "session", "function", "router"]
GROUPS: tuple[str, ...] = get_args(GroupBy)

NO_ROUTER = "none"
"""The group of pictures that no router was asked for, as in `router:none`."""


@dataclass(frozen=True, slots=True)
class ScoreStats:
    """The readings of one instrument on one scale; instruments are never averaged together."""

    metric: str
    scorer: str
    mean: float
    count: int
    higher_is_better: bool


@dataclass(frozen=True, slots=True)
class FunctionStats:
    """What one generation function (the one that ran) made."""

    function: str
    pictures: int
    priced: int
    """Pictures with a known price: the ones `mean_cost_usd` is over."""

    cost_usd: float | None
    """Sum over the priced ones; None when there are none."""

    mean_cost_usd: float | None
    mean_seconds: float | None
    """Mean of what is billed, encode + denoise + decode; None where it was never measured."""

    scores: tuple[ScoreStats, ...]


@dataclass(frozen=True, slots=True)
class Foresight:
    """What one router predicted of pictures that ran, beside what one instrument measured."""

    router: str
    metric: str
    scorer: str
    pictures: int
    """Pictures with both."""

    predicted: float
    measured: float
    difference: float
    """Measured less predicted, mean; positive: they were better than predicted."""

    interval: tuple[float, float] | None
    """90 % interval of that mean; None of a single picture."""

    bounded: int
    """Those predicted with a 90 % interval, and how many scored outside it."""

    outside: int


@dataclass(frozen=True, slots=True)
class Regret:
    """How much better another function's picture of the same prompt scored, where one was drawn."""

    metric: str
    scorer: str
    pictures: int
    """Routed pictures of whose prompts another function's pictures were scored too."""

    mean: float
    """0 where the routed one scored best; the luck of a seed is in it."""

    interval: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Stats:
    """The figures of one session, of a stretch of time, of what a search finds, or of all."""

    pictures: int
    failures: int | None
    """Requests that ended without a picture; None where what was searched for says nothing of
    them."""

    failures_by_exit_code: Mapping[int, int]
    sessions: int | None
    """Sessions that made or tried a picture; None of a group that several may be in."""

    cost_usd: float | None
    """US dollars of the priced pictures; None when there are pictures and none has a price."""

    unpriced: int
    """Pictures whose price is unknown; they are not in `cost_usd`."""

    load_cost_usd: float | None
    """US dollars of loading, where known; None when there are pictures and it never is."""

    load_unpriced: int
    energy_wh: float | None
    """Wh of the pictures whose energy was measured; None when there are pictures and none was."""

    unmetered: int
    """Pictures whose energy is unknown; they are not in `energy_wh`."""

    seconds: Mapping[str, float | None]
    """Total seconds by part; None when there are pictures and it was never measured."""

    untimed: Mapping[str, int]
    """Pictures of which a part was not measured; they are not in `seconds`."""

    functions: tuple[FunctionStats, ...]
    savings: Savings
    foresight: tuple[Foresight, ...]
    regret: tuple[Regret, ...]
    worth: Worth
    since: str | None
    """When the first of these pictures was made; None without pictures, and of groups."""

    until: str | None

    def spent_usd(self, *, load_cost: bool) -> float:
        """US dollars spent as far as prices are known, with what loading cost or without."""
        return (self.cost_usd or 0.0) + ((self.load_cost_usd or 0.0) if load_cost else 0.0)

    def to_json(self) -> dict[str, Any]:
        """The object `cems history stats --json` prints."""
        said = asdict(self)
        said["seconds"], said["untimed"] = dict(self.seconds), dict(self.untimed)
        said["failures_by_exit_code"] = {
            str(code): count for code, count in self.failures_by_exit_code.items()
        }
        said["savings"]["label"] = "estimated"
        return said


@dataclass(frozen=True, slots=True)
class Group:
    """The figures of one group of pictures."""

    key: str
    """A day, the Monday of a week, a session's id, a function, a router."""

    name: str
    """What it is called: of a session its name, if it has one."""

    stats: Stats


@dataclass(frozen=True, slots=True)
class Window:
    """Which rows count: conditions on `generations`."""

    conditions: tuple[Condition, ...] = ()
    session: str | None = None
    """The id of a session, beside them."""

    @property
    def sql(self) -> str:
        """All of it as a condition."""
        return " AND ".join(part.sql for part in self._all) or "1"

    @property
    def arguments(self) -> tuple[Any, ...]:
        return tuple(value for part in self._all for value in part.arguments)

    @property
    def _all(self) -> tuple[Condition, ...]:
        if self.session is None:
            return self.conditions
        mine = Condition("session = ?", (self.session,), of_requests=True)
        return (mine, *self.conditions)

    @property
    def counts_failures(self) -> bool:
        """Whether a request without a picture can be in it or not."""
        return all(part.of_requests for part in self._all)


_MONDAY = "date({}, '-6 days', 'weekday 1')"

_KEYS: Mapping[GroupBy | None, str] = {
    None: "''",
    "day": "day",
    "week": _MONDAY.format("day"),
    "session": "session",
    "function": "function",
    "router": "router",
}
"""What sums are grouped by."""

_FAILURE_KEYS: Mapping[GroupBy | None, str | None] = {
    None: "''",
    "day": "date(created, 'localtime')",
    "week": _MONDAY.format("date(created, 'localtime')"),
    "session": "session",
    "function": "coalesce(function, '')",
    "router": None,
}
"""The same of a request without a picture; nothing says which router would have been asked."""


def stats(connection: Connection, window: Window) -> Stats:
    """The figures of the rows in the window.

    Raises:
        StorageError: the database cannot be read.
    """
    found = grouped(connection, window, None).get("")
    return _empty(connection, window) if found is None else found


def grouped(connection: Connection, window: Window, group: GroupBy | None) -> dict[str, Stats]:
    """The figures of each group of the rows in the window; groups without a picture are left out.

    Raises:
        StorageError: the database cannot be read.
    """
    totals = _by_key(_read(connection, "rollup_totals", window, group))
    scores = _by_key(_read(connection, "rollup_scores", window, group))
    others = _by_key(_read(connection, "rollup_alternatives", window, group))
    failed = _failures(connection, window, group)
    pairs = _pairs(connection, window, group)
    return {
        key: _stats(
            rows,
            scores.get(key, ()),
            others.get(key, ()),
            None if failed is None else failed.get(key, {}),
            pairs.get(key, ()),
            _sessions(connection, window) if group is None else 1 if group == "session" else None,
            _ends(connection, window) if group is None else (None, None),
        )
        for key, rows in totals.items()
    }


@dataclass(frozen=True, slots=True)
class Use:
    """What a function drew here."""

    pictures: int
    last: str
    """When it drew the newest of them, UTC, ISO 8601."""


def uses(connection: Connection) -> dict[str, Use]:
    """What each function drew, by its name; those that drew nothing are left out."""
    rows = connection.rows(
        """
        SELECT function, SUM(pictures) AS pictures,
            (SELECT MAX(created) FROM generations WHERE executed = function) AS last
        FROM rollup_totals WHERE session = '' GROUP BY function
        """
    )
    return {row["function"]: Use(row["pictures"], row["last"]) for row in rows}


def drifts(connection: Connection) -> list[Drift]:
    """How the intervals of each router hold on each scale, by day."""
    batches: dict[tuple[str, ...], list[Batch]] = defaultdict(list)
    for row in connection.rows(
        """
        SELECT router, metric, router_sha256, scorer, day, SUM(bounded) AS scored,
            SUM(outside) AS outside
        FROM rollup_totals WHERE session > '' AND bounded > 0
        GROUP BY router, metric, router_sha256, scorer, day
        ORDER BY day
        """
    ):
        name = (row["router"], row["metric"], row["router_sha256"], row["scorer"])
        batches[name].append(Batch(row["day"], row["scored"], row["outside"]))
    return [drift_of(name[0], name[1], found) for name, found in batches.items()]


def _read(
    connection: Connection, table: str, window: Window, group: GroupBy | None
) -> list[sqlite3.Row]:
    """The sums of the pictures in the window, under `grouped_by`: kept ones, or made now."""
    if not window.conditions:
        whole = window.session is None and group in (None, "function", "router")
        where = "session = ?" if whole or window.session is not None else "session > ?"
        return connection.rows(
            f"SELECT {_KEYS[group]} AS grouped_by, * FROM {table} WHERE {where}",
            [window.session or ""],
        )
    rollup = next(one for one in rollups.ROLLUPS if one.table == table)
    where = f"generations.number IN (SELECT number FROM generations WHERE {window.sql})"
    # of what nobody groups by everything is one, so that there are few rows
    session = "generations.session" if group == "session" else "''"
    day = "day" if group in ("day", "week") else "''"
    made = rollup.select(where, session=session, day=day)
    return connection.rows(
        f"SELECT {_KEYS[group]} AS grouped_by, * FROM ({made})", window.arguments
    )


def _by_key(rows: Iterable[sqlite3.Row]) -> dict[str, list[sqlite3.Row]]:
    found: dict[str, list[sqlite3.Row]] = {}
    for row in rows:
        found.setdefault(row["grouped_by"], []).append(row)
    return found


def _stats(
    totals: Sequence[sqlite3.Row],
    scores: Sequence[sqlite3.Row],
    others: Sequence[sqlite3.Row],
    failed: Mapping[int, int] | None,
    pairs: Sequence[Pair],
    sessions: int | None,
    ends: tuple[str | None, str | None],
) -> Stats:
    pictures = _sum(totals, "pictures")
    pinned = [row for row in totals if row["pinned"]]
    drew: dict[str, int] = defaultdict(int)
    for row in totals:
        if not row["pinned"]:
            drew[row["function"]] += row["pictures"]
    savings = savings_from(
        _alternatives(others),
        routed=sum(drew.values()),
        pinned=_sum(pinned, "pictures"),
        pinned_usd=_known(pinned, "priced", "cost_usd") if pinned else 0.0,
    )
    return Stats(
        pictures=pictures,
        failures=None if failed is None else sum(failed.values()),
        failures_by_exit_code={} if failed is None else failed,
        sessions=sessions,
        cost_usd=_known(totals, "priced", "cost_usd"),
        unpriced=pictures - _sum(totals, "priced"),
        load_cost_usd=_known(totals, "load_priced", "load_cost_usd"),
        load_unpriced=pictures - _sum(totals, "load_priced"),
        energy_wh=_known(totals, "metered", "energy_wh"),
        unmetered=pictures - _sum(totals, "metered"),
        seconds={part: _known(totals, f"timed_{part}", f"seconds_{part}") for part in PARTS},
        untimed={part: pictures - _sum(totals, f"timed_{part}") for part in PARTS},
        functions=_functions(totals, scores),
        savings=savings,
        foresight=_foresight(totals),
        regret=_regret(pairs),
        worth=worth_of(savings, drew, pairs),
        since=ends[0],
        until=ends[1],
    )


def _empty(connection: Connection, window: Window) -> Stats:
    """The figures of no picture: nothing was spent."""
    failed = _failures(connection, window, None)
    nothing = {} if failed is None else failed.get("", {})
    made = _stats((), (), (), None if failed is None else nothing, (), None, (None, None))
    return replace(
        made,
        cost_usd=0.0,
        load_cost_usd=0.0,
        energy_wh=0.0,
        seconds=dict.fromkeys(PARTS, 0.0),
        sessions=_sessions(connection, window),
    )


def _sum(rows: Iterable[sqlite3.Row], column: str) -> int:
    return int(sum(row[column] for row in rows))


def _known(rows: Iterable[sqlite3.Row], count: str, column: str) -> float | None:
    """The sum of a column; None where its count says that nothing is known."""
    known = [row for row in rows if row[count]]
    return sum(float(row[column]) for row in known) if known else None


_SUMS_OF: Mapping[Role, tuple[str, ...]] = {
    role: tuple(
        begin + name if begin + name in rollups.ALTERNATIVES else name for name in rollups.SUMS
    )
    for role, begin in rollups.ROLES.items()
}
"""The columns that `Sums` of a role are made of."""


def _alternatives(rows: Iterable[sqlite3.Row]) -> dict[Alternative, Sums]:
    found: dict[Alternative, Sums] = {}
    for row in rows:
        scale = Scale(row["router"] or None, row["metric"] or None, row["router_sha256"] or None)
        for role, begin in rollups.ROLES.items():
            if row[f"{begin}pictures"]:
                sums = Sums(*map(row.__getitem__, _SUMS_OF[role]))
                name = Alternative(scale, role, row["other"])
                found[name] = found.get(name, Sums()) + sums
    return found


def _functions(
    totals: Sequence[sqlite3.Row], scores: Sequence[sqlite3.Row]
) -> tuple[FunctionStats, ...]:
    readings: dict[str, dict[tuple[str, str], list[sqlite3.Row]]] = defaultdict(dict)
    for row in scores:
        scale = (row["score_metric"], row["scorer"])
        readings[row["function"]].setdefault(scale, []).append(row)
    made: dict[str, list[sqlite3.Row]] = {}
    for row in totals:
        made.setdefault(row["function"], []).append(row)
    found = []
    for name, rows in made.items():
        priced, billed = _sum(rows, "priced"), _sum(rows, "billed")
        cost, seconds = _known(rows, "priced", "cost_usd"), _known(rows, "billed", "seconds_billed")
        found.append(
            FunctionStats(
                function=name,
                pictures=_sum(rows, "pictures"),
                priced=priced,
                cost_usd=cost,
                mean_cost_usd=None if cost is None else cost / priced,
                mean_seconds=None if seconds is None else seconds / billed,
                scores=tuple(
                    ScoreStats(
                        metric,
                        scorer,
                        mean=sum(row["value"] for row in read) / _sum(read, "readings"),
                        count=_sum(read, "readings"),
                        higher_is_better=all(row["higher_is_better"] for row in read),
                    )
                    for (metric, scorer), read in sorted(readings[name].items())
                ),
            )
        )
    return tuple(sorted(found, key=lambda one: (-one.pictures, one.function)))


def _foresight(totals: Sequence[sqlite3.Row]) -> tuple[Foresight, ...]:
    by_scale: dict[tuple[str, ...], list[sqlite3.Row]] = {}
    for row in totals:
        if row["foreseen"]:
            name = (row["router"], row["metric"], row["router_sha256"], row["scorer"])
            by_scale.setdefault(name, []).append(row)
    found = []
    for (router, metric, _, scorer), rows in sorted(by_scale.items()):
        count = _sum(rows, "foreseen")
        predicted = sum(row["predicted"] for row in rows)
        measured = sum(row["measured"] for row in rows)
        squares = sum(row["missed_squares"] for row in rows)
        missed = mean_of(count, measured - predicted, squares)
        assert missed is not None, "there is a picture"
        found.append(
            Foresight(
                router,
                metric,
                scorer,
                pictures=count,
                predicted=predicted / count,
                measured=measured / count,
                difference=missed.value,
                interval=missed.interval,
                bounded=_sum(rows, "bounded"),
                outside=_sum(rows, "outside"),
            )
        )
    return tuple(found)


def _regret(pairs: Iterable[Pair]) -> tuple[Regret, ...]:
    worst: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for pair in pairs:
        found = worst[pair.metric, pair.scorer]
        found[pair.picture] = max(found.get(pair.picture, 0.0), -pair.gained)
    told = []
    for (metric, scorer), regrets in sorted(worst.items()):
        values = regrets.values()
        mean: Mean | None = mean_of(len(values), sum(values), sum(one * one for one in values))
        assert mean is not None, "there is a pair"
        told.append(Regret(metric, scorer, mean.count, mean.value, mean.interval))
    return tuple(told)


def _failures(
    connection: Connection, window: Window, group: GroupBy | None
) -> dict[str, dict[int, int]] | None:
    """How many requests failed, by group and exit code; None where nothing says in which."""
    key = _FAILURE_KEYS[group]
    if key is None or not window.counts_failures:
        return None
    found: dict[str, dict[int, int]] = {}
    for row in connection.rows(
        f"""
        SELECT {key} AS key, exit_code, COUNT(*) AS n FROM failures
        WHERE {window.sql} GROUP BY 1, 2
        """,
        window.arguments,
    ):
        found.setdefault(row["key"], {})[row["exit_code"]] = row["n"]
    return found


def _sessions(connection: Connection, window: Window) -> int:
    """How many sessions made or tried a picture."""
    if not window.conditions and window.session is None:
        [row] = connection.rows("SELECT COUNT(*) AS n FROM active_sessions")
        return int(row["n"])
    sql, arguments = f"SELECT session FROM generations WHERE {window.sql}", window.arguments
    if window.counts_failures:
        sql += f" UNION SELECT session FROM failures WHERE {window.sql}"
        arguments *= 2
    [row] = connection.rows(
        f"WITH found (session) AS ({sql}) SELECT COUNT(DISTINCT session) AS n FROM found", arguments
    )
    return int(row["n"])


def _ends(connection: Connection, window: Window) -> tuple[str | None, str | None]:
    """When the first and the last picture of the window were made."""
    [row] = connection.rows(
        f"""
        SELECT (SELECT MIN(created) FROM generations WHERE {window.sql}) AS first,
            (SELECT MAX(created) FROM generations WHERE {window.sql}) AS last
        """,
        window.arguments * 2,
    )
    return row["first"], row["last"]


def _pairs(connection: Connection, window: Window, group: GroupBy | None) -> dict[str, list[Pair]]:
    """Routed pictures of the window beside pictures of the same prompt by other functions.

    Those come from the history and from benchmarks drawn here, scored by the same instrument.
    """
    of_picture: dict[GroupBy | None, str] = {
        "function": "executed",
        "router": "coalesce(router, '')",
    }
    key = of_picture.get(group, _KEYS[group])
    where = f"number IN (SELECT number FROM generations WHERE {window.sql})"
    whole = not window.conditions and window.session is None
    mine = connection.rows(
        f"""
        SELECT {key} AS key, id, executed, metric, scorer, measured_quality, prompt_id
        FROM generations
        WHERE prompt_id IN ({_REPEATED}) AND policy <> 'pinned'
            AND measured_quality IS NOT NULL AND {"1" if whole else where}
        """,
        () if whole else window.arguments,
    )
    theirs: dict[tuple[str, str, str], dict[str, float]] = {}
    for row in connection.rows(_MEANS) if mine else ():
        scale = (row["prompt_id"], row["metric"], row["scorer"])
        theirs.setdefault(scale, {})[row["function"]] = row["mean"]
    found: dict[str, list[Pair]] = {}
    for row in mine:
        metric, scorer, function = row["metric"], row["scorer"], row["executed"]
        for other, mean in theirs.get((row["prompt_id"], metric, scorer), {}).items():
            if other != function:
                gained = row["measured_quality"] - mean
                pair = Pair(row["id"], function, other, metric, scorer, gained)
                found.setdefault(row["key"], []).append(pair)
    return found


_DRAWN_HERE = "SELECT name FROM benches WHERE status <> 'imported'"

_REPEATED = f"""
    SELECT prompt_id FROM repeated_prompts
    UNION SELECT prompt_id FROM bench_cells WHERE bench IN ({_DRAWN_HERE})
"""
"""Prompts of which another function may have drawn a picture too."""

_MEANS = f"""
    SELECT prompt_id, function, metric, scorer,
        AVG(CASE WHEN higher_is_better THEN value ELSE -value END) AS mean
    FROM (
        SELECT prompt_id, executed AS function, scores.metric AS metric, scores.scorer AS scorer,
            value, higher_is_better
        FROM generations JOIN scores ON generation = generations.id
        WHERE prompt_id IN ({_REPEATED})
        UNION ALL
        SELECT prompt_id, function, metric, scorer, value, higher_is_better
        FROM bench_cells JOIN bench_scores ON cell = bench_cells.id
        WHERE bench IN ({_DRAWN_HERE}) AND value IS NOT NULL AND scorer IS NOT NULL
    ) GROUP BY prompt_id, function, metric, scorer
"""
"""What each function's pictures of those prompts scored, by instrument; higher is better."""
