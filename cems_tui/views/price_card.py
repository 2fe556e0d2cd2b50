"""The price card of a decision: its columns, their words, units and order, whoever draws it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cems_tui.domain.capabilities import ObstacleKind, told_together
from cems_tui.domain.decision import Candidate, RoutingDecision
from cems_tui.domain.pricing import GIGABYTE
from cems_tui.text import visible
from cems_tui.views.figures import DOLLARS, UNKNOWN, Money, column, digits, seconds, times

RESIDENT, INSTALLED, MISSING = "●", "○", "⇣"
LEGEND = "● resident  ○ installed  ⇣ not installed  ~ estimated  ≈ too alike to tell apart"

LEAST_NEEDED = ("sure", "load", "why", "memory", "seconds")
"""The columns that leave where there is no room for all, in that order."""

BLOCKED: dict[ObstacleKind, str] = {
    "pipeline": "not drawn",
    "size": "other size",
    "guidance": "no guidance",
    "negative": "no negative",
    "length": "too long",
    "memory": "too big",
}
"""In two words, what of the request a candidate cannot follow."""

MOST_TOO_BIG = 3
"""Candidates whose figures are told when they are too big; further ones are counted."""

WORTH_SAYING = 1.3
"""How many times dearer or cheaper than the choice a candidate is before the card says so."""


@dataclass(frozen=True, slots=True)
class PriceColumn:
    """One column: a cell for each candidate under a title that names the unit."""

    title: str
    cells: tuple[str, ...]
    left: bool = False
    """Whether text stands at the left, as words do; figures stand at the right."""


def price_columns(decision: RoutingDecision, money: Money = DOLLARS) -> dict[str, PriceColumn]:
    """The columns in their order; prices are for 1,000 pictures.

    How sure the prices are stands beside them where it is known of any.
    """
    candidates = decision.candidates
    known = [False] * len(candidates)
    guessed = [c.cost_source is not None and c.cost_source != "measured" for c in candidates]
    prices = [money.thousand(c.cost_usd) for c in candidates]
    sizes = [None if c.memory_bytes is None else c.memory_bytes / GIGABYTE for c in candidates]

    def figures(
        values: list[float | None], guesses: list[bool], least: int, most: int
    ) -> tuple[str, ...]:
        return tuple(column(values, guesses, least, most))

    columns = {
        "function": PriceColumn("function", tuple(visible(c.function) for c in candidates), True),
        "quality": PriceColumn(
            decision.metric or "quality", figures([c.quality for c in candidates], known, 2, 3)
        ),
        "interval": interval_column(candidates),
        "seconds": PriceColumn("s", figures([c.seconds for c in candidates], guessed, 2, 3)),
        "load": PriceColumn("load", figures([c.load_seconds for c in candidates], known, 1, 1)),
        "memory": PriceColumn("GB", figures(sizes, guessed, 1, 3)),
        "price": PriceColumn(money.unit, figures(prices, guessed, 2, 4)),
        "sure": PriceColumn("sure", tuple(map(certainty, candidates))),
        "why": PriceColumn("why", tuple(why(c, decision) for c in candidates), True),
    }
    if all(candidate.cost_interval is None for candidate in candidates):
        del columns["sure"]
    return columns


def state_sign(candidate: Candidate) -> str:
    """Where the weights are."""
    if candidate.resident:
        return RESIDENT
    return INSTALLED if candidate.installed else MISSING


def certainty(candidate: Candidate) -> str:
    """How far the price may be off, by its 90 % interval: `±18 %`, `÷×2.5`."""
    if candidate.cost_interval is None or not candidate.cost_usd:
        return UNKNOWN
    low, high = candidate.cost_interval
    reach = max(high / candidate.cost_usd, candidate.cost_usd / low if low > 0 else 1.0)
    return f"±{100 * (reach - 1):.0f} %" if reach < 1.995 else f"÷×{reach:.1f}"


def interval_column(candidates: Sequence[Candidate]) -> PriceColumn:
    """How sure it is: of differences to the pick where they are known, else of each quality."""
    if not tells_differences(candidates):
        return PriceColumn("±90 %", tuple(interval_words(c.interval) for c in candidates), True)
    apart = [None if c.difference is None else c.difference.interval for c in candidates]
    return PriceColumn("Δ 90 %", tuple(interval_words(ends, "+") for ends in apart), True)


def tells_differences(candidates: Sequence[Candidate]) -> bool:
    """Whether it is known how sure any difference to the pick is."""
    return any(c.difference is not None for c in candidates)


def interval_words(ends: tuple[float, float] | None, sign: str = "") -> str:
    """The ends of a 90 % interval; with `+` as sign those of a difference."""
    if ends is None:
        return UNKNOWN
    low, high = ends
    return f"{low:{sign}.2f}…{high:{sign}.2f}".replace("-", "−")


def why(candidate: Candidate, decision: RoutingDecision) -> str:
    """In two words, what sets this candidate apart from the choice."""
    if candidate.function == decision.choice:
        words = {"pinned": "pinned", "tradeoff": "best", "lambda": "best", "balanced": "balanced"}
        return words.get(decision.policy.kind, "chosen")
    if candidate.blocked_kind is not None:
        return BLOCKED[candidate.blocked_kind]
    if candidate.fits is False:
        return fit_words(candidate)
    if not candidate.installed and not candidate.allowed:
        return "not here"
    if not candidate.allowed:
        return "left out"
    if candidate.quality is None:
        return "unrated"
    alike = candidate.difference is not None and not candidate.difference.told_apart
    return ("≈ " if alike else "") + _against(candidate, decision)


def fit_words(candidate: Candidate) -> str:
    """Whether the device holds it; `in parts` where it can be drawn with nevertheless."""
    if candidate.fits is None:
        return "size unknown"
    if candidate.fits:
        return "fits"
    return "in parts" if candidate.allowed else "too big"


def swap_words(candidate: Candidate) -> str:
    """What it takes to bring its weights: `load 5.2 s, 84 % of the wait; base leaves for it`."""
    if candidate.resident:
        return "loaded"
    load = "load " + seconds(candidate.load_seconds)
    if candidate.swap_share is not None:
        load += f", {candidate.swap_share:.0%} of the wait".replace("%", " %")
    gone = leaving_words(candidate)
    return f"{load}; {gone}" if gone else load


def leaving_words(candidate: Candidate) -> str:
    """`base and nima leave for it`; empty where nobody does, or it is not known."""
    names = list(map(visible, candidate.evicts or ()))
    if not names:
        return ""
    together = " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
    return f"{together} {'leaves' if len(names) == 1 else 'leave'} for it"


def swap_lines(decision: RoutingDecision) -> list[str]:
    """What the pick makes leave the device, as a sentence; nothing where nobody leaves."""
    chosen = decision.chosen
    if chosen is None or not chosen.evicts:
        return []
    return [f"{visible(chosen.function)}: {swap_words(chosen)}"]


def blocked_lines(decision: RoutingDecision) -> list[str]:
    """Why candidates cannot follow the request, a sentence a reason; without a choice that is
    what the decision's own reason says."""
    if decision.choice is None:
        return []
    blocked = [c for c in decision.candidates if c.blocked_by is not None]
    big = [c for c in blocked if c.blocked_kind == "memory"]
    told = [c for c in blocked if c.blocked_kind != "memory"] + big[:MOST_TOO_BIG]
    lines = told_together((visible(c.function), visible(c.blocked_by or "")) for c in told)
    more = len(big) - MOST_TOO_BIG
    return [*lines, f"{more} more are too big"] if more > 0 else lines


