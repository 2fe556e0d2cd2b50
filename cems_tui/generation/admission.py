"""Who has to leave the device so that another model fits: a rule, without any device."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Weights = Mapping[str, int]
"""Device bytes of each network of a model, by content: equal keys are the same memory."""


@dataclass(frozen=True, slots=True)
class Resident:
    """A model on the device."""

    model: str
    weights: Weights
    leased: bool
    """Whether a picture is being drawn with it: it cannot leave."""


@dataclass(frozen=True, slots=True)
class Admission:
    """What it takes to let a model in."""

    fits: bool
    evict: tuple[str, ...]
    """The models that leave first; empty when it does not fit anyway."""


def held_bytes(holders: Iterable[Weights]) -> int:
    """Device bytes of these models together; what they share counts once."""
    together: dict[str, int] = {}
    for weights in holders:
        together.update(weights)
    return sum(together.values())


def admit(residents: Sequence[Resident], needed: Weights, budget_bytes: int) -> Admission:
    """Whether a model fits the budget beside the residents, and who leaves for it.

    The least recently used leave first, and of those nobody whose staying would still fit: the
    eviction is minimal. What a model shares with one that stays, or with the newcomer, is freed
    by nobody's leaving. When even an otherwise empty device is too small, nobody leaves.

    Args:
        residents: what is on the device, least recently used first.
        needed: weights of the newcomer; none asks what must leave to respect the budget.
        budget_bytes: what all weights together may hold.
    """
    staying = list(residents)
    leaving: list[Resident] = []

    def fits(stay: Sequence[Resident]) -> bool:
        return held_bytes([needed, *(one.weights for one in stay)]) <= budget_bytes

    for resident in residents:
        if fits(staying):
            break
        if not resident.leased:
            staying.remove(resident)
            leaving.append(resident)
    if not fits(staying):
        return Admission(fits=False, evict=())
    for resident in reversed(leaving):
        if fits([*staying, resident]):
            leaving.remove(resident)
            staying.append(resident)
    return Admission(fits=True, evict=tuple(resident.model for resident in leaving))


def in_leaving_order(residents: Sequence[Resident], wanted: Sequence[str]) -> list[Resident]:
    """Who leaves first where it is known what comes: what nobody wants, then what is wanted last.

    Args:
        residents: what is on the device, least recently used first: so those leave that nobody
            wants.
        wanted: models in the order in which they will be needed.
    """
    place: dict[str, int] = {}
    for model in wanted:
        place.setdefault(model, len(place))
    return sorted(residents, key=lambda one: -place.get(one.model, len(place)))
