"""What a command told of a router, as facts: its evaluation, its difference to another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cems_tui.text import counted, one_line, visible
from cems_tui.views.figures import UNKNOWN, Money
from screens.widgets.facts import Fact

MOST_CHANGES = 40
"""Prompts that change hands that are listed."""

PROMPT_LETTERS = 60


def evaluation(told: Mapping[str, Any], money: Money) -> list[Fact]:
    """The figures of `cems router eval --json`: the verdict, then every way to choose."""
    verdict = f"{visible(told['router'])} {visible(told['verdict_in_words'])}"
    found = [Fact("verdict", verdict, "$quality")]
    found += [Fact("", ""), Fact("strategy", f"{visible(told['metric'])}, price of 1,000")]
    for one in told["strategies"]:
        quality = UNKNOWN if one["quality"] is None else f"{one['quality']:.4g}"
        words = f"{quality}  {money.per_thousand(one['cost_usd'])}"
        found.append(Fact(visible(one["name"]), words))
    latency = told["latency_ms"]
    asked = f"{latency['p50']:.2f} ms, {latency['p95']:.2f} ms at the 95th percentile"
    found += [Fact("", ""), Fact("asked in", asked)]
    return found + [Fact("note", visible(note), "$warning") for note in told["notes"]]


def difference(told: Mapping[str, Any], money: Money) -> list[Fact]:
    """The figures of `cems router diff --json`: what it is worth, then who changes hands."""
    a, b = visible(told["a"]), visible(told["b"])
    found = [
        Fact("changes", f"{told['changed']:,} of {counted(told['prompts'], 'prompt')}, {a} → {b}"),
        Fact("all of it", _change(told, told["metric"], money)),
    ]
    for one in told["changes"][:MOST_CHANGES]:
        hands = f"{visible(one['a'])} → {visible(one['b'])}"
        found += [
            Fact("", ""),
            Fact("prompt", one_line(one["prompt"], PROMPT_LETTERS)),
            Fact("", f"{hands}  {_change(one, told['metric'], money)}"),
        ]
    if (more := len(told["changes"]) - MOST_CHANGES) > 0:
        found += [Fact("", ""), Fact("", f"and {more:,} more: `cems router diff … --json`")]
    return found + [Fact("note", visible(note), "$warning") for note in told["notes"]]


def _change(told: Mapping[str, Any], metric: str, money: Money) -> str:
    """`mixed +0.012, −$0.0031/k`; what is not known is said to be."""
    quality, cost = told["quality_delta"], told["cost_delta_usd"]
    better = UNKNOWN if quality is None else f"{quality:+.3g}".replace("-", "−")
    sign = "+" if cost is not None and cost > 0 else ""
    return f"{visible(metric)} {better}, {sign}{money.per_thousand(cost)}"
