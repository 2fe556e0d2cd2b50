"""Who has to leave the device so that another model fits: a rule, without any device."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["generator", "scorer", "text tower"]
"""What holds weights: a model that draws, an instrument that reads pictures, or what reads prompts
for a router."""

Weights = Mapping[str, int]
"""Device bytes of each network of a model, by content: equal keys are the same memory."""


@dataclass(frozen=True, slots=True)
class Resident:
    """What holds weights on the device."""

    model: str
    weights: Weights
    leased: bool
    """Whether it is in use: it cannot leave."""

    kind: Kind = "generator"


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


def in_leaving_order(residents: Sequence[Resident], wanted: Sequence[str] = ()) -> list[Resident]:
    """Who leaves first: what nobody wants, then what is wanted last; of those alike what draws
    nothing.

    A scorer or a text tower is small and quickly back, and what it holds is not billed.

    Args:
        residents: what is on the device, least recently used first: so those leave that nobody
            wants.
        wanted: names in the order in which they will be needed.
    """
    place: dict[str, int] = {}
    for name in wanted:
        place.setdefault(name, len(place))
    return sorted(
        residents,
        key=lambda one: (-place.get(one.model, len(place)), one.kind == "generator"),
    )


UNKNOWN_WORK_SHARE = 0.2
"""Share of the device kept for what a run needs beside the weights, where nobody knows what."""

LEAST_WEIGHT_SHARE = 0.25
"""Share of what may be had that weights may hold even so."""


def weights_allowed(held: int, free: int, beside: int | None, total: int, cap: int | None) -> int:
    """Bytes that weights may hold now, on a device that others use too.

    Args:
        held: what our weights hold of it.
        free: bytes that can still be had, less what is left to others.
        beside: what the next picture needs on top of the weights; None is unknown.
        total: bytes of the device.
        cap: what weights may hold at the very most; None is no limit of its own.
    """
    ours = held + free
    if beside is None:
        most = max(ours - int(total * UNKNOWN_WORK_SHARE), int(ours * LEAST_WEIGHT_SHARE))
    else:
        most = ours - beside
    return max(0, most if cap is None else min(most, cap))