def _against(candidate: Candidate, decision: RoutingDecision) -> str:
    """Dearer or cheaper by the prices that were compared, as the reason tells it; else how good."""
    chosen = decision.chosen
    if chosen is None:
        return ""
    ratio = decision.price_ratio(candidate)
    if ratio is not None:
        if ratio >= WORTH_SAYING:
            return f"{times(ratio)} dear"
        if 0 < ratio <= 1 / WORTH_SAYING:
            return f"{times(1 / ratio)} cheap"
    if chosen.quality is not None and candidate.quality is not None:
        return f"{candidate.quality - chosen.quality:+.2f} q".replace("-", "−")
    return ""


def difference_columns(decision: RoutingDecision, money: Money = DOLLARS) -> dict[str, PriceColumn]:
    """The card as differences to the pick: its own figures, and of the others Δ quality and how
    many times its seconds and price; loads are in those where the policy counted them."""
    candidates = decision.candidates

    def cells(of: Callable[[Candidate], str]) -> tuple[str, ...]:
        return tuple(map(of, candidates))

    def ratio(
        own: Callable[[Candidate], str], to: Callable[[Candidate], float | None]
    ) -> tuple[str, ...]:
        return cells(lambda c: own(c) if c.function == decision.choice else ratio_words(to(c)))

    return {
        "function": PriceColumn("function", cells(lambda c: visible(c.function)), True),
        "quality": PriceColumn(
            decision.metric or "quality", cells(lambda c: quality_words(c, decision))
        ),
        "interval": interval_column(candidates),
        "verdict": PriceColumn("", cells(lambda c: verdict_words(c, decision)), True),
        "seconds": PriceColumn("s", ratio(_seconds_words, decision.seconds_ratio)),
        "price": PriceColumn(
            money.unit, ratio(lambda c: _price_words(c, money), decision.price_ratio)
        ),
        "memory": PriceColumn("GB", cells(_gigabytes)),
        "load": PriceColumn("load s", cells(_load_words)),
    }


