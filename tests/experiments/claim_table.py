"""The CEMS table of the pack: what every way to choose gives, and what routing is worth.

`python -m tests.experiments.claim_table --bench judged --router LABEL=NAME --router …` reads the
benchmark and the routers of this CEMS_HOME and prints Markdown; `--out FILE` keeps all as JSON.
The routers must not have been trained on these prompts.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from cems_tui.domain.score import METRIC as MIXED
from cems_tui.errors import UsageError
from cems_tui.profile import Profile
from cems_tui.routing.checkpoints.checkpoint import Checkpoint
from cems_tui.routing.evaluation.claim import Worth, mixing, singles, worth
from cems_tui.routing.evaluation.curves import Matrix
from cems_tui.routing.evaluation.evaluate import Interval, percentile_interval, resampled
from cems_tui.routing.evaluation.judge import asked, comparable
from cems_tui.routing.evaluation.truth import costs_of
from cems_tui.score_tables.mixed import with_mixed
from cems_tui.score_tables.table import Pivot, ScoreTable

HEAD = "| way to choose | {metric} | {others}$ per 1,000 |"
GAINS = (
    "| router | cost saved at the best single's quality | quality gained at the best single's cost "
    "| cost saved over random mixing | quality gained over random mixing |"
)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bench", required=True, help="prompts to judge on")
    parser.add_argument("--router", action="append", required=True, metavar="LABEL=NAME")
    parser.add_argument("--out", type=Path, help="everything as JSON")
    chosen = parser.parse_args(arguments)
    named = dict(pair.split("=", 1) for pair in chosen.router)
    profile = Profile.current()
    shelf = profile.shelf()
    routers = {label: shelf.named(name) for label, name in named.items()}
    tabulate(profile.scores.bench(chosen.bench).table, routers, chosen.out)


def tabulate(table: ScoreTable, routers: Mapping[str, Checkpoint], out: Path | None) -> None:
    """Print what routers are worth on a table that none was trained on; all of it to `out`."""
    first = next(iter(routers.values()))
    judged = _with_mixed(table, first)
    pivot = comparable(first, judged.pivot(first.card.metric))
    cost = np.array([costs_of(judged, {}, pivot.functions)[name] for name in pivot.functions])
    if np.isnan(cost.astype(float)).any():
        raise UsageError("not every function of this table has a price")
    cost = cost.astype(np.float64)
    others = {name: _matrix(judged, name, pivot) for name in table.metrics}
    ways = singles(pivot.scores, cost, pivot.functions, others)
    found = {
        label: worth(pivot.scores, _predicted(router, pivot), cost, others)
        for label, router in routers.items()
    }
    for label, one in found.items():
        ways[f"zero-mix at the cost of {label}"] = mixing(
            pivot.scores, cost, one.cost_usd.value, others
        )
    if out:
        out.write_text(_as_json(pivot, ways, found))
    _print(first.card.metric, list(others), ways, found)
    _print_classes(pivot, cost, others)


def _with_mixed(table: ScoreTable, router: Checkpoint) -> ScoreTable:
    """The table with the mixed score by the constants of the router's training table."""
    if router.card.metric != MIXED or MIXED in table.metrics or router.card.mixed is None:
        return table
    return with_mixed(table, router.card.mixed)


def _matrix(table: ScoreTable, metric: str, pivot: Pivot) -> Matrix:
    """Another metric's scores in the order of the pivot, shape (N, M)."""
    other = table.pivot(metric)
    rows = {prompt: row for row, prompt in enumerate(other.prompt_ids)}
    columns = [other.functions.index(name) for name in pivot.functions]
    return other.scores[np.ix_([rows[prompt] for prompt in pivot.prompt_ids], columns)]


def _predicted(router: Checkpoint, pivot: Pivot) -> Matrix:
    """What a router says of every prompt, shape (N, M).

    Raises:
        UsageError: it was trained on some of the prompts.
    """
    answers = asked(router, pivot.prompts, pivot.functions)
    if answers.seen:
        raise UsageError(f"{router.name} was trained on {answers.seen} of these prompts")
    return answers.worths


TOLERANCE = 0.05
"""How far below the best function of a prompt a cheaper one may lie to win it."""


def wins(truth: Matrix, cost: Matrix) -> Matrix:
    """Who wins each prompt, (N, M) of 0 and 1: the cheapest of those near the best."""
    near = truth >= truth.max(axis=1, keepdims=True) - TOLERANCE
    return np.asarray(np.eye(truth.shape[1])[np.where(near, cost, np.inf).argmin(axis=1)])


def _print_classes(pivot: Pivot, cost: Matrix, others: Mapping[str, Matrix]) -> None:
    """Means by class and function, and the share of prompts each function wins."""
    tables = {pivot.metric: pivot.scores, **others, "wins": wins(pivot.scores, cost)}
    groups = list(dict.fromkeys(pivot.groups))
    rows = {group: np.array([one == group for one in pivot.groups]) for group in groups}
    for name, values in tables.items():
        print(f"\n| {name} | {' | '.join(groups)} |\n|{'---|' * (1 + len(groups))}")
        for m in np.argsort(cost):
            means = [percentile_interval(_means(values[rows[g], m])) for g in groups]
            print(f"| {pivot.functions[m]} | {' | '.join(_shown(one, 2) for one in means)} |")


def _means(values: Matrix) -> Matrix:
    return resampled(len(values), 1000, 42) @ values


Ways = dict[str, tuple[Interval, float, dict[str, Interval]]]


def _print(metric: str, others: Sequence[str], ways: Ways, found: dict[str, Worth]) -> None:
    print(HEAD.format(metric=metric, others="".join(f"{name} | " for name in others)))
    print("|---" * (3 + len(others)) + "|")
    rows = {name: (quality, usd, means) for name, (quality, usd, means) in ways.items()}
    rows |= {name: (w.quality, w.cost_usd.value, dict(w.other)) for name, w in found.items()}
    for name, (quality, usd, means) in rows.items():
        cells = [_shown(quality, 3), *(_shown(means[other], 2) for other in others)]
        print(f"| {name} | {' | '.join(cells)} | {usd * 1000:.5f} |")
    print(f"\n{GAINS}\n|---|---|---|---|---|")
    for name, one in found.items():
        saved = one.saved_at_best_single
        print(
            f"| {name} | {_percent(saved) if saved else 'never reached'} "
            f"| {_shown(one.gained_at_best_single, 4)} | {_percent(one.saved_over_mixing)} "
            f"| {_shown(one.gained_over_mixing, 4)} |"
        )


def _shown(value: Interval, digits: int) -> str:
    low, high = value.ci95
    return f"{value.value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def _percent(value: Interval) -> str:
    low, high = value.ci95
    return f"{value.value:.1%} [{low:.1%}, {high:.1%}]"


def _as_json(pivot: Pivot, ways: Ways, found: dict[str, Worth]) -> str:
    document = {
        "metric": pivot.metric,
        "prompts": len(pivot.prompts),
        "functions": list(pivot.functions),
        "ways": {
            name: {
                "quality": quality.to_json(),
                "cost_usd": usd,
                "other": {other: value.to_json() for other, value in means.items()},
            }
            for name, (quality, usd, means) in ways.items()
        },
        "routers": {name: one.to_json() for name, one in found.items()},
    }
    return json.dumps(document, indent=1) + "\n"


if __name__ == "__main__":
    main()
