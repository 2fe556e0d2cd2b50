"""What would have to change for another function to be picked: λ, a limit, a price, a quality.

Every figure is found by asking the policy itself (`policy.pick`): the runner-up wins at the
figure and does not win between it and what holds now. In each of them the runner-up wins in one
interval, so halving the way from the present value to a value at which it wins finds the edge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import inf, isfinite, nextafter

from cems_tui.domain.decision import Policy
from cems_tui.routing.decide.policy import Option
from cems_tui.routing.explain.question import Question

_DOUBLINGS = 200
_HALVINGS = 2000


@dataclass(frozen=True, slots=True)
class Flip:
    """What would make the runner-up win, all else being as it is."""

    what: str
    """`lambda`, `tradeoff`, `budget`, `floor`, `tolerance`, `price` or `quality`."""

    now: float | None
    value: float | None
    """The nearest value at which it wins; None when there is none."""

    why_not: str = ""
    """Why there is none, in words."""


def flips(
    question: Question, runner_up: str, lambda_at: Callable[[float], float] | None = None
) -> list[Flip]:
    """What would make the runner-up win, one thing at a time.

    Args:
        lambda_at: λ of a dial between 0 and 1; None where the dial is not known.
    """
    found = []
    kind = question.policy.kind
    if kind in ("balanced", "tradeoff", "lambda"):
        by_lambda = lambda_flip(question, runner_up)
        found.append(by_lambda)
        if lambda_at is not None:
            found.append(_dial_flip(question, runner_up, by_lambda, lambda_at))
    elif kind in ("budget", "floor", "tolerance"):
        found.append(_limit_flip(question, runner_up))
    if kind != "pinned":
        found += [_price_flip(question, runner_up), _quality_flip(question, runner_up)]
    return found


def lambda_flip(question: Question, runner_up: str) -> Flip:
    """The λ nearest to the present one at which the runner-up has the best utility.

    The dial is left aside: λ is what it means.
    """
    now = question.lambda_per_usd
    raw = Policy("lambda", now)

    def wins(value: float) -> bool:
        return question.winner(policy=raw, lambda_per_usd=value) == runner_up

    edges = sorted({0.0, *_crossings(question.options)})
    probes = [0.0, *((a + b) / 2 for a, b in pairwise(edges))]
    probes.append(2.0 * edges[-1] + 1.0)
    value = _nearest(wins, now, probes)
    return Flip("lambda", now, value, "" if value is not None else "no λ prefers it to all others")


@dataclass(frozen=True, slots=True)
class Reign:
    """From which λ to which λ the choice is the choice."""

    low: float
    below: str | None
    """Who is picked just below; None when the choice wins down to λ = 0."""

    high: float | None
    """None when it wins however high λ is."""

    above: str | None


def reign(question: Question, choice: str) -> Reign | None:
    """The λ between which the choice wins; None when it does not win at the present λ."""
    raw, now = Policy("lambda", 0.0), question.lambda_per_usd

    def winner(value: float) -> str | None:
        return question.winner(policy=raw, lambda_per_usd=value)

    if winner(now) != choice:
        return None
    far = 2.0 * max(now, *_crossings(question.options), 1.0)
    ends: list[tuple[float | None, str | None]] = []
    for end, forever in ((0.0, 0.0), (far, None)):
        if winner(end) == choice:
            ends.append((forever, None))
        else:
            last, lost = _edge(lambda value: winner(value) == choice, end, now)
            ends.append((last, winner(lost)))
    (low, below), (high, above) = ends
    return Reign(low or 0.0, below, high, above)


def _dial_flip(
    question: Question, runner_up: str, by_lambda: Flip, lambda_at: Callable[[float], float]
) -> Flip:
    """The nearest dial, in hundredths, at which it wins; a dial moves λ in steps."""
    on_the_dial = question.policy.kind in ("balanced", "tradeoff")
    now = float(question.policy.value or 0.0) if on_the_dial else None
    if by_lambda.value is None:
        return Flip("tradeoff", now, None, by_lambda.why_not)

    def wins(dial: float) -> bool:
        policy = Policy("tradeoff", dial)
        return question.winner(policy=policy, lambda_per_usd=lambda_at(dial)) == runner_up

    cheaper = by_lambda.value > question.lambda_per_usd
    low, high = 0, 100  # λ falls as the dial rises: the last notch whose λ is at least the flip's
    while low < high:
        middle = (low + high + 1) // 2
        reached = lambda_at(middle / 100) >= by_lambda.value
        low, high = (middle, high) if reached else (low, middle - 1)
    near = (low, low - 1) if cheaper else (low, low + 1, low + 2)
    notches = [notch / 100 for notch in near if 0 <= notch <= 100]
    value = next((notch for notch in notches if wins(notch)), None)
    why_not = "" if value is not None else "no notch of the dial means that λ"
    return Flip("tradeoff", now, value, why_not)


def _limit_flip(question: Question, runner_up: str) -> Flip:
    """The nearest budget, floor or tolerance at which the runner-up is picked."""
    kind, now = question.policy.kind, float(question.policy.value or 0.0)
    best = max(option.worth for option in question.options)
    edges: list[float] = []
    for option in question.options:
        if kind == "budget":
            edges += [option.price] if option.price is not None else []
        else:
            edges.append(option.worth if kind == "floor" else best - option.worth)
    least = -inf if kind == "floor" else 0.0
    probes = {value for edge in edges for value in _around(edge) if value >= least}

    def wins(value: float) -> bool:
        return question.winner(policy=replace(question.policy, value=value)) == runner_up

    value = _nearest(wins, now, probes)
    return Flip(kind, now, value, "" if value is not None else f"no {kind} leads to it")


def _price_flip(question: Question, runner_up: str) -> Flip:
    """The highest price of a picture at which the runner-up wins; λ stays what it is."""
    option, load = question.option(runner_up), question.load_usd[runner_up]
    now = None if option.price is None else option.price - load

    def wins(value: float) -> bool:
        offered = question.changed(replace(option, price=value + load))
        return question.winner(offered) == runner_up

    if not wins(0.0):
        return Flip("price", now, None, "not even for nothing")
    others = [o.price for o in question.options if o.price is not None]
    start = now if now is not None else 2.0 * max(others, default=1.0) + 1.0
    if wins(start):  # only an unknown price can be told to be any
        return Flip("price", now, None, "any known price would do")
    return Flip("price", now, _nearest(wins, start, [0.0]))


def _quality_flip(question: Question, runner_up: str) -> Flip:
    """The lowest worth at which the runner-up wins."""
    option = question.option(runner_up)

    def wins(value: float) -> bool:
        return question.winner(question.changed(replace(option, worth=value))) == runner_up

    step = max(abs(other.worth - option.worth) for other in question.options) or 1e-3
    probes = (option.worth + step * 2.0**power for power in range(_DOUBLINGS))
    value = _nearest(wins, option.worth, (probe for probe in probes if isfinite(probe)))
    if value is not None:
        return Flip("quality", option.worth, value)
    unknown = (
        "its price is unknown" if option.price is None else "no quality makes up for its price"
    )
    return Flip("quality", option.worth, None, unknown)


def _nearest(wins: Callable[[float], bool], now: float, probes: Iterable[float]) -> float | None:
    """The value nearest to `now` at which it wins; the probes hit every interval where it does."""
    hits = sorted((value for value in probes if wins(value)), key=lambda value: abs(value - now))
    if not hits:
        return None
    return hits[0] if wins(now) else _edge(wins, now, hits[0])[0]


def _edge(holds_at: Callable[[float], bool], outside: float, inside: float) -> tuple[float, float]:
    """Two neighbouring floats: at the first it holds, at the second no longer."""
    for _ in range(_HALVINGS):
        middle = outside + (inside - outside) / 2.0
        if middle in (inside, outside):
            break
        if holds_at(middle):
            inside = middle
        else:
            outside = middle
    return inside, outside


def _crossings(options: Sequence[Option]) -> set[float]:
    """Every λ > 0 at which two options are of equal utility."""
    found = set()
    for one in options:
        for other in options:
            if one.price is None or other.price is None or one.price <= other.price:
                continue
            slope = (one.worth - other.worth) / (one.price - other.price)
            if 0.0 < slope < inf:
                found.add(slope)
    return found


def _around(value: float) -> list[float]:
    """The value and the floats next to it, on both sides."""
    up, down = nextafter(value, inf), nextafter(value, -inf)
    return [value, up, nextafter(up, inf), down, nextafter(down, -inf)]
