"""Offers and estimates in, a decision with every candidate out. Pure: same input, same decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cems_tui.domain.capabilities import told_together
from cems_tui.domain.decision import (
    Candidate,
    Difference,
    Offer,
    Policy,
    QualityEstimate,
    RoutingDecision,
)
from cems_tui.domain.estimate import PromptEstimate
from cems_tui.domain.note import Note, one_of_each_kind
from cems_tui.errors import UnknownName, UsageError
from cems_tui.routing.decide.policy import (
    Option,
    ToldApart,
    always_told_apart,
    cheapest_wins_from,
    check_policy,
    ordered,
    pick,
    told_apart_by,
    utility,
)
from cems_tui.routing.decide.reason import reason

if TYPE_CHECKING:
    from cems_tui.routing.decide.difference import PairedSpread


_UNKNOWN = QualityEstimate(None, None)

PINNED = "pinned"
IN_PARTS = (
    "is too large for the device: its layers are brought there in turn, which takes longer than "
    "is told"
)

UNFAMILIAR = Note(
    "out_of_distribution",
    "the prompt is unlike the training prompts: estimates lie near the means, intervals wide",
)


@dataclass(frozen=True, slots=True)
class Asked:
    """Who estimated quality, for the decision's own record."""

    router: str | None = None
    metric: str | None = None
    encode_ms: float | None = None
    route_ms: float | None = None


def route(
    prompt: str,
    offers: Sequence[Offer],
    estimates: PromptEstimate | None,
    policy: Policy,
    lambda_: float | None = None,
    load_cost: bool = False,
    *,
    load_share: float = 1.0,
    asked: Asked | None = None,
    policy_is_explicit: bool = True,
    spread: PairedSpread | None = None,
    notes: Sequence[Note] = (),
) -> RoutingDecision:
    """Which of the offered functions to run, with all of them compared.

    Args:
        estimates: what a router expects; None when none knows these functions.
        lambda_: quality units per US dollar for a trade-off and for balanced (see
            `dial.lambda_for_dial`).
        load_cost: whether known load prices are added to the prices compared.
        load_share: the share of a load price that one picture bears.
        policy_is_explicit: given for this prompt; a classifier follows a λ only then.
        spread: how sure the router's differences are; None where it is unknown.
        notes: what else the user should know.

    Raises:
        UsageError: the policy's value is out of range, or a classifier is asked for a floor.
        UnknownName: the pinned function is not among the offers.
        BudgetReached: no comparable function is priced within the budget.
    """
    check_policy(policy)
    asked = asked or Asked()
    known = estimates.estimates if estimates else {}
    worths = {offer.function: known.get(offer.function, _UNKNOWN).worth for offer in offers}
    _check_classifier(known, policy)
    share = load_share if load_cost else 0.0
    options = _options(offers, worths, share)
    unheeded = _ignores_prices(known, policy_is_explicit)
    lambda_per_usd = _lambda(policy, lambda_, options, unheeded)
    prices = {offer.function: _price(offer, share) for offer in offers}
    utilities = {
        name: None if worth is None else utility(worth, prices[name], lambda_per_usd or 0.0)
        for name, worth in worths.items()
    }
    followed = Policy("lambda", 0.0) if unheeded and policy.kind == "balanced" else policy
    if spread is not None and estimates is not None and not estimates.in_distribution:
        spread = spread.widened()
    told_apart = always_told_apart if _is_classifier(known) else told_apart_by(spread)
    choice, why, extra = _choose(offers, options, followed, lambda_per_usd or 0.0, told_apart)
    differences = _differences(known, choice, spread)
    measure = "probability" if _is_classifier(known) else "predicted quality"
    return RoutingDecision(
        prompt=prompt,
        choice=choice,
        router=asked.router,
        metric=asked.metric,
        policy=policy,
        lambda_per_usd=lambda_per_usd,
        reason=_reason(why, choice, options, differences, measure),
        encode_ms=asked.encode_ms,
        route_ms=asked.route_ms,
        in_distribution=estimates.in_distribution if estimates else None,
        candidates=_candidates(offers, known, options, utilities, choice, differences),
        load_share=load_share if load_cost else None,
        notes=one_of_each_kind(
            (*notes, *_prompt_notes(estimates), *_load_notes(offers, policy, load_cost), *extra)
        ),
    )


