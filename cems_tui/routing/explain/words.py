"""An explanation in plain words: rows of a name and a text, the same for both windows.

Whatever comes from a prompt is made visible and shortened here; nobody interprets it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import ceil, floor, log10
from typing import TYPE_CHECKING

from cems_tui.text import one_line, visible

if TYPE_CHECKING:
    from cems_tui.domain.estimate import Cluster, Neighbour
    from cems_tui.routing.explain.contributions import Contribution, FeatureContribution, Removal
    from cems_tui.routing.explain.explanation import Explanation, Standing
    from cems_tui.routing.explain.flips import Flip, Reign

Row = tuple[str, str]
Money = Callable[[float], str]
"""US dollars a picture as the window writes them, three digits that count."""

UNLIKE = "unlike the training prompts: estimates lie near the means"
"""What both windows say of a prompt that is out of distribution."""

MOST_WORDS = 4
"""Words shown for the pick, and as many against it."""

WORD_CHARACTERS = 24
PROMPT_CHARACTERS = 44
DIGITS = 4
"""Digits that count in a figure that would change the pick."""


def rows(told: Explanation, money: Money) -> list[Row]:
    """The explanation, the most important first; a row without a name continues the one above."""
    return [
        *_lead(told, money),
        *_words(told),
        *_features(told.features, _decimals(told)),
        *_instead(told, money),
        *_reign(told),
        *_standing(told),
        *_cluster(told),
        *_neighbours(told),
    ]


def _lead(told: Explanation, money: Money) -> list[Row]:
    if told.choice is None or told.runner_up is None or told.lead is None:
        return []
    if told.reason:
        return [("why", visible(told.reason))]
    unit = "probability" if told.measure == "probability" else told.metric or "quality"
    gap = f"{abs(told.lead):.3g} {'more' if told.lead > 0 else 'less'} {unit}"
    parts = [f"the same {unit}" if told.lead == 0 else gap]
    if told.saving_usd is not None:
        less = told.saving_usd > 0
        price = f"{money(abs(told.saving_usd))} {'cheaper' if less else 'dearer'}"
        parts.append(price if told.saving_usd else "the same price")
    return [
        ("why", f"{visible(told.choice)} against {visible(told.runner_up)}: {', '.join(parts)}")
    ]


def _words(told: Explanation) -> list[Row]:
    if told.words_note:
        return [("words", visible(told.words_note))]
    decimals = _decimals(told)
    speaking = {
        "for it": [one for one in told.leading if one.change > 0],
        "against": [one for one in told.leading if one.change < 0],
    }
    found = [
        (name, " · ".join(_word(one, decimals) for one in parts[:MOST_WORDS]))
        for name, parts in speaking.items()
        if parts
    ]
    return found or [("words", "no word of the prompt matters to the two")]


def _word(one: Contribution, decimals: int) -> str:
    return f"{_quoted(one.text)} {_signed(one.change, decimals)}"


def _features(features: Sequence[FeatureContribution], decimals: int) -> list[Row]:
    said = []
    for one in features:
        which = f" ({', '.join(map(visible, one.words[:3]))})" if one.words else ""
        change = _signed(one.change or 0.0, decimals)
        matters = f"{which} {change}" if change != "0" else ""
        said.append(f"{one.count} {one.name}{matters}")
    return [("features", " · ".join(said))] if said else []


def _instead(told: Explanation, money: Money) -> list[Row]:
    if told.flips_note:
        return [("instead", visible(told.flips_note))]
    if told.runner_up is None:
        return []
    by_name = {flip.what: flip for flip in told.flips}
    ways = [_trade_off(by_name)] if "lambda" in by_name else []
    for what in ("budget", "floor", "tolerance", "price", "quality"):
        if what in by_name:
            ways.append(_way(by_name[what], told, money))
    if told.removal is not None:
        ways.append(_without(told.removal, told.runner_up))
    can = [way for way in ways if not way.startswith("at no")]
    cannot = [way for way in ways if way.startswith("at no")]
    name = visible(told.runner_up)
    first = f"{name} would be picked" if can else f"{name} could not be picked"
    steps = [f"{'or ' if number else ''}{way}" for number, way in enumerate(can)]
    return [("instead", first), *(("", text) for text in (*steps, *cannot))]


def _trade_off(by_name: dict[str, Flip]) -> str:
    weight, dial = by_name["lambda"], by_name.get("tradeoff")
    if weight.value is None:
        return f"at no λ: {weight.why_not}"
    lambdas = f"λ {_beyond(weight.value, weight.now)} (now {_plain(weight.now)})"
    if dial is None:
        return f"at {lambdas}"
    if dial.value is None:
        return f"at {lambdas}; {dial.why_not}"
    now = "" if dial.now is None else f" (now {dial.now:.2f})"
    return f"with the dial at {dial.value:.2f}{now}, {lambdas}"


def _way(flip: Flip, told: Explanation, money: Money) -> str:
    """`at a price of $0.0035 per 1,000 (now $0.0043 per 1,000)`."""
    worth = "a probability of" if told.measure == "probability" else told.metric or "a quality of"
    words = {"price": "at a price of", "quality": f"at {worth}"}
    way = words.get(flip.what, f"with a {flip.what} of")
    if flip.value is None:
        if flip.what == "price" and flip.now is None:
            return f"if its price were known: {flip.why_not}"
        return f"at no {flip.what}: {flip.why_not}"
    if flip.what in ("price", "budget"):
        now = "unknown" if flip.now is None else money(flip.now)
        return f"{way} {money(_rounded(flip.value, flip.now, 3))} (now {now})"
    return f"{way} {_beyond(flip.value, flip.now)} (now {_plain(flip.now)})"


def _without(removal: Removal, runner_up: str) -> str:
    text = " and ".join(_quoted(word) for word in removal.words)
    other = removal.choice != runner_up
    then = f": then {visible(removal.choice)}" if other else ""
    strange = "" if removal.in_distribution else ", unlike the training prompts"
    return f"without {text}{then}{strange}"


def _reign(told: Explanation) -> list[Row]:
    reign: Reign | None = told.reign
    if reign is None or told.choice is None or (reign.below is None and reign.above is None):
        return []
    low = "0" if reign.below is None else _plain(reign.low)
    high = "any" if reign.high is None else _plain(reign.high)
    others = [
        f"{side} {visible(name)}"
        for side, name in (("below", reign.below), ("above", reign.above))
        if name is not None
    ]
    return [("holds", f"for λ {low} … {high}; {', '.join(others)}")]


def _standing(told: Explanation) -> list[Row]:
    among: Standing | None = told.standing
    if among is None:
        return []
    parts = [f"leads by less for {_percent(among.smaller_leads)}"]
    if among.share is not None:
        parts.insert(0, f"it is picked for {_percent(among.share)}")
    return [("training", f"of {among.prompts:,} prompts {', '.join(parts)}")]


def _percent(share: float) -> str:
    return "under 1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %"


def _cluster(told: Explanation) -> list[Row]:
    cluster: Cluster | None = told.cluster
    if cluster is None:
        return []
    means = _pair(cluster.means, told)
    return [("cluster", f"{cluster.prompts:,} training prompts like it{means}")]


def _neighbours(told: Explanation) -> list[Row]:
    found: list[Row] = []
    for one in told.neighbours:
        found.append(("" if found else "nearest", _neighbour(one, told)))
    if told.neighbours_note and told.neighbours_note != told.words_note:
        found.append(("" if found else "nearest", visible(told.neighbours_note)))
    return found


def _neighbour(one: Neighbour, told: Explanation) -> str:
    return f"{_quoted(one.prompt, PROMPT_CHARACTERS)}{_pair(one.scores or {}, told)}"


def _pair(scores: Mapping[str, float], told: Explanation) -> str:
    """`: 1.47 against 1.50`, as the first row names them; empty where neither is known."""
    known = dict(scores)
    names = [name for name in (told.choice, told.runner_up) if name in known]
    if len(names) == 2:
        return ": " + " against ".join(_plain(known[str(name)]) for name in names)
    said = ", ".join(f"{visible(str(name))} {_plain(known[name])}" for name in names)
    return f": {said}" if said else ""


def _quoted(text: str, characters: int = WORD_CHARACTERS) -> str:
    return f"“{one_line(text, characters)}”"


def _signed(value: float, decimals: int) -> str:
    text = f"{value:+.{decimals}f}"
    return "0" if float(text) == 0 else text.replace("-", "−")


def _decimals(told: Explanation) -> int:
    """Decimals that show two digits that count of the largest contribution."""
    changes = [abs(one.change) for one in told.words]
    changes += [abs(one.change) for one in told.features if one.change is not None]
    largest = max(changes, default=0.0)
    return 3 if largest <= 0 else min(8, max(0, 1 - floor(log10(largest))))


def _plain(value: float | None) -> str:
    if value is None:
        return "unknown"
    places = max(0, DIGITS - 1 - floor(log10(abs(value)))) if abs(value) > 1e-12 else 0
    return f"{value:,.{min(places, 8)}f}".replace("-", "−")


def _beyond(value: float, now: float | None) -> str:
    return _plain(_rounded(value, now, DIGITS))


def _rounded(value: float, now: float | None, digits: int) -> float:
    """To so many digits, away from the present value: as it is written it changes the pick."""
    if value == 0:
        return value
    unit = 10.0 ** (floor(log10(abs(value))) - digits + 1)
    up = now is None or value > now
    whole = value / unit
    return (ceil(whole) if up else floor(whole)) * unit