def quality_words(candidate: Candidate, decision: RoutingDecision) -> str:
    """`1.90` of the pick, `+0.012` of another; a probability where that is all that is known."""
    chosen = decision.chosen
    if candidate.quality is None:
        return UNKNOWN if candidate.probability is None else f"{100 * candidate.probability:.0f} %"
    if chosen is None or chosen.quality is None or candidate is chosen:
        return f"{candidate.quality:.2f}"
    return f"{candidate.quality - chosen.quality:+.3f}".replace("-", "−")


def verdict_words(candidate: Candidate, decision: RoutingDecision) -> str:
    """`≈` of what is too alike to the pick, `better`, `worse`; or why it cannot be picked."""
    if candidate.function == decision.choice:
        return "pinned" if decision.policy.kind == "pinned" else ""
    if candidate.difference is None or not candidate.allowed or candidate.fits is False:
        words = why(candidate, decision)
        return words if not candidate.allowed or candidate.fits is False else ""
    if not candidate.difference.told_apart:
        return "≈"
    return "better" if candidate.difference.quality > 0 else "worse"


def ratio_words(ratio: float | None) -> str:
    """`×2.4`, `×0.36`, `×0.004`, `×16`."""
    if ratio is None:
        return UNKNOWN
    if ratio >= 0.995:
        return f"×{ratio:.1f}" if ratio < 9.95 else f"×{ratio:.0f}"
    return f"×{ratio:.{digits(ratio, 2, 2, 5)}f}" if ratio > 0 else "×0"


def _seconds_words(candidate: Candidate) -> str:
    if candidate.seconds is None:
        return UNKNOWN
    return f"{_guess(candidate)}{candidate.seconds:.{digits(candidate.seconds, 2, 1, 2)}f}"


def _price_words(candidate: Candidate, money: Money) -> str:
    value = money.thousand(candidate.cost_usd)
    return UNKNOWN if value is None else f"{_guess(candidate)}{value:.{digits(value, 2, 2, 5)}f}"


def _gigabytes(candidate: Candidate) -> str:
    if candidate.memory_bytes is None:
        return UNKNOWN
    size = candidate.memory_bytes / GIGABYTE
    return f"{_guess(candidate)}{size:.{digits(size, 2, 1, 3)}f}"


def _load_words(candidate: Candidate) -> str:
    if candidate.resident:
        return "loaded"
    return UNKNOWN if candidate.load_seconds is None else f"{candidate.load_seconds:.1f}"


def _guess(candidate: Candidate) -> str:
    return "" if candidate.cost_source in (None, "measured") else "~"
