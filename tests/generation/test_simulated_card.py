"""The ledger on a device that others use too: true at every moment, and every planted bug found.

`python -m tests.generation.test_simulated_card STEPS` takes so many steps by hand.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from cems_tui.domain.function import GenerationFunction
from cems_tui.errors import OutOfMemory, WeightsError
from cems_tui.generation import admission, residency
from cems_tui.generation.admission import Resident, Weights, held_bytes
from cems_tui.generation.device import Device, DeviceKind
from cems_tui.generation.residency import Residency, Tenant
from tests.generation.simulated_card import MODELS, SCORERS, Card, Disk, Holding, function

CARDS: tuple[tuple[int, DeviceKind], ...] = (
    (8_000, "cuda"),
    (12_000, "cuda"),
    (16_000, "mps"),
    (24_000, "xpu"),
    (24_000, "cpu"),
)
"""Megabytes, and kinds: to torch a card of ROCm is a `cuda` too."""


class Ledger(RuleBasedStateMachine):
    """Pictures, readings, foreign programs, failures and replaced files in any order."""

    residency_class: type[Residency] = Residency
    holding_class: type[Holding] = Holding
    scorer_class: type[Holding] = Holding

    @initialize(
        card=st.sampled_from(CARDS),
        lag=st.sampled_from([0, 0, 2, 5]),
        leave=st.sampled_from([0, 0, 1_500]),
        cap=st.sampled_from([None, None, 7_500, 15_000]),
    )
    def begin(self, card: tuple[int, DeviceKind], lag: int, leave: int, cap: int | None) -> None:
        self.card = Card(card[0], card[1], lag)
        self.disk = Disk()
        self.leave, self.cap = leave, cap
        self.fails_after: int | None = None
        self.wanted: tuple[str, ...] = ()
        self.leases: list[tuple[str, ExitStack, Holding]] = []
        self.told: Sequence[Any] = ()
        self.residency = self.residency_class(
            cap,
            self.load,
            lambda wanted: self.disk.weights(wanted.model.name),
            changed=self.hear,
            room=lambda: self.card.probe().less(self.leave),
            wanted=lambda: self.wanted,
            wait=lambda seconds: None,
        )

    def load(self, wanted: GenerationFunction) -> Holding:
        weights = self.disk.weights(wanted.model.name)
        return self.holding_class(self.card, weights, self.fails_after)

    def hear(self, told: Sequence[Any]) -> None:
        self.told = told

    def tenant(self, scorer: str) -> Tenant[Holding]:
        weights = {f"scorer:{scorer}": SCORERS[scorer]}
        return Tenant(
            scorer,
            "scorer",
            lambda: weights,
            lambda: self.scorer_class(self.card, weights, self.fails_after),
        )

    @contextmanager
    def refusing(self, needed: Weights, beside: int) -> Iterator[None]:
        """What is refused is refused untouched, and only where it does not fit; what is let in
        does not fail for want of memory; nobody leaves in vain, and scorers leave first."""
        loads, before = self.card.loads, self.idle()
        leased = [one.weights for _, _, one in self.leases]
        most = self.card.total - self.card.foreign - self.leave
        fits = held_bytes([needed, *leased]) + beside <= most
        if self.cap is not None:
            fits = fits and held_bytes([needed, *leased]) <= self.cap
        refused = None
        try:
            yield
        except WeightsError:
            if self.fails_after is None:
                raise
            return
        except OutOfMemory as error:
            refused = str(error)
        if refused is not None:
            assert "card is full" not in refused, "it was let in and did not fit"
            assert not fits, f"refused although there is room: {refused}"
            assert self.card.loads == loads, "refused after it was loaded"
            return
        assert fits, "let in although there is no room"
        self.nobody_left_in_vain(before, needed, beside)

    def idle(self) -> dict[str, tuple[str, Weights]]:
        return {
            one.model: (one.kind, one.weights) for one in self.residency.present() if not one.in_use
        }

    def nobody_left_in_vain(
        self, before: Mapping[str, tuple[str, Weights]], needed: Weights, beside: int
    ) -> None:
        after = {one.model: one.weights for one in self.residency.present()}
        left = {name: told for name, told in before.items() if name not in after}
        most = self.card.total - self.card.foreign - self.leave - beside
        most = most if self.cap is None else min(most, self.cap)
        for name, (kind, weights) in left.items():
            if name in self.replaced_now:
                continue
            with_it = held_bytes([needed, *after.values(), weights])
            assert with_it > most, f"{name} left in vain"
            scorers = [n for n in after if n in SCORERS and n in before and n not in self.wanted]
            if kind == "generator" and name not in self.wanted and scorers:
                stays = [w for n, w in after.items() if n not in scorers]
                assert held_bytes([needed, *stays, weights]) > most, "a scorer stayed before it"

    replaced_now: frozenset[str] = frozenset()

    @rule(
        model=st.sampled_from(sorted(MODELS)),
        beside=st.sampled_from([50, 400, 1_500, 3_000]),
        fails=st.sampled_from([None, None, None, 0, 1, 2]),
        keeps=st.booleans(),
    )
    def draw(self, model: str, beside: int, fails: int | None, keeps: bool) -> None:
        if any(name == model for name, _, _ in self.leases) and self.disk_changed(model):
            return
        resident = model in self.residency.resident() and not self.disk_changed(model)
        self.fails_after = None if resident else fails
        if self.disk_changed(model):
            self.replaced_now = frozenset({model})
        stack = ExitStack()
        needed = self.disk.weights(model)
        with self.refusing(needed, beside):
            lease = stack.enter_context(self.residency.lease(function(model), beside))
            with self.card.work(beside):
                pass
            assert isinstance(lease.pipeline, Holding)
            assert lease.pipeline.weights.keys() == needed.keys(), "drawn with old weights"
            if keeps and len(self.leases) < 2:
                self.leases.append((model, stack, lease.pipeline))
            else:
                stack.close()
        self.replaced_now = frozenset()
        self.fails_after = None

    def disk_changed(self, model: str) -> bool:
        return any(
            one.model == model and one.weights.keys() != self.disk.weights(model).keys()
            for one in self.residency.present()
        )

    @rule(scorer=st.sampled_from(sorted(SCORERS)), fails=st.sampled_from([None, None, 0]))
    def read(self, scorer: str, fails: int | None) -> None:
        there = any(one.model == scorer for one in self.residency.present())
        self.fails_after = None if there else fails
        with (
            self.refusing({f"scorer:{scorer}": SCORERS[scorer]}, 0),
            self.residency.lend(self.tenant(scorer)) as holding,
        ):
            assert not holding.closed
        self.fails_after = None

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def end_a_picture(self, data: st.DataObject) -> None:
        self.leases.pop(data.draw(st.integers(0, len(self.leases) - 1)))[1].close()

    @rule(name=st.sampled_from(sorted([*MODELS, *SCORERS])))
    def stop(self, name: str) -> None:
        there = any(one.model == name and not one.leaving for one in self.residency.present())
        assert self.residency.free(name) == there
        leased = any(one == name for one, _, _ in self.leases)
        assert leased or name not in {one.model for one in self.residency.present()}

    @rule(share=st.sampled_from([0.0, 0.1, 0.3, 0.6, 1.0]))
    def others_take(self, share: float) -> None:
        self.card.foreign = int(share * (self.card.total - self.card.held))

    @rule()
    def others_need_more(self) -> None:
        self.residency.relieve()
        short = self.card.probe().less(self.leave).free_bytes < int(0.02 * self.card.total)
        assert not (short and self.idle() and not self.card.late)

    @rule(names=st.sets(st.sampled_from(sorted([*MODELS, *SCORERS])), max_size=3))
    def queue_up(self, names: set[str]) -> None:
        self.wanted = tuple(sorted(names))

    @rule(model=st.sampled_from(sorted(MODELS)))
    def replace_files(self, model: str) -> None:
        self.disk.revisions[model] += 1

    @invariant()
    def the_ledger_says_what_the_card_holds(self) -> None:
        if not hasattr(self, "card"):
            return
        assert self.residency.held_bytes == self.card.held
        assert self.card.held + self.card.foreign <= self.card.total
        if self.cap is not None:
            assert self.card.held <= self.cap
        present = self.residency.present()
        assert held_bytes(one.weights for one in present) == self.card.held
        assert not any(one.loading for one in present), "told as loading when nothing is"

    @invariant()
    def nothing_in_use_has_left(self) -> None:
        if hasattr(self, "card"):
            assert not any(holding.closed for _, _, holding in self.leases)

    def teardown(self) -> None:
        if not hasattr(self, "card"):
            return
        for _, stack, _ in self.leases:
            stack.close()
        self.residency.close()
        assert self.card.held == 0, "something stayed on the card"


Ledger.TestCase.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, derandomize=True
)
"""A fixed sample; `python -m tests.generation.test_simulated_card 10500` tries others."""
TestLedger = Ledger.TestCase


# Bugs that were planted: each is found.


@dataclass(frozen=True)
class Bug:
    """A wrong ledger: parts of the real one, replaced."""

    patches: tuple[tuple[object, str, object], ...] = ()
    machine: Mapping[str, object] | None = None


_RESIDENTS = Residency._residents
_ADMIT = admission.admit
_ALLOWED = admission.weights_allowed
_NOW = Residency._now


def _without_scorers(self: Residency, but: Any = None) -> list[Resident]:
    return [one for one in _RESIDENTS(self, but) if one.kind == "generator"]


def _nothing_leased(
    residents: Sequence[Resident], needed: Weights, budget_bytes: int
) -> admission.Admission:
    return _ADMIT([replace(one, leased=False) for one in residents], needed, budget_bytes)


def _everybody_out(
    residents: Sequence[Resident], needed: Weights, budget_bytes: int
) -> admission.Admission:
    found = _ADMIT(residents, needed, budget_bytes)
    if not found.evict:
        return found
    return replace(found, evict=tuple(one.model for one in residents if not one.leased))


def _stale(self: Residency) -> Device | None:
    if not hasattr(self, "first"):
        self.first = _NOW(self)  # type: ignore[attr-defined]
    return self.first  # type: ignore[attr-defined,no-any-return]


def _summed(holders: Any) -> int:
    return sum(sum(weights.values()) for weights in holders)


def _closed_at_once(self: Residency, entry: Any) -> None:
    entry.holder.close()


class _Moved(Holding):
    """Says that it holds what its load brought."""

    def __init__(self, card: Card, weights: Weights, fails_after: int | None) -> None:
        there = {key for key, holders in card.networks.items() if holders > 0}
        super().__init__(card, weights, fails_after)
        self.weights = {key: size for key, size in weights.items() if key not in there}


class _Leaks(Holding):
    """A load that fails leaves behind what it had brought."""

    def give_up(self) -> None:
        self.taken = []


class _TakesAll(Holding):
    """Frees what others still hold."""

    def leave(self) -> None:
        for key in self.taken:
            self.card.networks[key] = 0
        self.taken = []


def _same_for_ever(self: Residency, entry: Any, tenant: Any) -> bool:
    return bool(entry.tenant.identity != tenant.identity)


def _generators_first(residents: Sequence[Resident], wanted: Any = ()) -> list[Resident]:
    return sorted(residents, key=lambda one: one.kind != "generator")


def _allowed(**changes: Callable[[int], int]) -> Callable[..., int]:
    """`weights_allowed` that is told something else."""

    def wrong(held: int, free: int, beside: int | None, total: int, cap: int | None) -> int:
        told: dict[str, Any] = {"held": held, "free": free, "beside": beside, "cap": cap}
        told = {name: changes.get(name, lambda value: value)(value) for name, value in told.items()}
        return _ALLOWED(told["held"], told["free"], told["beside"], total, told["cap"])

    return wrong


BUGS: dict[str, Bug] = {
    "what was moved stands for what is held": Bug(machine={"holding_class": _Moved}),
    "what is held is counted twice": Bug(
        ((residency, "weights_allowed", _allowed(held=lambda held: 2 * held)),)
    ),
    "what is held is not given back by leaving": Bug(
        ((residency, "weights_allowed", _allowed(held=lambda held: 0)),)
    ),
    "a scorer is not seen": Bug(((Residency, "_residents", _without_scorers),)),
    "one that is leased is evicted": Bug(((residency, "admit", _nothing_leased),)),
    "free memory is that of the beginning": Bug(((Residency, "_now", _stale),)),
    "a load that fails leaves bytes behind": Bug(machine={"holding_class": _Leaks}),
    "what drawing takes is forgotten": Bug(
        ((residency, "weights_allowed", _allowed(beside=lambda beside: 0)),)
    ),
    "what is left to others is taken": Bug(((Device, "less", lambda self, leave_bytes: self),)),
    "the cap is forgotten": Bug(((residency, "weights_allowed", _allowed(cap=lambda cap: 2**63)),)),
    "what is shared counts for each": Bug(((admission, "held_bytes", _summed),)),
    "what is shared leaves with the first": Bug(machine={"holding_class": _TakesAll}),
    "nobody waits until the device shows it": Bug(
        ((Residency, "_see_what_left", lambda self: None),)
    ),
    "what is stopped while it draws leaves at once": Bug(
        ((Residency, "_dismiss", _closed_at_once),)
    ),
    "files that were replaced are not noticed": Bug(((Residency, "_is_other", _same_for_ever),)),
    "everybody leaves where one would do": Bug(((residency, "admit", _everybody_out),)),
    "models that draw leave before scorers": Bug(
        ((residency, "in_leaving_order", _generators_first),)
    ),
}


@pytest.mark.parametrize("name", sorted(BUGS))
def test_a_planted_bug_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bug = BUGS[name]
    for owner, attribute, value in bug.patches:
        monkeypatch.setattr(owner, attribute, value)
    machine = type("Wrong", (Ledger,), dict(bug.machine or {}))
    with pytest.raises((AssertionError, OutOfMemory, KeyError, ValueError)):
        run_state_machine_as_test(machine, settings=_settings(1_500))  # type: ignore[no-untyped-call]


def _settings(examples: int) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=25,
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.generate,),
        report_multiple_bugs=False,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
    )


def test_a_program_that_takes_memory_between_two_pictures_is_seen_two_hundred_times() -> None:
    """It takes 3 GB of 8: what is idle leaves, or the picture is refused, before a byte is lost."""
    outcomes = []
    for turn in range(200):
        card, disk = Card(8_000 + 40 * turn), Disk()
        ledger = Residency(
            None,
            disk.loader(card, lambda: None),
            lambda wanted, disk=disk: disk.weights(wanted.model.name),
            room=lambda card=card: card.probe(),
            wait=lambda seconds: None,
        )
        with ledger.lease(function("small"), 400):
            pass
        for scorer, size in SCORERS.items():
            if size + card.held + 400 <= card.total:
                weights = {f"scorer:{scorer}": size}
                tenant = Tenant(
                    scorer,
                    "scorer",
                    lambda weights=weights: weights,
                    lambda weights=weights, card=card: Holding(card, weights, None),
                )
                with ledger.lend(tenant):
                    pass
        card.foreign = min(3_000, card.free)
        loads = card.loads
        try:
            with ledger.lease(function("base"), 400), card.work(400):
                outcomes.append("drawn")
        except OutOfMemory as error:
            outcomes.append("refused" if "can be had of the device" in str(error) else "failed")
        if outcomes[-1] == "refused":
            assert card.loads == loads, "nothing was touched"
    assert len(outcomes) == 200
    assert set(outcomes) == {"drawn", "refused"}


BY_HAND = settings(
    max_examples=200,
    stateful_step_count=50,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
"""Fresh random choices every round."""


class Counting(Ledger):
    """Counts its steps."""

    steps = 0

    @invariant()
    def counted(self) -> None:
        Counting.steps += 1


def main() -> int:
    """Take so many steps and say how it went, as one line of JSON."""
    wanted, began, seeds = int(sys.argv[1]), time.process_time(), 0
    while Counting.steps < wanted:
        run_state_machine_as_test(Counting, settings=BY_HAND)  # type: ignore[no-untyped-call]
        seeds += 1
    row = {
        "steps": Counting.steps,
        "rounds": seeds,
        "failures": 0,
        "processor_seconds": round(time.process_time() - began, 1),
        "planted_bugs": len(BUGS),
    }
    print(json.dumps(row))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