def _is_classifier(known: Mapping[str, QualityEstimate]) -> bool:
    return any(e.quality is None and e.probability is not None for e in known.values())


def _check_classifier(known: Mapping[str, QualityEstimate], policy: Policy) -> None:
    if policy.kind in ("floor", "tolerance") and _is_classifier(known):
        raise UsageError(
            f"this router predicts which function is best, not how good: no {policy.kind}",
            "Use --tradeoff or --budget-per-image, or a router that predicts quality.",
        )


def _ignores_prices(known: Mapping[str, QualityEstimate], policy_is_explicit: bool) -> bool:
    return _is_classifier(known) and not policy_is_explicit


def _options(
    offers: Sequence[Offer], worths: Mapping[str, float | None], load_share: float
) -> list[Option]:
    """The functions that may be picked: they can follow the request, and their quality is known."""
    options = []
    for offer in offers:
        worth = worths[offer.function]
        if worth is not None and _able(offer):
            options.append(Option(offer.function, worth, _price(offer, load_share)))
    return options


def _able(offer: Offer) -> bool:
    """Allowed, not known to be too big, and nothing else keeps it from following the request."""
    return offer.allowed and offer.fits is not False and offer.blocked_by is None


def _price(offer: Offer, load_share: float) -> float | None:
    if offer.cost_usd is None:
        return None
    return offer.cost_usd + (offer.load_cost_usd or 0.0) * load_share


def _lambda(
    policy: Policy, given: float | None, options: Sequence[Option], ignores_prices: bool
) -> float | None:
    """The λ the policy looks at; None where it has none."""
    if policy.kind not in ("balanced", "tradeoff", "lambda"):
        return None
    if policy.kind == "lambda" and not ignores_prices:
        return float(policy.value or 0.0)
    if ignores_prices or (policy.kind == "tradeoff" and policy.value == 1):
        return 0.0
    if not options:
        return given
    if policy.kind == "tradeoff" and policy.value == 0:
        # the cheapest is promised, also for a prompt unlike those the dial was set by
        return max(given or 0.0, cheapest_wins_from(options))
    assert given is not None, "a trade-off needs the λ its dial stands for"
    return given


def _choose(
    offers: Sequence[Offer],
    options: Sequence[Option],
    policy: Policy,
    lambda_per_usd: float,
    told_apart: ToldApart,
) -> tuple[str | None, str, tuple[Note, ...]]:
    """The choice, why in a few words, and what should be known beside."""
    if policy.kind == "pinned":
        return _pinned(offers, str(policy.value))
    if not options:
        return None, _nothing(offers), ()
    taken = pick(options, policy, lambda_per_usd, told_apart)
    return taken.function, taken.why, taken.notes


def _differences(
    known: Mapping[str, QualityEstimate], choice: str | None, spread: PairedSpread | None
) -> dict[str, Difference | None]:
    """By function, against the choice."""
    base = None if choice is None else known.get(choice, _UNKNOWN).quality
    if choice is None or base is None or spread is None:
        return {}
    found: dict[str, Difference | None] = {}
    for name, estimate in known.items():
        if name == choice or estimate.quality is None:
            continue
        gap = estimate.quality - base
        interval = spread.interval(name, choice, gap)
        better, worse = (name, choice) if gap > 0 else (choice, name)
        least = spread.least_gain(better, worse)
        found[name] = interval and Difference(choice, gap, interval, least)
    return found


def _reason(
    why: str,
    choice: str | None,
    options: Sequence[Option],
    differences: Mapping[str, Difference | None],
    measure: str,
) -> str:
    """Why in a line; of what was pinned, or could not be chosen, the few words alone."""
    chosen = next((option for option in options if option.function == choice), None)
    words = why.format(measure=measure)
    if chosen is None or why == PINNED:
        return words
    return reason(words, chosen, options, differences, measure)


