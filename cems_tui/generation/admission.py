"""Who has to leave the device so that another model fits: a rule, without any device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Resident:
    """A model on the device."""

    model: str
    weight_bytes: int
    leased: bool
    """Whether a picture is being drawn with it: it cannot leave."""


@dataclass(frozen=True, slots=True)
class Admission:
    """What it takes to let a model in."""

    fits: bool
    evict: tuple[str, ...]
    """The models that leave first; empty when it does not fit anyway."""


def admit(residents: Sequence[Resident], needed_bytes: int, budget_bytes: int) -> Admission:
    """Whether a model of `needed_bytes` fits the budget, and who leaves for it.

    The least recently used leave first, and of those nobody whose staying would still fit: the
    eviction is minimal. When even an otherwise empty device is too small, nobody leaves.

    Args:
        residents: what is on the device, least recently used first.
        needed_bytes: weights of the newcomer; 0 asks what must leave to respect the budget.
        budget_bytes: what all weights together may hold.
    """
    held = sum(resident.weight_bytes for resident in residents)
    leaving: list[Resident] = []
    for resident in residents:
        if held + needed_bytes <= budget_bytes:
            break
        if not resident.leased:
            leaving.append(resident)
            held -= resident.weight_bytes
    if held + needed_bytes > budget_bytes:
        return Admission(fits=False, evict=())
    for resident in reversed(leaving):
        if held + resident.weight_bytes + needed_bytes <= budget_bytes:
            leaving.remove(resident)
            held += resident.weight_bytes
    return Admission(fits=True, evict=tuple(resident.model for resident in leaving))
