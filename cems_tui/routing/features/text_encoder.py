"""What reads prompts for a router: the protocol of every text encoder, and where one is found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cems_tui.domain.encoder import EncoderFacts
from cems_tui.errors import WeightsError

Floats = NDArray[np.float32]


class TextEncoder(Protocol):
    """Turns prompts into vectors, without torch."""

    @property
    def facts(self) -> EncoderFacts:
        """What it is called, and the digest a router's card locks in."""
        ...

    @property
    def width(self) -> int:
        """The length d of a token's state, and of a pooled state."""
        ...

    @property
    def depth(self) -> int:
        """How many layers `embeddings` are taken from, L."""
        ...

    @property
    def parameters(self) -> int:
        """How many numbers it is made of."""
        ...

    @property
    def held_bytes(self) -> int:
        """What its weights take of main memory."""
        ...

    def states(self, prompts: Sequence[str]) -> list[Floats]:
        """The state of every token of each text after the last layer, shapes (T, d)."""
        ...

    def pool(self, states: Floats) -> Floats:
        """One text's states (T, d) as one vector, shape (d,)."""
        ...

    def embeddings(self, prompts: Sequence[str]) -> Floats:
        """The pooled states after some layers, the last one at the end, shape (N, L, d)."""
        ...


class TowerRoom(Protocol):
    """Where text encoders are kept between two prompts."""

    def lend(
        self, facts: EncoderFacts, expected_bytes: int, load: Callable[[], TextEncoder]
    ) -> AbstractContextManager[TextEncoder]:
        """The encoder, loaded if need be; it stays until the block ends.

        Raises:
            OutOfMemory: there is no room for it.
            WeightsError: its files are missing or damaged.
        """
        ...


@dataclass(frozen=True, slots=True)
class LentTower:
    """A text encoder that is somewhere else, and is there while it reads."""

    facts: EncoderFacts
    width: int
    depth: int
    parameters: int
    held_bytes: int
    """What its weights take of main memory."""

    room: TowerRoom
    load: Callable[[], TextEncoder]

    @classmethod
    def of(cls, tower: TextEncoder, room: TowerRoom, load: Callable[[], TextEncoder]) -> LentTower:
        """The same encoder, kept by the room; `tower` itself is not held."""
        return cls(
            tower.facts,
            tower.width,
            tower.depth,
            tower.parameters,
            tower.held_bytes,
            room,
            load,
        )

    def states(self, prompts: Sequence[str]) -> list[Floats]:
        """As of the encoder."""
        with self._lent() as tower:
            return tower.states(prompts)

    def pool(self, states: Floats) -> Floats:
        """As of the encoder."""
        with self._lent() as tower:
            return tower.pool(states)

    def embeddings(self, prompts: Sequence[str]) -> Floats:
        """As of the encoder."""
        with self._lent() as tower:
            return tower.embeddings(prompts)

    def _lent(self) -> AbstractContextManager[TextEncoder]:
        return self.room.lend(self.facts, self.held_bytes, self.load)


class Towers(Protocol):
    """The text encoders at hand."""

    def find(self, encoder: EncoderFacts) -> TextEncoder:
        """The encoder of exactly that digest.

        Raises:
            WeightsError: it is not here, or what is here under its name has another digest.
        """
        ...


class NoTowers:
    """A place without text encoders: instant routers need none."""

    def find(self, encoder: EncoderFacts) -> TextEncoder:
        raise WeightsError(
            f"the text tower {encoder.id} ({encoder.sha256}) is not at hand",
            "Install the pipeline it belongs to with `cems pull`, or choose a router that reads "
            "instant features.",
        )
