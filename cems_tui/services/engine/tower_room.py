"""Keeps the text towers of routers in the ledger of the device, beside the models that draw."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cems_tui.domain.encoder import EncoderFacts
from cems_tui.generation.meter import trim_heap
from cems_tui.generation.residency import Residency, Tenant
from cems_tui.routing.features.text_encoder import TextEncoder


class SharedTowerRoom:
    """Where a processor draws, what reads prompts takes of the same memory as what draws."""

    def __init__(self, residency: Residency) -> None:
        self._residency = residency

    @contextmanager
    def lend(
        self, facts: EncoderFacts, expected_bytes: int, load: Callable[[], TextEncoder]
    ) -> Iterator[TextEncoder]:
        """As `TowerRoom.lend`: what is idle leaves for it, what draws nothing first."""
        name = ledger_name(facts)
        tenant: Tenant[_Held] = Tenant(
            name,
            "text tower",
            lambda: {_key(facts): expected_bytes},
            lambda: _Held(name, facts, load()),
            facts.sha256,
        )
        with self._residency.lend(tenant) as held:
            yield held.tower


def ledger_name(facts: EncoderFacts) -> str:
    """What it is called by `cems ps`: the tower of a pipeline is not the pipeline."""
    return facts.id if facts.kind == "text" else f"{facts.id}:text"


def _key(facts: EncoderFacts) -> str:
    return f"tower:{facts.sha256}"


class _Held:
    """A tower as the ledger knows it."""

    def __init__(self, name: str, facts: EncoderFacts, tower: TextEncoder) -> None:
        self._tower: TextEncoder | None = tower
        self.weights = {_key(facts): tower.held_bytes}
        self.names = {_key(facts): name}

    @property
    def tower(self) -> TextEncoder:
        """The encoder, while it is there."""
        assert self._tower is not None, "a lent tower is not closed"
        return self._tower

    def close(self) -> None:
        """Leave the memory."""
        self._tower = None
        trim_heap()