def _pinned(offers: Sequence[Offer], name: str) -> tuple[str | None, str, tuple[Note, ...]]:
    offer = next((offer for offer in offers if offer.function == name), None)
    if offer is None:
        raise UnknownName.of("generation function", name, [o.function for o in offers])
    if not offer.allowed:
        missing = "it is not in the pool" if offer.installed else "it is not installed"
        return None, f"{name} is pinned, but {missing}", ()
    if offer.blocked_by is not None:
        return None, f"{name} {offer.blocked_by}", ()
    if offer.fits is False:
        return name, PINNED, (Note("memory", f"{name} {IN_PARTS}"),)
    return name, PINNED, ()


def _nothing(offers: Sequence[Offer]) -> str:
    if not offers:
        return "nothing to choose from: no generation function is installed"
    allowed = [offer for offer in offers if offer.allowed]
    if not allowed:
        return "nothing to choose from: no function is both installed and in the pool"
    if not any(map(_able, allowed)):
        return _nothing_able(allowed)
    return "nothing to choose from: no router knows any of the allowed functions; pin one"


def _nothing_able(allowed: Sequence[Offer]) -> str:
    """Why none can follow the request; of those that are too big, the one that takes least."""
    big = [o for o in allowed if o.fits is False and o.blocked_kind in (None, "memory")]
    others = [o for o in allowed if o not in big]
    least = min(big, key=lambda o: o.memory_bytes or 0) if big else None
    if not others:
        why = f": {least.function} {least.blocked_by}" if least and least.blocked_by else ""
        return f"nothing to choose from: no allowed function fits on the device{why}"
    told = told_together((o.function, o.blocked_by or "") for o in others)
    if least is not None:
        told.append(f"{least.function} {least.blocked_by or 'does not fit on the device'}")
    return f"no function can follow the request: {'; '.join(told)}"


def _prompt_notes(estimates: PromptEstimate | None) -> tuple[Note, ...]:
    if estimates is None or estimates.in_distribution:
        return ()
    return (UNFAMILIAR,)


def _load_notes(offers: Sequence[Offer], policy: Policy, load_cost: bool) -> tuple[Note, ...]:
    """Of the functions that can be chosen: of a pinned one alone."""
    names = [
        o.function
        for o in offers
        if _able(o)
        and o.load_cost_usd is None
        and (policy.kind != "pinned" or o.function == policy.value)
    ]
    if not load_cost or not names:
        return ()
    return (Note("load", f"{', '.join(names)}: the load cost is unknown and not added"),)


def _candidates(
    offers: Sequence[Offer],
    known: Mapping[str, QualityEstimate],
    options: Sequence[Option],
    utilities: Mapping[str, float | None],
    choice: str | None,
    differences: Mapping[str, Difference | None],
) -> tuple[Candidate, ...]:
    """Every offer, the choice first, then what could be compared by utility, then the rest."""
    compared = [option.function for option in ordered(options, utilities)]
    rest = [offer.function for offer in offers if offer.function not in compared]
    names = sorted(compared + rest, key=lambda name: name != choice)  # stable
    by_name = {offer.function: offer for offer in offers}
    return tuple(
        _candidate(
            by_name[name],
            known.get(name, _UNKNOWN),
            utilities[name],
            rank,
            differences.get(name),
        )
        for rank, name in enumerate(names, start=1)
    )


def _candidate(
    offer: Offer,
    estimate: QualityEstimate,
    value: float | None,
    rank: int,
    difference: Difference | None,
) -> Candidate:
    unknown = estimate.quality is None and estimate.probability is None
    return Candidate(
        function=offer.function,
        rank=rank,
        quality=estimate.quality,
        interval=estimate.interval,
        quality_source="unknown" if unknown else "router",
        probability=estimate.probability,
        cost_usd=offer.cost_usd,
        cost_source=offer.cost_source,
        priced=offer.cost_usd is not None,
        load_cost_usd=offer.load_cost_usd,
        seconds=offer.seconds,
        memory_bytes=offer.memory_bytes,
        load_seconds=offer.load_seconds,
        utility=value,
        installed=offer.installed,
        resident=offer.resident,
        fits=offer.fits,
        allowed=offer.allowed and offer.blocked_by is None,
        cost_interval=offer.cost_interval,
        blocked_by=offer.blocked_by,
        difference=difference,
        blocked_kind=offer.blocked_kind,
        evicts=offer.evicts,
        energy_wh=offer.energy_wh,
        energy_usd=offer.energy_usd,
    )
